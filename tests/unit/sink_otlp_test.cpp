// OTLP: what becomes of which field, what flow records sum up to, and whose loss is counted. Judged by OpenTelemetry's own
// messages in tests/export/.
#include "sink/otlp.h"

#include <boost/json.hpp>
#include <map>

#include "sink_export.h"

namespace cvf::sink {
namespace {

namespace json = boost::json;
using record::Field;

class OtlpSink : public ::testing::Test {
 protected:
    std::unique_ptr<RecordSink> make(const std::string& url, const std::function<void(OtlpOptions&)>& change = {}) {
        OtlpOptions options;
        options.url = url;
        options.node = "n1";
        options.first_wait = 20ms;
        options.longest_wait = 100ms;
        options.complain = complaints.take();
        if (change) change(options);
        auto made = make_otlp_sink(options);
        EXPECT_TRUE(made) << made.error();
        return std::move(*made);
    }
    static json::value log_of(const Receiver::Got& got) {
        return json::parse(got.body).at_pointer("/resourceLogs/0/scopeLogs/0/logRecords/0");
    }
    static std::map<std::string, json::value> attributes(const json::value& of) {
        std::map<std::string, json::value> out;
        for (const json::value& one : of.at("attributes").as_array())
            EXPECT_TRUE(out.emplace(std::string(one.at("key").as_string()), one.at("value")).second);
        return out;
    }
    static json::array metrics_of(const Receiver::Got& got) {
        return json::parse(got.body).at_pointer("/resourceMetrics/0/scopeMetrics/0/metrics").as_array();
    }
    // The value of the sum `name` in this direction.
    static std::string sum(const json::array& metrics, std::string_view name, std::string_view direction) {
        for (const json::value& metric : metrics) {
            if (metric.at("name").as_string() != name) continue;
            for (const json::value& point : metric.at("sum").at("dataPoints").as_array())
                if (attributes(point).at("network.io.direction").at("stringValue").as_string() == direction)
                    return std::string(point.at("asInt").as_string());
        }
        return "none";
    }
    record::Record record;
    Complaints complaints;
};

TEST_F(OtlpSink, writes_a_record_as_a_log_record_with_typed_attributes) {
    Receiver server;
    auto sink = make(server.url());
    begin_http(record, "/\xff\"");
    record.uint(Field::http_response_status_code, 200);
    record.uint(Field::event_duration, UINT64_MAX);
    record.flag(Field::cvf_truncated, true);
    record.text(Field::host_name, "n1");
    record.text(Field::trace_id, "463ac35c9f6413ad");  // B3 of 64 bits
    record.text(Field::span_id, "not-an-id");
    static constexpr uint8_t address[] = {192, 0, 2, 1};
    record.ip(Field::source_address, address);
    record::FieldSet owner;
    const std::pair<std::string_view, std::string_view> labels[] = {{"app", "shop"}, {"tier", "web"}};
    owner.map(Field::source_container_label, labels);
    const std::string_view tags[] = {"a", "b"};
    owner.texts(Field::source_container_image_tags, tags);
    record.attach(&owner);
    sink->write(record, nullptr);
    sink->finish(10s);
    const auto got = server.got();
    ASSERT_EQ(got.size(), 1u);
    EXPECT_EQ(got[0].path, "/v1/logs");
    EXPECT_EQ(got[0].type, "application/json");
    const json::value log = log_of(got[0]);
    EXPECT_EQ(log.at("timeUnixNano").as_string(), std::to_string(test_time));
    EXPECT_EQ(log.at("traceId").as_string(), "0000000000000000463ac35c9f6413ad");
    EXPECT_FALSE(log.as_object().contains("spanId"));
    EXPECT_TRUE(log.at("body").at("stringValue").as_string().starts_with("http "));
    const auto has = attributes(log);
    EXPECT_EQ(has.at("url.path"), json::parse(R"({"stringValue":"/\\xff\""})"));
    EXPECT_EQ(has.at("http.response.status_code"), json::parse(R"({"intValue":"200"})"));
    EXPECT_EQ(has.at("event.duration"), json::parse(R"({"stringValue":"18446744073709551615"})"));
    EXPECT_EQ(has.at("cvf.truncated"), json::parse(R"({"boolValue":true})"));
    EXPECT_EQ(has.at("source.address"), json::parse(R"({"stringValue":"192.0.2.1"})"));
    EXPECT_EQ(has.at("span.id"), json::parse(R"({"stringValue":"not-an-id"})"));
    EXPECT_EQ(has.at("source.container.label"), json::parse(R"({"kvlistValue":{"values":[
        {"key":"app","value":{"stringValue":"shop"}},{"key":"tier","value":{"stringValue":"web"}}]}})"));
    EXPECT_EQ(has.at("source.container.image.tags"),
              json::parse(R"({"arrayValue":{"values":[{"stringValue":"a"},{"stringValue":"b"}]}})"));
    for (const char* absent : {"@timestamp", "host.name", "trace.id"}) EXPECT_FALSE(has.contains(absent)) << absent;
    const auto resource = attributes(json::parse(got[0].body).at_pointer("/resourceLogs/0/resource"));
    EXPECT_EQ(resource.at("host.name").at("stringValue").as_string(), "n1");
    EXPECT_EQ(resource.at("service.name").at("stringValue").as_string(), "cvf");
}

