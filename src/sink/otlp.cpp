#include "sink/otlp.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <boost/json.hpp>

#include "sink/http_carrier.h"
#include "sink/otlp_json.h"
#include "sink/otlp_metrics.h"
#include "sink/otlp_sums.h"
#include "sink/outbox.h"

namespace cvf::sink {

namespace {

using Clock = std::chrono::steady_clock;
enum Kind : uint8_t { logs, metrics };

int64_t unix_now() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

class OtlpCarrier final : public HttpCarrier {
 public:
    using HttpCarrier::HttpCarrier;

 private:
    // {"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"…"}}; the count is a text or a number, and absent when 0.
    void accepted(const Parcel& parcel, std::string_view body, Sent& sent) override {
        boost::system::error_code error;
        const boost::json::value answer = boost::json::parse(body, error);
        if (error || !answer.is_object()) return;  // collectors that answer in protobuf all the same have taken it
        const auto* partial = answer.as_object().if_contains("partialSuccess");
        if (!partial || !partial->is_object()) return;
        const char* name = parcel.kind == logs ? "rejectedLogRecords" : "rejectedDataPoints";
        size_t rejected = 0;
        if (const auto* count = partial->as_object().if_contains(name)) {
            if (const auto* text = count->if_string())
                rejected = static_cast<size_t>(std::strtoull(text->c_str(), nullptr, 10));
            else if (count->is_number())
                rejected = count->to_number<size_t>(error);
        }
        if (rejected == 0) return;
        if (parcel.kind == metrics && parcel.points > 0) {
            // A point is the sum of several records, and nobody knows of which: the same share of them, rounded up.
            rejected = std::min(rejected, parcel.points);
            rejected = (parcel.records * rejected + parcel.points - 1) / parcel.points;
        }
        sent.lost = std::min(rejected, parcel.records);
        std::string why;
        if (const auto* message = partial->as_object().if_contains("errorMessage"); message && message->is_string())
            for (const char c : std::string_view(message->get_string()).substr(0, 120)) why += c >= ' ' && c < 0x7f ? c : ' ';
        sent.error = fmt::format("the collector has rejected {} of {} records{}{}", sent.lost, parcel.records,
                                 why.empty() ? "" : ": ", why);
    }
};

class Otlp final : public RecordSink {
 public:
    Otlp(const OtlpOptions& options, OutboxOptions outbox, std::unique_ptr<Carrier> carrier)
        : options_(options), metrics_(unix_now()), outbox_(std::move(outbox), std::move(carrier)) {}
    ~Otlp() override { Otlp::finish(std::chrono::milliseconds(0)); }

    size_t write(const record::Record& record, const record::Projection* fields) override {
        outbox_.give(1);
        if (options_.flows == FlowsAs::metrics && record.type() == record::RecordType::flow) {
            if (metrics_.empty()) metrics_since_ = Clock::now();
            const size_t size = metrics_.add(record, fields);
            if (metrics_.size() >= options_.batch_bytes) send_metrics();
            return size;
        }
        if (options_.flows == FlowsAs::metrics && record.type() == record::RecordType::metric) {
            if (sums_.empty()) sums_since_ = Clock::now();
            const size_t size = sums_.add(record, fields, options_.node);
            if (sums_.size() >= options_.batch_bytes) send_sums();
            return size;
        }
        if (!logs_) {
            logs_ = outbox_.begin();
            logs_->kind = logs;
            otlp::begin_logs(options_.node, logs_->bytes);
            logs_since_ = Clock::now();
            observed_ = unix_now();
        }
        record::Buffer& bytes = logs_->bytes;
        if (logs_->records > 0) bytes.append(",");
        const size_t before = bytes.size();
        otlp::write_log(record, fields, options_.node, observed_, bytes);
        logs_->records++;
        const size_t size = bytes.size() - before;
        if (bytes.size() >= options_.batch_bytes) send_logs();
        return size;
    }

    void flush() override {
        if (!logs_ && metrics_.empty() && sums_.empty()) return;
        const auto now = Clock::now();
        // One look at the clock for the records of one turn.
        if (logs_) {
            if (now - logs_since_ >= options_.linger)
                send_logs();
            else
                observed_ = unix_now();
        }
        if (!metrics_.empty() && now - metrics_since_ >= options_.interval) send_metrics();
        if (!sums_.empty() && now - sums_since_ >= options_.linger) send_sums();
    }

    void finish(std::chrono::milliseconds wait) override {
        if (logs_) send_logs();
        if (!metrics_.empty()) send_metrics();
        if (!sums_.empty()) send_sums();
        outbox_.finish(wait);
    }

    RecordSinkStats stats() const override { return outbox_.stats(); }

 private:
    void send_logs() {
        otlp::end_logs(logs_->bytes);
        outbox_.put(std::move(logs_));
    }

    void send_metrics() {
        send_points([this](record::Buffer& out) { return metrics_.write(unix_now(), out); });
    }
    void send_sums() {
        send_points([this](record::Buffer& out) { return sums_.write(out); });
    }
    template <typename Write>
    void send_points(Write&& write) {
        ParcelPtr parcel = outbox_.begin();
        parcel->kind = metrics;
        otlp::begin_metrics(options_.node, parcel->bytes);
        const auto written = write(parcel->bytes);
        otlp::end_metrics(parcel->bytes);
        parcel->records = written.records;
        parcel->points = written.points;
        outbox_.put(std::move(parcel));
    }

    const OtlpOptions options_;
    ParcelPtr logs_;
    Clock::time_point logs_since_, metrics_since_, sums_since_;
    int64_t observed_ = 0;
    otlp::FlowMetrics metrics_;
    otlp::SumMetrics sums_;
    Outbox outbox_;
};

}  // namespace

std::expected<std::unique_ptr<RecordSink>, std::string> make_otlp_sink(const OtlpOptions& options) {
    auto url = split_url(options.url);
    if (!url) return std::unexpected(url.error());
    if (url->target.find('?') != std::string::npos) return std::unexpected("the URL of an OTLP collector has no query");
    if (!options.token_file.empty())
        if (auto secret = read_secret(options.token_file); !secret) return std::unexpected(secret.error());
    std::string base = url->target;
    for (const std::string_view end : {"/v1/logs", "/v1/metrics"})
        if (base.ends_with(end)) base.resize(base.size() - end.size());
    while (base.ends_with('/')) base.pop_back();
    HttpWay way;
    way.where = url->where;
    way.targets[logs] = base + "/v1/logs";
    way.targets[metrics] = base + "/v1/metrics";
    way.content_type = "application/json";
    way.token_file = options.token_file;
    way.tls = options.tls;
    way.timeout = options.timeout;
    way.few_retries = true;
    OutboxOptions outbox;
    outbox.name = "otlp " + url->where;
    outbox.memory_bytes = options.memory_bytes;
    outbox.first_wait = options.first_wait;
    outbox.longest_wait = options.longest_wait;
    outbox.complain = options.complain;
    return std::make_unique<Otlp>(options, std::move(outbox), std::make_unique<OtlpCarrier>(std::move(way)));
}

}  // namespace cvf::sink
