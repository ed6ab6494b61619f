// A server of the API on a real controller over the in-process bus, and what asks it; for tests.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <thread>

#include "api/client.h"
#include "api/server.h"
#include "bus/bus.h"
#include "bus/subjects.h"
#include "controller/roles.h"
#include "directive/parse.h"
#include "history/store.h"
#include "history_records.h"

namespace cvf::api {

using namespace std::chrono_literals;
namespace json = boost::json;

// A history that waits, fails, or never ends.
class SlowHistory final : public history::History {
 public:
    void write(std::string_view) override {}
    void tick() override {}
    void flush() override {}
    std::expected<history::Progress, std::string> query(const history::Query&, const history::Receiver& receiver) const override {
        if (!error.empty()) return std::unexpected(error);
        history::Progress progress;
        ++running;
        for (bool go_on = true; go_on;) {
            if (endless) {
                go_on =
                    receiver.row(R"({"@timestamp":"2026-01-01T00:00:00.000000000Z","record.type":"dns","record.id":"1","x":")" +
                                 std::string(1000, 'x') + "\"}");
                ++rows;
            } else {
                std::this_thread::sleep_for(5ms);
            }
            if ((++progress.examined % 100 == 0 && reports) || !endless) go_on = go_on && receiver.progress(progress);
            if (deaf) go_on = deaf;
        }
        --running;
        return progress;
    }
    history::Stats stats() const override { return {}; }
    history::Stats counters() const override { return {}; }

    std::string error;
    bool endless = false;
    bool reports = true;            // its progress, while rows flow
    std::atomic<bool> deaf{false};  // does not heed that nobody wants any more
    mutable std::atomic<int> running{0};
    mutable std::atomic<uint64_t> rows{0};
};

struct ApiFabric : testing::Test {
    std::string stem = testing::TempDir() + "cvf-api-" + std::to_string(::getpid());
    std::unique_ptr<bus::Bus> bus;
    std::unique_ptr<controller::Audit> audit;
    std::unique_ptr<controller::Directives> directives;
    std::unique_ptr<controller::Nodes> nodes;
    std::unique_ptr<history::History> store;
    SlowHistory slow;
    sink::Hub hub;
    ServerOptions options;
    std::unique_ptr<Server> server;
    std::string viewer, operator_token, plaintext;

    static constexpr const char* shop =
        R"({"apiVersion":"cvf/v1","kind":"Metadata","metadata":{"name":"shop","labels":{"team":"shop"}},"spec":{"types":["http"],"filter":"http.response.status_code >= 500"}})";
    static constexpr const char* secret =
        "apiVersion: cvf/v1\nkind: Plaintext\nmetadata: {name: secret}\nspec:\n  selector: {processes: [nginx]}\n  limits: "
        "{duration: 1m}\n";

    static std::string doc(const std::string& name, const std::string& team = "shop") {
        return R"({"apiVersion":"cvf/v1","kind":"Flow","metadata":{"name":")" + name + R"(","labels":{"team":")" + team +
               R"("}},"spec":{}})";
    }
    template <typename Done>
    static bool until(Done done) {
        for (int i = 0; i < 3000; i++) {
            if (done()) return true;
            std::this_thread::sleep_for(2ms);
        }
        return false;
    }
    void SetUp() override {
        bus::Options how;
        how.url = std::string("local:api-") + testing::UnitTest::GetInstance()->current_test_info()->name();
        bus = std::move(*bus::Bus::connect(std::move(how)));
        audit = std::move(*controller::Audit::open(*bus));
        directives = std::move(*controller::Directives::open(*bus, *audit));
        nodes = std::move(*controller::Nodes::open(*bus));
        ASSERT_TRUE(until([&] { return directives->ready() && nodes->ready(); }));
        std::ofstream roles(stem + "-roles");
        for (const auto& [token, role] :
             {std::pair{&viewer, "viewer"}, {&operator_token, "operator"}, {&plaintext, "plaintext-operator"}}) {
            auto made = controller::new_token(std::string("the-") + role, role);
            *token = made->token;
            roles << made->line << "\n";
        }
        options.listen = "127.0.0.1:0";
        options.token_file = stem + "-token";
        options.roles_file = stem + "-roles";
        options.version = "1.2.3";
        options.services = {&hub, directives.get(), nodes.get(), audit.get(), nullptr};
    }
    void start() {
        auto started = Server::start(options);
        ASSERT_TRUE(started) << started.error();
        server = std::move(*started);
    }
    void TearDown() override {
        server.reset();
        std::filesystem::remove_all(stem + "-history");
        ::unlink((stem + "-roles").c_str());
    }
    void keep_records(int count) {
        history::StoreOptions how;
        how.folder = stem + "-history";
        how.max_age = std::chrono::days(36500);
        store = std::move(*history::open_store(how));
        history::Made made;
        store->write(made.lines(0, count));
        store->flush();
        options.services.history = store.get();
    }
    void tell_node(const std::string& name, directive::State state = directive::State::active, const std::string& reason = {}) {
        directive::NodeStatus status;
        status.name = name;
        status.instance = "i1";
        status.version = "0.1.0";
        status.kernel = "6.1";
        status.machine = "m-" + name;
        status.labels = {{"zone", name == "a" ? "east" : "west"}};
        timespec now{};
        ::clock_gettime(CLOCK_REALTIME, &now);
        status.started = status.sent = now.tv_sec * 1'000'000'000LL + now.tv_nsec;
        for (const auto& stored : directives->list()) {
            directive::Status s;
            s.directive = directive::identity(stored.directive);
            s.uid = stored.directive.metadata.uid;
            s.generation = stored.directive.metadata.generation;
            s.node = name;
            s.state = state;
            s.reason = reason;
            s.since = status.sent;
            s.sent = 7;
            status.directives.push_back(s);
        }
        const uint64_t before = nodes->version();
        ASSERT_TRUE(bus->put(bus::bucket::nodes, name, directive::to_json(status)));
        ASSERT_TRUE(until([&] { return nodes->version() > before; }));
    }
    http::Response ask(const std::string& method, const std::string& target, const std::string& body = {},
                       std::vector<http::Header> headers = {}, std::string token = "-") {
        http::Request request{method, target, std::move(headers), body};
        if (token == "-") token = server->token();
        if (!token.empty()) request.headers.push_back({"Authorization", "Bearer " + token});
        // What curl users write by hand; a test that wants another type, or none, says so.
        if (!body.empty() && http::find_header(request.headers, "Content-Type").empty())
            request.headers.push_back(
                {"Content-Type", body.starts_with('{') || body.starts_with('[') ? "application/json" : "application/yaml"});
        const auto response = http::fetch(server->address(), request);
        EXPECT_TRUE(response) << response.error().text;
        return response ? *response : http::Response{};
    }
    // Bytes as they are; gives the first of the answer's. `end`: nothing comes after them.
    std::string raw(const std::string& bytes, bool end = true) const {
        const int fd = dial();
        ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (end) ::shutdown(fd, SHUT_WR);
        char answer[512] = {};
        (void)!::read(fd, answer, sizeof answer - 1);
        ::close(fd);
        return std::string(answer).substr(0, 12);
    }
    int dial() const {
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(server->port());
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
        return fd;
    }
    static json::object object(const http::Response& response) {
        boost::system::error_code error;
        const auto value = json::parse(response.body, error);
        EXPECT_FALSE(error) << response.body;
        return value.is_object() ? value.get_object() : json::object{};
    }
    ClientOptions how() const {
        ClientOptions out;
        out.server = server->address();
        out.token_file = options.token_file;
        return out;
    }
};

}  // namespace cvf::api