TEST_F(OtlpSink, sends_no_field_that_was_not_asked_for_not_even_in_the_body) {
    Receiver server;
    auto sink = make(server.url());
    const std::string patterns[] = {"source.address"};
    const auto fields = record::Projection::parse(patterns);
    ASSERT_TRUE(fields);
    begin_http(record, "/secret");
    record.text(Field::trace_id, "0af7651916cd43dd8448eb211c80319c");
    sink->write(record, &*fields);
    begin_flow(record, true, 0, 1, 100);
    sink->write(record, &*fields);
    sink->finish(10s);
    const auto got = server.got();
    ASSERT_EQ(got.size(), 2u);
    const json::value log = log_of(got[0]);
    EXPECT_EQ(log.at("body").at("stringValue").as_string(), "http");
    EXPECT_EQ(got[0].body.find("secret"), std::string::npos);
    EXPECT_FALSE(log.as_object().contains("traceId"));
    EXPECT_TRUE(attributes(log).contains("flow.id"));  // the join keys are always written
    EXPECT_NE(got[1].body.find("source.address"), std::string::npos);
    EXPECT_EQ(got[1].body.find("destination."), std::string::npos);
}

TEST_F(OtlpSink, sums_flow_records_by_their_ends_and_counts_each_byte_once) {
    Receiver server;
    auto sink = make(server.url() + "/base/v1/logs");
    begin_flow(record, false, 0, 10, 1000);
    sink->write(record, nullptr);
    begin_flow(record, false, 1, 15, 1500);
    sink->write(record, nullptr);
    begin_flow(record, true, 2, 16, 1600);
    sink->write(record, nullptr);
    begin_flow(record, true, 0, 1, 50, "00000000000000bb");
    sink->write(record, nullptr);
    sink->finish(10s);
    const auto got = server.got();
    ASSERT_EQ(got.size(), 1u);
    EXPECT_EQ(got[0].path, "/base/v1/metrics");
    const json::array metrics = metrics_of(got[0]);
    ASSERT_EQ(metrics.size(), 3u);
    EXPECT_EQ(sum(metrics, "cvf.flow.io", "transmit"), "1650");
    EXPECT_EQ(sum(metrics, "cvf.flow.io", "receive"), "3300");
    EXPECT_EQ(sum(metrics, "cvf.flow.packets", "transmit"), "17");
    EXPECT_EQ(sum(metrics, "cvf.flow.packets", "receive"), "34");
    EXPECT_EQ(metrics[0].at("sum").at("aggregationTemporality").as_int64(), 1);
    const json::value& ended = metrics[2].at("histogram").at("dataPoints").at(0);
    EXPECT_EQ(ended.at("count").as_string(), "2");
    EXPECT_EQ(ended.at("sum").to_number<double>(), 8);  // 6 s and 2 s
    EXPECT_EQ(ended.at("min").to_number<double>(), 2);
    EXPECT_EQ(ended.at("max").to_number<double>(), 6);
    EXPECT_EQ(ended.at("bucketCounts").as_array().size(), ended.at("explicitBounds").as_array().size() + 1);
    EXPECT_EQ(ended.at("bucketCounts").at(7).as_string(), "1");  // (1, 5]
    EXPECT_EQ(ended.at("bucketCounts").at(8).as_string(), "1");  // (5, 10]
    expect_sums(*sink, 4, 4, 0);
}

