// The API over real sockets: our own watch, curl and promtool as clients.
#include "api/server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <boost/json.hpp>
#include <cstdio>
#include <fstream>
#include <thread>

#include "api/token.h"
#include "api/watch.h"
#include "http/client.h"

namespace cvf::api {
namespace {

using namespace std::chrono_literals;
using record::Field;
using record::Record;
using record::RecordType;

std::pair<int, std::string> shell(const std::string& command) {
    FILE* pipe = ::popen(command.c_str(), "r");
    std::string out;
    char piece[4096];
    for (size_t n; (n = ::fread(piece, 1, sizeof piece, pipe)) > 0;) out.append(piece, n);
    const int status = ::pclose(pipe);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, out};
}

struct ApiTest : testing::Test {
    std::string token_file = testing::TempDir() + "cvf-api-token-" + std::to_string(::getpid());
    sink::Hub hub;
    std::optional<std::string> not_ready;
    std::unique_ptr<Server> server;
    std::atomic<bool> over{false};
    std::thread pipeline;

    void start(size_t queue_bytes = 4 * 1024 * 1024, size_t max_subscribers = 16) {
        ServerOptions options;
        options.listen = "127.0.0.1:0";
        options.token_file = token_file;
        options.version = "1.2.3";
        options.services.hub = &hub;
        options.metrics = [] { return std::vector<Metric>{Metric::counter("cvf_packets_total", "Packets seen.", 42)}; };
        options.why_not_ready = [this] { return not_ready; };
        options.subscriber_queue_bytes = queue_bytes;
        options.max_subscribers = max_subscribers;
        auto started = Server::start(std::move(options));
        ASSERT_TRUE(started) << started.error();
        server = std::move(*started);
    }
    // A pipeline that makes records for as long as the test runs.
    void run_pipeline(std::chrono::microseconds pause = 500us) {
        pipeline = std::thread([this, pause] {
            Record record;
            for (uint64_t n = 0; !over; ++n) {
                record.begin(n % 2 ? RecordType::dns : RecordType::http, 1'700'000'000'000'000'000 + static_cast<int64_t>(n));
                record.uint(Field::source_port, n);
                hub.publish(record);
                if (n % 16 == 15) {
                    hub.flush();
                    std::this_thread::sleep_for(pause);
                }
            }
            hub.flush();
        });
    }
    void TearDown() override {
        over = true;
        if (pipeline.joinable()) pipeline.join();
        server.reset();
        EXPECT_NE(::access(token_file.c_str(), F_OK), 0) << "the token goes with its server";
    }
    http::Response fetch(const std::string& target, bool with_token = true) {
        http::Request request;
        request.target = target;
        if (with_token) request.headers.push_back({"Authorization", "Bearer " + server->token()});
        auto response = http::fetch(server->address(), request);
        EXPECT_TRUE(response) << response.error().text;
        return response ? *response : http::Response{};
    }
    static boost::json::object object(const http::Response& response) {
        const auto value = boost::json::parse(response.body);
        return value.is_object() ? value.get_object() : boost::json::object{};
    }
};

TEST_F(ApiTest, tells_what_there_is_and_how_it_is) {
    start();
    const auto index = object(fetch("/api/v1/", false));
    EXPECT_EQ(index.at("version"), "1.2.3");
    EXPECT_EQ(index.at("types").as_array().size(), record::type_count);
    EXPECT_EQ(fetch("/healthz", false).status, 200u);
    EXPECT_EQ(fetch("/readyz", false).status, 200u);
    not_ready = "the tap is not attached";
    const auto response = fetch("/readyz", false);
    EXPECT_EQ(response.status, 503u);
    EXPECT_EQ(object(response).at("detail"), "the tap is not attached");
    EXPECT_EQ(fetch("/nothing", false).status, 404u);
}

TEST_F(ApiTest, gives_records_only_to_who_has_the_token) {
    start();
    struct stat st{};
    ASSERT_EQ(::stat(token_file.c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0600u);
    const auto response = fetch("/api/v1/records", false);
    EXPECT_EQ(response.status, 401u);
    EXPECT_EQ(response.header("www-authenticate"), "Bearer realm=\"cvf\"");
    EXPECT_EQ(response.header("content-type"), "application/problem+json");
    EXPECT_EQ(object(response).at("status"), 401);
    EXPECT_EQ(response.body.find(server->token()), std::string::npos);
}

TEST_F(ApiTest, leaves_the_token_of_the_server_that_has_its_address_already) {
    start();
    const auto first = read_token_file(token_file);
    ASSERT_TRUE(first);
    ServerOptions options;
    options.listen = server->address().substr(std::string_view("http://").size());
    options.token_file = token_file;
    options.services.hub = &hub;
    const auto second = Server::start(std::move(options));
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().find("127.0.0.1"), std::string::npos) << second.error();
    EXPECT_EQ(read_token_file(token_file), first);
    EXPECT_NE(fetch("/api/v1/records?types=nonsense").status, 401u) << "and it still opens the door";
}

TEST_F(ApiTest, has_no_address_where_it_may_not_leave_its_token) {
    ServerOptions options;
    options.listen = "127.0.0.1:0";
    options.token_file = "/proc/nowhere/token";
    options.services.hub = &hub;
    const auto refused = Server::start(std::move(options));
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().find("/proc/nowhere"), std::string::npos) << refused.error();
}

