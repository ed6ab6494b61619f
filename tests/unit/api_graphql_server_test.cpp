// /graphql asked through the real server: who may, over HTTP and over a WebSocket, and what happens when either side goes.
#include <poll.h>

#include "api_fabric.h"

namespace cvf::api {
namespace {

struct ApiGraphqlServer : ApiFabric {
    std::vector<int> open;
    void TearDown() override {
        slow.deaf = false;
        for (const int fd : open) ::close(fd);
        ApiFabric::TearDown();
    }

    // The status of the answer; 101: `fd` is a WebSocket.
    std::pair<int, int> upgrade(const std::string& headers, const std::string& protocol = "graphql-transport-ws") {
        const int fd = dial();
        open.push_back(fd);
        const std::string text =
            "GET /graphql HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: " +
            protocol + "\r\n" + headers + "\r\n";
        ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
        std::string head;
        while (!head.ends_with("\r\n\r\n")) {
            const std::string c = read(fd, 1);
            if (c.empty()) return {0, fd};
            head += c;
        }
        return {std::stoi(head.substr(9, 3)), fd};
    }
    std::string bearer(const std::string& token) { return "Authorization: Bearer " + token + "\r\n"; }
    static std::string read(int fd, size_t n) {
        std::string out(n, '\0');
        size_t at = 0;
        while (at < n) {
            pollfd p{fd, POLLIN, 0};
            if (::poll(&p, 1, 8000) <= 0) break;
            const ssize_t got = ::read(fd, out.data() + at, n - at);
            if (got <= 0) break;
            at += static_cast<size_t>(got);
        }
        out.resize(at);
        return out;
    }
    static void say(int fd, std::string_view payload) {
        std::string out("\x81", 1);
        if (payload.size() < 126) {
            out += static_cast<char>(0x80 | payload.size());
        } else {
            out += static_cast<char>(0x80 | 126);
            out += static_cast<char>(payload.size() >> 8);
            out += static_cast<char>(payload.size());
        }
        out.append(4, '\0');  // a mask that changes nothing
        out += payload;
        ::send(fd, out.data(), out.size(), MSG_NOSIGNAL);
    }
    // The next message; of a close "close CODE".
    static std::string hear(int fd) {
        for (;;) {
            const std::string head = read(fd, 2);
            if (head.size() < 2) return "gone";
            size_t size = static_cast<uint8_t>(head[1]) & 0x7f;
            if (size == 126) {
                const std::string more = read(fd, 2);
                size = static_cast<size_t>(static_cast<uint8_t>(more[0])) << 8 | static_cast<uint8_t>(more[1]);
            }
            const std::string payload = read(fd, size);
            const int opcode = head[0] & 0x0f;
            if (opcode == 1) return payload;
            if (opcode == 8)
                return "close " + std::to_string(static_cast<uint8_t>(payload.at(0)) << 8 | static_cast<uint8_t>(payload.at(1)));
        }
    }
    static void ask_for(int fd, const std::string& id, const std::string& query) {
        say(fd, json::serialize(json::object{{"type", "subscribe"}, {"id", id}, {"payload", {{"query", query}}}}));
    }
    int begun(const std::string& token) {
        const auto [status, fd] = upgrade(bearer(token));
        EXPECT_EQ(status, 101);
        say(fd, R"({"type":"connection_init"})");
        EXPECT_EQ(hear(fd), R"({"type":"connection_ack"})");
        return fd;
    }
    std::string posted(const std::string& query) { return json::serialize(json::object{{"query", query}}); }