TEST_F(OtlpSink, windows_follow_each_other_without_overlap) {
    Receiver server;
    auto sink = make(server.url(), [](OtlpOptions& o) { o.interval = 1ms; });
    for (size_t i = 1; i <= 3; i++) {
        begin_flow(record, true, 0, 1, 100);
        sink->write(record, nullptr);
        std::this_thread::sleep_for(2ms);
        sink->flush();
        ASSERT_TRUE(server.wait_for(i));
    }
    uint64_t end = 0;
    for (const auto& got : server.got()) {
        const json::value point = metrics_of(got)[0].at("sum").at("dataPoints").at(0);
        const uint64_t start = std::stoull(std::string(point.at("startTimeUnixNano").as_string()));
        EXPECT_GE(start, end);
        end = std::stoull(std::string(point.at("timeUnixNano").as_string()));
        EXPECT_GT(end, start);
        EXPECT_EQ(point.at("asInt").as_string(), "100");
    }
}

TEST_F(OtlpSink, ends_a_window_early_when_very_many_ends_differ) {
    Receiver server;
    auto sink = make(server.url(), [](OtlpOptions& o) { o.batch_bytes = 20'000; });
    for (uint16_t i = 0; i < 100; i++) {
        const uint8_t address[] = {10, 1, 0, static_cast<uint8_t>(i)};
        record.begin(record::RecordType::flow, test_time);
        record.ip(Field::source_address, address);
        sink->write(record, nullptr);
    }
    sink->finish(10s);
    EXPECT_GT(server.got().size(), 3u);
    for (const auto& got : server.got()) EXPECT_LT(got.body.size(), 25'000u);
    expect_sums(*sink, 100, 100, 0);
}

TEST_F(OtlpSink, counts_what_the_collector_says_it_has_rejected_as_lost) {
    Receiver server;
    server.then(200, {}, R"({"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"too old"}})");
    server.then(200, {}, R"({"partialSuccess":{"rejectedDataPoints":3}})");
    server.then(200, {}, R"({"partialSuccess":{"errorMessage":"just a warning"}})");
    server.then(200, {}, "\x0a\x00 protobuf");
    auto sink = make(server.url(), [](OtlpOptions& o) { o.linger = o.interval = 0ms; });
    const auto send = [&](bool flow, size_t records) {
        for (size_t i = 0; i < records; i++) {
            if (flow)
                begin_flow(record, true, 0, 1, 100);
            else
                begin_http(record);
            sink->write(record, nullptr);
        }
        sink->flush();
    };
    send(false, 5);
    ASSERT_TRUE(soon(*sink, [](const RecordSinkStats& s) { return s.delivered == 3 && s.lost == 2; }));
    EXPECT_NE(sink->stats().last_error.find("2 of 5 records: too old"), std::string::npos);
    send(true, 10);  // 5 points, 3 rejected: 6 of 10 records
    ASSERT_TRUE(soon(*sink, [](const RecordSinkStats& s) { return s.delivered == 7 && s.lost == 8; }));
    send(false, 1);
    send(false, 1);
    sink->finish(10s);
    expect_sums(*sink, 17, 9, 8);
}

TEST_F(OtlpSink, tries_again_only_where_the_specification_says_so) {
    Receiver server;
    for (unsigned status : {429, 502, 503, 504}) server.then(status);
    auto sink = make(server.url());
    begin_http(record);
    sink->write(record, nullptr);
    sink->finish(20s);
    EXPECT_EQ(server.got().size(), 5u);
    expect_sums(*sink, 1, 1, 0);
    for (unsigned status : {500, 400, 404}) {
        server.then(status);
        auto other = make(server.url());
        other->write(record, nullptr);
        other->finish(20s);
        expect_sums(*other, 1, 0, 1);
    }
}

TEST_F(OtlpSink, sends_flows_as_logs_when_asked_to) {
    Receiver server;
    auto sink = make(server.url(), [](OtlpOptions& o) { o.flows = FlowsAs::logs; });
    begin_flow(record, true, 0, 1, 100);
    sink->write(record, nullptr);
    sink->finish(10s);
    ASSERT_EQ(server.got().size(), 1u);
    EXPECT_EQ(attributes(log_of(server.got()[0])).at("source.bytes").at("intValue").as_string(), "100");
}

TEST_F(OtlpSink, sends_sums_over_windows_as_the_metrics_they_are) {
    Receiver server;
    auto sink = make(server.url());
    for (const uint64_t port : {80u, 443u}) {
        record.begin(record::RecordType::metric, test_time);
        record.text(Field::record_id, "m");
        record.text(Field::host_name, "n1");
        record.text(Field::metric_directive, "Flow/edges");
        record.uint(Field::metric_window, 10'000'000'000);
        record.uint(Field::destination_port, port);
        record.uint(Field::metric_count, 7);
        record.uint(Field::metric_errors, 0);
        record.uint(Field::source_bytes, 100 + port);
        record.uint(Field::destination_bytes, 200);
        record.uint(Field::metric_latency_count, 6);
        record.uint(Field::metric_latency_sum, 12'345);
        record.uint(Field::metric_latency_scale, 3);
        record.uint(Field::metric_latency_zeros, 1);
        const uint64_t indices[] = {100, 101, 104}, counts[] = {1, 1, 3};
        record.uints(Field::metric_latency_buckets, indices);
        record.uints(Field::metric_latency_counts, counts);
        record.text(Field::metric_latency_slowest, "slow");
        sink->write(record, nullptr);
    }
    sink->finish(10s);
    ASSERT_EQ(server.got().size(), 1u);
    EXPECT_EQ(server.got()[0].path, "/v1/metrics");
    const json::array metrics = metrics_of(server.got()[0]);
    ASSERT_EQ(metrics.size(), 4u) << "of packets there are none";
    EXPECT_EQ(metrics[0].at("name").as_string(), "cvf.metric.count");
    EXPECT_EQ(metrics[0].at("sum").at("dataPoints").as_array().size(), 2u);
    EXPECT_EQ(sum(metrics, "cvf.metric.io", "transmit"), "180");
    const json::value& latency = metrics[3].at("exponentialHistogram").at("dataPoints").at(1);
    EXPECT_EQ(json::serialize(latency.at("positive")), R"({"offset":100,"bucketCounts":["1","1","0","0","3"]})");
    EXPECT_EQ(latency.at("zeroCount").as_string(), "1");
    const auto has = attributes(latency);
    EXPECT_EQ(has.at("destination.port").at("intValue").as_string(), "443");
    EXPECT_EQ(has.size(), 2u) << "the node is the resource's";
    EXPECT_EQ(sink->stats().delivered, 2u);
}

TEST_F(OtlpSink, takes_no_histogram_that_cannot_be_one) {
    Receiver server;
    auto sink = make(server.url());
    record.begin(record::RecordType::metric, test_time);
    record.text(Field::record_id, "m");
    record.uint(Field::metric_window, UINT64_MAX);
    record.uint(Field::metric_count, UINT64_MAX);
    record.uint(Field::metric_latency_scale, 1'000'000);
    const uint64_t indices[] = {5, 1'000'000'000'000, 3}, counts[] = {1, 1, 1};
    record.uints(Field::metric_latency_buckets, indices);
    record.uints(Field::metric_latency_counts, counts);
    sink->write(record, nullptr);
    sink->finish(10s);
    ASSERT_EQ(server.got().size(), 1u);
    EXPECT_LT(server.got()[0].body.size(), 10'000u);
    EXPECT_EQ(sink->stats().delivered, 1u);
}

TEST_F(OtlpSink, says_what_is_wrong_with_its_url) {
    for (const char* url : {"", "grpc://a:4317", "http://a:4318/?x=1"}) {
        OtlpOptions options;
        options.url = url;
        EXPECT_FALSE(make_otlp_sink(options)) << url;
    }
}

}  // namespace
}  // namespace cvf::sink