TEST_F(ApiTest, points_at_what_is_wrong_with_a_query) {
    start();
    const auto filter = fetch("/api/v1/records?filter=source.port%20%3D%3D%20");
    EXPECT_EQ(filter.status, 400u);
    EXPECT_EQ(object(filter).at("parameter"), "filter");
    EXPECT_GT(object(filter).at("column").to_number<int>(), 10);
    EXPECT_EQ(object(fetch("/api/v1/records?types=dns,nonsense")).at("parameter"), "types");
    EXPECT_EQ(object(fetch("/api/v1/records?fields=nonsense")).at("parameter"), "fields");
    EXPECT_EQ(object(fetch("/api/v1/records?filtre=x")).at("parameter"), "filtre");
    EXPECT_EQ(hub.subscribers(), 0u);
}

TEST_F(ApiTest, takes_only_get) {
    start();
    http::Request request{"POST", "/api/v1/records", {}, "x"};
    const auto response = http::fetch(server->address(), request);
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 405u);
    EXPECT_EQ(response->header("allow"), "GET, HEAD");
}

TEST_F(ApiTest, streams_to_watch_what_it_asked_for) {
    start();
    run_pipeline();
    WatchOptions options;
    options.server = server->address();
    options.token_file = token_file;
    options.filter = "source.port % 2 == 1 && source.port > 10";
    options.types = {"dns", "tls"};
    options.fields = {"source.port"};
    std::vector<std::string> got;
    bool connected = false;
    const auto result = watch(options, {[&] { connected = true; },
                                        [&](std::string_view line) {
                                            got.emplace_back(line);
                                            return got.size() < 200;
                                        },
                                        {},
                                        {}});
    ASSERT_TRUE(result) << result.error().text;
    EXPECT_TRUE(connected);
    ASSERT_EQ(got.size(), 200u);
    uint64_t before = 0;
    for (const auto& line : got) {
        const auto record = boost::json::parse(line).as_object();
        EXPECT_EQ(record.at("record.type"), "dns");
        const auto port = record.at("source.port").to_number<uint64_t>();
        if (before) EXPECT_EQ(port, before + 2) << "none left out, none twice";
        before = port;
    }
}

TEST_F(ApiTest, stops_watch_when_told_and_when_the_agent_ends) {
    start();
    WatchOptions options;
    options.server = server->address();
    options.token_file = token_file;
    std::atomic<bool> stop{false};
    std::thread other([&] {
        std::this_thread::sleep_for(200ms);
        stop = true;
    });
    EXPECT_TRUE(watch(options, {{}, [](std::string_view) { return true; }, {}, {}}, &stop));
    other.join();
    std::thread ender([&] {
        while (hub.subscribers() == 0) std::this_thread::sleep_for(1ms);
        std::this_thread::sleep_for(50ms);
        server.reset();
    });
    const auto ended = watch(options, {{}, [](std::string_view) { return true; }, {}, {}});
    ender.join();
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().exit_status, 1);
    EXPECT_NE(ended.error().text.find("the agent has ended the stream"), std::string::npos) << ended.error().text;
}

TEST_F(ApiTest, lets_watch_say_what_to_do) {
    start();
    WatchOptions options;
    options.server = server->address();
    options.token_file = token_file;
    const WatchCallbacks ignore{{}, [](std::string_view) { return true; }, {}, {}};

    options.filter = "source.prot == 1";
    auto result = watch(options, ignore);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().exit_status, 2);
    EXPECT_TRUE(result.error().text.starts_with("filter, column 1: ")) << result.error().text;

    options.filter.clear();
    options.token_file = testing::TempDir() + "cvf-wrong-token";
    std::ofstream(options.token_file) << "wrong\n";
    result = watch(options, ignore);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().exit_status, 1);
    EXPECT_NE(result.error().text.find("--token-file"), std::string::npos);
    ::unlink(options.token_file.c_str());
    result = watch(options, ignore);
    ASSERT_FALSE(result);
    EXPECT_NE(result.error().text.find("cvf-wrong-token: No such file"), std::string::npos);

    options.token_file = token_file;
    options.server = "http://127.0.0.1:1";
    result = watch(options, ignore);
    ASSERT_FALSE(result);
    EXPECT_NE(result.error().text.find("cvf up"), std::string::npos) << result.error().text;
    options.server = "nonsense:";
    EXPECT_EQ(watch(options, ignore).error().exit_status, 2);
}