    static constexpr const char* remove = "mutation { deleteDirective(kind: Flow, name: \"x\") { kind } }";
    static constexpr const char* count = "{ aggregate(measures: \"count\") { rows } }";
};

TEST_F(ApiGraphqlServer, answers_over_post_whom_it_knows_and_what_his_role_may) {
    start();
    EXPECT_EQ(ask("POST", "/graphql", posted("{ __typename }"), {}, "").status, 401u);
    EXPECT_EQ(ask("POST", "/graphql", posted("{ __typename }"), {}, "wrong").status, 401u);
    const auto good = ask("POST", "/graphql", posted("{ __typename }"), {}, viewer);
    EXPECT_EQ(good.body, R"({"data":{"__typename":"Query"}})");
    EXPECT_EQ(good.header("x-content-type-options"), "nosniff");
    EXPECT_EQ(good.header("cache-control"), "no-store");
    const auto small = object(ask("POST", "/graphql", posted(remove), {}, viewer));
    EXPECT_EQ(small.at("errors").at(0).at("extensions").at("code"), "FORBIDDEN");
    EXPECT_EQ(object(ask("POST", "/graphql", posted(remove), {}, operator_token)).at("errors").at(0).at("extensions").at("code"),
              "NOT_FOUND");
}

TEST_F(ApiGraphqlServer, is_not_confused_by_other_upgrades) {
    start();
    const std::vector<http::Header> h2c{{"Upgrade", "h2c"}, {"HTTP2-Settings", "AAMAAABkAAQAAP__"}};
    EXPECT_EQ(ask("POST", "/graphql", posted("{ __typename }"), h2c).status, 200u);
    EXPECT_EQ(ask("GET", "/graphql?query=%7B__typename%7D", {}, h2c).status, 200u);
    EXPECT_EQ(upgrade(bearer(viewer), "mqtt").first, 400);
}

TEST_F(ApiGraphqlServer, speaks_over_a_websocket_with_the_role_of_the_token) {
    start();
    const int fd = begun(viewer);
    ask_for(fd, "1", remove);
    EXPECT_NE(hear(fd).find("FORBIDDEN"), std::string::npos);
    EXPECT_EQ(hear(fd), R"({"id":"1","type":"complete"})");
    const int other = begun(operator_token);
    ask_for(other, "1", remove);
    EXPECT_NE(hear(other).find("NOT_FOUND"), std::string::npos);
}

TEST_F(ApiGraphqlServer, takes_the_token_of_a_browser_in_its_first_message) {
    start();
    const auto [status, fd] = upgrade("");
    ASSERT_EQ(status, 101);
    say(fd, R"({"type":"connection_init","payload":{"authorization":"Bearer )" + viewer + "\"}}");
    EXPECT_EQ(hear(fd), R"({"type":"connection_ack"})");
    ask_for(fd, "1", remove);
    EXPECT_NE(hear(fd).find("needs the role operator"), std::string::npos);
    for (const std::string& payload :
         {std::string(R"({"authorization":"Bearer wrong"})"), std::string("{}"), R"({"authorization":")" + viewer + "\"}"}) {
        const int refused = upgrade("").second;
        say(refused, R"({"type":"connection_init","payload":)" + payload + "}");
        EXPECT_EQ(hear(refused), "close 4403") << payload;
    }
    const int early = upgrade("").second;
    ask_for(early, "1", "{ __typename }");
    EXPECT_EQ(hear(early), "close 4401");
    EXPECT_EQ(upgrade(bearer("wrong")).first, 401) << "a token that is wrong is wrong at once";
    const auto before = std::chrono::steady_clock::now();
    const int silent = upgrade("").second;
    EXPECT_EQ(hear(silent), "close 4408");
    EXPECT_LT(std::chrono::steady_clock::now() - before, 6s);
}

TEST_F(ApiGraphqlServer, lets_no_page_of_another_site_in) {
    start();
    EXPECT_EQ(upgrade("Origin: https://evil.example\r\n").first, 403);
    EXPECT_EQ(upgrade("Origin: null\r\n" + bearer(viewer)).first, 403);
    EXPECT_EQ(upgrade("Origin: http://here\r\n").first, 101);
}

TEST_F(ApiGraphqlServer, bounds_its_websockets_and_the_streams_on_them) {
    options.max_watchers = 1;
    options.max_subscribers = 2;
    start();
    const int stranger = upgrade("").second;  // takes no seat from those who are known
    const int fd = begun(viewer);
    EXPECT_EQ(upgrade(bearer(viewer)).first, 503);
    say(stranger, R"({"type":"connection_init","payload":{"authorization":"Bearer )" + viewer + "\"}}");
    EXPECT_EQ(hear(stranger), "close 1013");
    for (const char* id : {"1", "2", "3"}) ask_for(fd, id, "subscription { records { record_id } }");
    EXPECT_NE(hear(fd).find("2 streams are open, and no more are allowed"), std::string::npos);
    EXPECT_EQ(ask("GET", "/api/v1/records").status, 503u) << "they count as those of REST do";
    EXPECT_NE(ask("GET", "/metrics").body.find("cvf_api_subscribers 2\n"), std::string::npos);
    say(fd, R"({"type":"complete","id":"1"})");
    EXPECT_TRUE(until([&] { return ask("GET", "/metrics").body.find("cvf_api_subscribers 1\n") != std::string::npos; }));
    ::shutdown(fd, SHUT_RDWR);
    EXPECT_TRUE(until([&] { return ask("GET", "/metrics").body.find("cvf_api_watchers 0\n") != std::string::npos; }));
}

