// The webhook sink, and with it the queue and the HTTP of OTLP: every record is accounted for, whatever the server does.
#include "sink/webhook.h"

#include <unistd.h>

#include <boost/json.hpp>
#include <filesystem>

#include "sink/http_carrier.h"
#include "sink_export.h"
#include "test_certificates.h"

namespace cvf::sink {
namespace {

class WebhookSink : public ::testing::Test {
 protected:
    std::unique_ptr<RecordSink> make(const std::string& url, const std::function<void(WebhookOptions&)>& change = {}) {
        WebhookOptions options;
        options.url = url;
        options.first_wait = 20ms;
        options.longest_wait = 100ms;
        options.complain = complaints.take();
        if (change) change(options);
        auto made = make_webhook_sink(options);
        EXPECT_TRUE(made) << made.error();
        return std::move(*made);
    }
    void write(RecordSink& sink, size_t records, std::string_view path = "/a") {
        for (size_t i = 0; i < records; i++) {
            begin_http(record, path);
            sink.write(record, nullptr);
        }
    }
    record::Record record;
    Complaints complaints;
};

TEST_F(WebhookSink, posts_records_as_json_lines_with_the_secret_of_its_file) {
    const auto file = std::filesystem::temp_directory_path() / ("cvf-webhook-secret-" + std::to_string(::getpid()));
    std::ofstream(file) << "first-one\n";
    Receiver server;
    auto sink = make(server.url() + "/hook/x?key=v", [&](WebhookOptions& o) { o.token_file = file; });
    write(*sink, 3);
    sink->flush();
    EXPECT_TRUE(server.got().empty()) << "too young to go";
    std::ofstream(file) << "second-one\n";  // it may change while the program runs
    sink->finish(10s);
    std::filesystem::remove(file);
    const auto got = server.got();
    ASSERT_EQ(got.size(), 1u);
    EXPECT_EQ(got[0].path, "/hook/x key=v");
    EXPECT_EQ(got[0].type, "application/x-ndjson");
    EXPECT_EQ(got[0].authorization, "Bearer second-one");
    std::istringstream lines(got[0].body);
    size_t count = 0;
    for (std::string line; std::getline(lines, line); count++)
        EXPECT_EQ(boost::json::parse(line).at("record.type").as_string(), "http");
    EXPECT_EQ(count, 3u);
    expect_sums(*sink, 3, 3, 0);
    EXPECT_EQ(complaints.all(), "");
}

TEST_F(WebhookSink, sends_a_batch_when_it_is_old_or_big_enough) {
    Receiver server;
    auto sink = make(server.url(), [](WebhookOptions& o) {
        o.linger = 50ms;
        o.batch_bytes = 4096;
    });
    write(*sink, 1);
    std::this_thread::sleep_for(60ms);
    sink->flush();
    ASSERT_TRUE(server.wait_for(1));
    write(*sink, 1, std::string(5000, 'x'));
    ASSERT_TRUE(server.wait_for(2)) << "without flush()";
    sink->finish(10s);
    expect_sums(*sink, 2, 2, 0);
}

TEST_F(WebhookSink, tries_again_when_the_server_is_busy_and_no_sooner_than_it_has_asked) {
    Receiver server;
    server.then(500);
    server.then(429, {{"Retry-After", "1"}});
    auto sink = make(server.url());
    write(*sink, 2);
    sink->finish(20s);
    const auto got = server.got();
    ASSERT_EQ(got.size(), 3u);
    EXPECT_GE(got[2].at - got[1].at, 1s);
    EXPECT_EQ(got[2].body, got[0].body);
    expect_sums(*sink, 2, 2, 0);
    EXPECT_TRUE(sink->stats().connected);
    EXPECT_EQ(sink->stats().last_error, "");
}

TEST_F(WebhookSink, gives_up_what_is_refused_for_good_and_goes_on_with_the_next) {
    Receiver server;
    server.then(400, {}, "no\x01 such thing");
    auto sink = make(server.url(), [](WebhookOptions& o) { o.batch_bytes = 1; });
    write(*sink, 2);
    sink->finish(20s);
    EXPECT_EQ(server.got().size(), 2u);
    expect_sums(*sink, 2, 1, 1);
    EXPECT_NE(complaints.all().find("400: no  such thing; those records are lost"), std::string::npos) << complaints.all();
}

TEST_F(WebhookSink, follows_no_redirect) {
    Receiver server, other;
    server.then(307, {{"Location", other.url()}});
    auto sink = make(server.url());
    write(*sink, 1);
    sink->finish(20s);
    EXPECT_TRUE(other.got().empty());
    expect_sums(*sink, 1, 0, 1);
}

TEST_F(WebhookSink, speaks_tls_with_a_server_it_can_trust_and_with_no_other) {
    const std::string folder = std::filesystem::temp_directory_path() / ("cvf-webhook-tls-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder);
    const test::Authority authority("test authority");
    authority.write(folder + "/ca.pem");
    authority.issue("server", "IP:127.0.0.1", folder + "/cert.pem", folder + "/key.pem");
    {
        http::ServerTls tls;
        tls.cert_file = folder + "/cert.pem";
        tls.key_file = folder + "/key.pem";
        Receiver server("127.0.0.1:0", tls);
        ASSERT_TRUE(server.url().starts_with("https://"));
        auto trusting = make(server.url(), [&](WebhookOptions& o) { o.tls.ca_file = folder + "/ca.pem"; });
        write(*trusting, 1);
        trusting->finish(10s);
        expect_sums(*trusting, 1, 1, 0);
        auto stranger = make(server.url());
        write(*stranger, 1);
        stranger->finish(300ms);
        expect_sums(*stranger, 1, 0, 1);
        EXPECT_EQ(server.got().size(), 1u);
    }
    std::filesystem::remove_all(folder);
}

TEST_F(WebhookSink, delivers_when_a_server_that_was_gone_is_back) {
    auto server = std::make_unique<Receiver>();
    const std::string listen = "127.0.0.1:" + std::to_string(server->port());
    auto sink = make(server->url(), [](WebhookOptions& o) { o.batch_bytes = 1; });
    write(*sink, 1);
    ASSERT_TRUE(soon(*sink, [](const RecordSinkStats& s) { return s.delivered == 1; }));
    server.reset();
    write(*sink, 4);
    ASSERT_TRUE(soon(*sink, [](const RecordSinkStats& s) { return !s.connected; }));
    EXPECT_NE(sink->stats().last_error, "");
    expect_sums(*sink, 5, 1, 0);
    server = std::make_unique<Receiver>(listen);
    ASSERT_TRUE(soon(*sink, [](const RecordSinkStats& s) { return s.delivered == 5; }));
    sink->finish(10s);
    EXPECT_EQ(server->got().size(), 4u);
    expect_sums(*sink, 5, 5, 0);
    EXPECT_EQ(complaints.lines.size(), 1u) << complaints.all();  // an outage is said once
}

TEST_F(WebhookSink, keeps_within_its_memory_and_counts_what_has_no_room) {
    std::string url;
    {
        Receiver server;
        url = server.url();
    }
    auto sink = make(url, [](WebhookOptions& o) {
        o.batch_bytes = 1;
        o.memory_bytes = 20'000;
    });
    write(*sink, 100, std::string(1000, 'x'));
    const RecordSinkStats full = sink->stats();
    EXPECT_GT(full.waiting, 5u);
    EXPECT_LT(full.waiting, 20u);
    EXPECT_EQ(full.given, full.waiting + full.lost);
    EXPECT_NE(complaints.all().find("no room"), std::string::npos);
    sink->finish(0ms);
    expect_sums(*sink, 100, 0, 100);
}

TEST_F(WebhookSink, does_not_wait_for_a_server_that_never_answers) {
    Receiver server;
    http::OutgoingResponse never;
    never.later = [](http::Reply reply) {
        std::thread([reply] {
            std::this_thread::sleep_for(3s);
            reply({});
        }).detach();
    };
    server.then(std::move(never));
    auto sink = make(server.url());
    write(*sink, 7);
    const auto before = std::chrono::steady_clock::now();
    sink->finish(300ms);
    EXPECT_LT(std::chrono::steady_clock::now() - before, 2s);
    EXPECT_EQ(server.got().size(), 1u);
    expect_sums(*sink, 7, 0, 7);
}

TEST_F(WebhookSink, waits_no_longer_than_its_timeout_for_an_answer) {
    Receiver server;
    http::OutgoingResponse slow;
    slow.later = [](http::Reply reply) {
        std::thread([reply] {
            std::this_thread::sleep_for(2s);
            reply({});
        }).detach();
    };
    server.then(std::move(slow));
    auto sink = make(server.url(), [](WebhookOptions& o) { o.timeout = 200ms; });
    write(*sink, 1);
    sink->finish(20s);
    EXPECT_EQ(server.got().size(), 2u);
    expect_sums(*sink, 1, 1, 0);
}

TEST_F(WebhookSink, says_what_is_wrong_with_its_options) {
    for (const char* url : {"", "ftp://a", "http://", "http://a b/", "http://u@a/", "http://a:99999/", "http://a/\xff"}) {
        WebhookOptions options;
        options.url = url;
        EXPECT_FALSE(make_webhook_sink(options)) << url;
    }
    WebhookOptions options;
    options.url = "http://127.0.0.1:1/";
    options.token_file = "/nonexistent/secret";
    const auto made = make_webhook_sink(options);
    ASSERT_FALSE(made);
    EXPECT_NE(made.error().find("/nonexistent/secret: "), std::string::npos);
}

TEST(HttpCarrier, splits_urls) {
    const auto whole = split_url("https://[::1]:8443/a/b?c=d#e");
    ASSERT_TRUE(whole) << whole.error();
    EXPECT_EQ(whole->where, "https://[::1]:8443");
    EXPECT_EQ(whole->target, "/a/b?c=d");
    EXPECT_EQ(split_url("http://h")->target, "/");
    EXPECT_EQ(split_url("http://h?q=1")->target, "/?q=1");
}

TEST(HttpCarrier, reads_retry_after_as_seconds_and_as_a_date_within_bounds) {
    EXPECT_EQ(retry_after("7", 0), 7s);
    EXPECT_EQ(retry_after("Fri, 02 Jan 2026 03:04:15 GMT", 1'767'323'045), 10s);
    EXPECT_EQ(retry_after("Fri, 02 Jan 2026 03:04:15 GMT", 1'767'323'100), 0s);
    EXPECT_EQ(retry_after("99999999999999999999", 0), 300s);
    EXPECT_EQ(retry_after("1000", 0), 300s);
    for (const char* wrong : {"", "-1", "1.5", "soon", "7 "}) EXPECT_EQ(retry_after(wrong, 0), 0s) << wrong;
}

}  // namespace
}  // namespace cvf::sink