TEST_F(ApiTest, tells_a_slow_client_what_it_missed_and_never_waits_for_it) {
    start(64 * 1024);
    run_pipeline(0us);
    WatchOptions options;
    options.server = server->address();
    options.token_file = token_file;
    uint64_t records = 0, lost = 0, first = UINT64_MAX, last = 0;
    const auto result = watch(options, {{},
                                        [&](std::string_view line) {
                                            const auto port =
                                                boost::json::parse(line).as_object().at("source.port").to_number<uint64_t>();
                                            first = std::min(first, port);
                                            last = port;
                                            if (++records == 10)
                                                std::this_thread::sleep_for(1500ms);  // the sockets fill, then the queue
                                            return lost == 0 || records < 50'000;
                                        },
                                        {},
                                        [&](uint64_t n) { lost += n; }});
    ASSERT_TRUE(result) << result.error().text;
    EXPECT_GT(lost, 0u);
    EXPECT_EQ(last - first + 1, records + lost) << "every record was given or counted";
    const auto metrics = fetch("/metrics").body;
    EXPECT_NE(metrics.find("cvf_api_records_lost_total"), std::string::npos);
    EXPECT_EQ(metrics.find("cvf_api_records_lost_total 0\n"), std::string::npos);
}

TEST_F(ApiTest, refuses_one_subscriber_too_many) {
    start(4096, 1);
    std::atomic<bool> stop{false};
    std::thread first([&] {
        WatchOptions options;
        options.server = server->address();
        options.token_file = token_file;
        (void)watch(options, {{}, [](std::string_view) { return true; }, {}, {}}, &stop);
    });
    while (hub.subscribers() == 0) std::this_thread::sleep_for(1ms);
    EXPECT_EQ(fetch("/api/v1/records").status, 503u);
    stop = true;
    first.join();
    for (int i = 0; i < 200 && hub.subscribers() > 0; ++i) std::this_thread::sleep_for(10ms);
    EXPECT_EQ(hub.subscribers(), 0u) << "a client that went is forgotten";
}

TEST_F(ApiTest, speaks_with_curl) {
    if (shell("command -v curl").first != 0) GTEST_SKIP() << "curl is not installed";
    start();
    run_pipeline();
    const auto [status, out] =
        shell("curl -sN --max-time 1 -H \"Authorization: Bearer $(cat " + token_file +
              ")\" -G --data-urlencode 'filter=source.port >= 4' '" + server->address() + "/api/v1/records?types=http' -D -");
    EXPECT_EQ(status, 28) << "it ends by its own time-out, for the stream has no end";
    EXPECT_TRUE(out.starts_with("HTTP/1.1 200 OK\r\n")) << out.substr(0, 200);
    EXPECT_NE(out.find("Content-Type: text/event-stream\r\n"), std::string::npos);
    EXPECT_NE(out.find("\n\ndata: {\"@timestamp\":\"2023-11-14T22:13:20."), std::string::npos) << out.substr(0, 800);
    EXPECT_EQ(out.find("\"dns\""), std::string::npos);
    const auto [old, text] = shell("curl -s --http1.0 --max-time 1 -H \"Authorization: Bearer $(cat " + token_file + ")\" '" +
                                   server->address() + "/api/v1/records'");
    EXPECT_EQ(old, 28);
    EXPECT_NE(text.find("data: {"), std::string::npos) << "HTTP/1.0 gets the stream without chunks";
    EXPECT_TRUE(text.starts_with(": records follow\n\n"));
}

TEST_F(ApiTest, gives_metrics_that_promtool_finds_nothing_wrong_with) {
    start();
    const auto response = fetch("/metrics", false);
    EXPECT_EQ(response.header("content-type"), metrics_content_type);
    EXPECT_NE(response.body.find("cvf_packets_total 42\n"), std::string::npos);
    if (shell("command -v promtool").first != 0) GTEST_SKIP() << "promtool is not installed";
    const std::string file = testing::TempDir() + "cvf-metrics.txt";
    std::ofstream(file) << response.body;
    const auto [status, said] = shell("promtool check metrics < " + file + " 2>&1");
    EXPECT_EQ(status, 0) << said;
    ::unlink(file.c_str());
}

}  // namespace
}  // namespace cvf::api