TEST_F(ApiGraphqlServer, does_not_stand_still_when_a_socket_goes_in_the_middle_of_a_query) {
    slow.deaf = true;  // as a database that does not answer
    options.services.history = &slow;
    start();
    const int fd = begun(viewer);
    ask_for(fd, "1", count);
    EXPECT_TRUE(until([&] { return slow.running == 1; }));
    ::shutdown(fd, SHUT_RDWR);
    EXPECT_TRUE(until([&] { return ask("GET", "/metrics", {}, {}, "").body.find("cvf_api_watchers 0\n") != std::string::npos; }));
    const auto before = std::chrono::steady_clock::now();
    EXPECT_EQ(ask("GET", "/healthz", {}, {}, "").status, 200u);
    EXPECT_LT(std::chrono::steady_clock::now() - before, 1s);
    EXPECT_EQ(slow.running, 1);
    slow.deaf = false;
    EXPECT_TRUE(until([&] { return slow.running == 0; }));
}

TEST_F(ApiGraphqlServer, ends_a_query_when_its_operation_is_completed) {
    options.services.history = &slow;
    start();
    const int fd = begun(viewer);
    ask_for(fd, "1", count);
    EXPECT_TRUE(until([&] { return slow.running == 1; }));
    ask_for(fd, "2", "{ __typename }");
    say(fd, R"({"type":"complete","id":"1"})");
    EXPECT_EQ(hear(fd), R"({"id":"2","type":"next","payload":{"data":{"__typename":"Query"}}})");
    EXPECT_TRUE(until([&] { return slow.running == 0; }));
}

TEST_F(ApiGraphqlServer, leaves_room_for_others_and_ends_with_the_server) {
    options.services.history = &slow;
    options.max_queries = 2;
    start();
    const int fd = begun(viewer);
    ask_for(fd, "1", count);
    std::vector<std::thread> asking;
    for (int i = 0; i < 8; ++i)
        asking.emplace_back([&] {
            // A hundred queries in one request: each is begun only while the request has time.
            std::string many;
            for (int a = 0; a < 100; ++a) many += "a" + std::to_string(a) + ": aggregate(measures: \"count\") { rows } ";
            http::Request request{"POST",
                                  "/graphql",
                                  {{"Authorization", "Bearer " + viewer}, {"Content-Type", "application/json"}},
                                  posted("{ " + many + "}")};
            (void)http::fetch(server->address(), request);
        });
    EXPECT_TRUE(until([&] { return slow.running == 2; }));
    EXPECT_EQ(ask("GET", "/api/v1/query").status, 503u) << "one bound for both";
    EXPECT_NE(ask("GET", "/metrics").body.find("cvf_api_queries 2\n"), std::string::npos);
    auto before = std::chrono::steady_clock::now();
    EXPECT_EQ(ask("PUT", "/api/v1/directives/Metadata/shop", shop).status, 201u);
    EXPECT_LT(std::chrono::steady_clock::now() - before, 2s);
    before = std::chrono::steady_clock::now();
    server.reset();
    EXPECT_LT(std::chrono::steady_clock::now() - before, 3s);
    EXPECT_EQ(slow.running, 0);
    for (std::thread& one : asking) one.join();
}

TEST_F(ApiGraphqlServer, lets_nobody_go_on_whose_token_is_taken_back) {
    start();
    const int fd = begun(operator_token), idle = begun(operator_token), kept = begun(server->token());
    std::vector<std::thread> streams;
    for (const char* path : {"/api/v1/records", "/api/v1/nodes?watch=true"})
        streams.emplace_back([&, path] {
            const http::Request request{"GET", path, {{"Authorization", "Bearer " + operator_token}}, {}};
            EXPECT_TRUE(http::stream(server->address(), request, [](std::string_view) { return true; })) << "a proper end";
        });
    EXPECT_TRUE(until([&] {
        const std::string metrics = ask("GET", "/metrics").body;
        return metrics.find("cvf_api_subscribers 1\n") != std::string::npos &&
               metrics.find("cvf_api_watchers 4\n") != std::string::npos;
    }));
    std::ofstream(options.roles_file) << "# nobody\n";
    EXPECT_TRUE(until([&] { return ask("GET", "/api/v1/directives", {}, {}, operator_token).status == 401; }));
    ask_for(fd, "1", remove);
    EXPECT_EQ(hear(fd), "close 4403");
    EXPECT_EQ(hear(idle), "close 4403") << "without a word of its own";
    for (std::thread& one : streams) one.join();
    ask_for(kept, "1", "{ __typename }");
    EXPECT_NE(hear(kept).find("Query"), std::string::npos);
}

}  // namespace
}  // namespace cvf::api
