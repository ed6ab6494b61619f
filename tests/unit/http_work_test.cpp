// Answers that others make, and limits on what clients may hold.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "http/client.h"
#include "http/server.h"

namespace cvf::http {
namespace {

constexpr std::string_view internal_error =
    "500 {\"type\":\"about:blank\",\"title\":\"Internal Server Error\",\"status\":500,\"detail\":\"internal error\"}\n";

using namespace std::chrono_literals;

struct HttpWork : testing::Test {
    std::mutex mutex;
    std::condition_variable changed;
    bool open = false;  // the gate that /slow waits at
    std::atomic<int> working{0};
    Reply later;
    std::unique_ptr<Server> server;
    HeadCheck check;

    // A body whose maker fails.
    struct Throws final : BodySource {
        explicit Throws(bool now) : at_start(now) {}
        void start(Waker) override {
            if (at_start) throw std::runtime_error("no");
        }
        Piece next() override {
            if (++pieces == 2) throw std::runtime_error("no more");
            return {State::more, "piece"};
        }
        const bool at_start;
        int pieces = 0;
    };

    void start(ServerLimits limits = {}) {
        auto started = Server::start(
            "127.0.0.1:0",
            [this](const IncomingRequest& request) {
                OutgoingResponse response;
                if (request.target.path == "/slow")
                    response.work = [this] {
                        ++working;
                        std::unique_lock lock(mutex);
                        changed.wait_for(lock, 5s, [this] { return open; });
                        OutgoingResponse made;
                        made.body = "made by work";
                        return made;
                    };
                else if (request.target.path == "/throws")
                    response.work = []() -> OutgoingResponse { throw std::runtime_error("no"); };
                else if (request.target.path == "/throws-later")
                    response.later = [](const Reply&) { throw std::runtime_error("no"); };
                else if (request.target.path == "/throws-start" || request.target.path == "/throws-next")
                    response.source = std::make_unique<Throws>(request.target.path == "/throws-start");
                else if (request.target.path == "/twice")
                    response.work = [] {
                        OutgoingResponse again;
                        again.work = [] { return OutgoingResponse{}; };
                        return again;
                    };
                else if (request.target.path == "/later")
                    response.later = [this](Reply reply) {
                        const std::lock_guard lock(mutex);
                        later = std::move(reply);
                        changed.notify_all();
                    };
                else
                    response.body = std::string(request.body);
                return response;
            },
            limits, {}, check);
        ASSERT_TRUE(started) << started.error();
        server = std::move(*started);
    }
    void open_gate() {
        const std::lock_guard lock(mutex);
        open = true;
        changed.notify_all();
    }
    template <typename Condition>
    static bool soon(Condition condition) {
        for (int i = 0; i < 300; ++i) {
            if (condition()) return true;
            std::this_thread::sleep_for(10ms);
        }
        return false;
    }
    std::string get(const std::string& target) const {
        const auto response = http::get(server->address(), target);
        return response ? std::to_string(response->status) + " " + response->body : response.error();
    }
};

TEST_F(HttpWork, does_not_hold_up_other_requests) {
    start();
    std::string slow;
    std::thread waiting([&] { slow = get("/slow"); });
    EXPECT_TRUE(soon([&] { return working == 1; }));
    EXPECT_EQ(get("/quick"), "200 ");
    open_gate();
    waiting.join();
    EXPECT_EQ(slow, "200 made by work");
}

TEST_F(HttpWork, answers_500_to_work_that_throws_or_gives_more_work) {
    start();
    EXPECT_EQ(get("/throws"), internal_error);
    EXPECT_EQ(get("/twice"), internal_error);
}

TEST_F(HttpWork, answers_503_when_too_much_is_waiting) {
    start({.workers = 1, .waiting_work = 1});
    std::thread one([&] { get("/slow"); });
    EXPECT_TRUE(soon([&] { return working == 1; }));
    std::atomic<bool> busy{false};
    const auto ask = [&] {
        if (get("/slow").starts_with("503")) busy = true;
    };
    std::thread two(ask), three(ask);
    EXPECT_TRUE(soon([&] { return busy.load(); }));
    EXPECT_EQ(server->stats().over_limit, 1u);
    open_gate();
    one.join();
    two.join();
    three.join();
}

TEST_F(HttpWork, sends_what_comes_later_once_from_any_thread) {
    start();
    std::string answer;
    std::thread waiting([&] { answer = get("/later"); });
    {
        std::unique_lock lock(mutex);
        ASSERT_TRUE(changed.wait_for(lock, 3s, [&] { return later != nullptr; }));
    }
    OutgoingResponse made;
    made.body = "later";
    later(std::move(made));
    later(OutgoingResponse{});
    waiting.join();
    EXPECT_EQ(answer, "200 later");
    server.reset();
    later(OutgoingResponse{});  // must not touch what is gone
}

TEST_F(HttpWork, answers_500_when_whoever_was_to_answer_forgets_it) {
    start();
    std::string answer;
    std::thread waiting([&] { answer = get("/later"); });
    {
        std::unique_lock lock(mutex);
        ASSERT_TRUE(changed.wait_for(lock, 3s, [&] { return later != nullptr; }));
        later = nullptr;
    }
    waiting.join();
    EXPECT_EQ(answer, internal_error);
}

TEST_F(HttpWork, ends_while_work_and_later_are_open) {
    start();
    std::thread slow([&] { get("/slow"); }), never([&] { get("/later"); });
    EXPECT_TRUE(soon([&] {
        const std::lock_guard lock(mutex);
        return working == 1 && later;
    }));
    std::atomic<bool> opened{false};
    std::thread opener([&] {
        std::this_thread::sleep_for(200ms);
        opened = true;
        open_gate();
    });
    server.reset();
    EXPECT_TRUE(opened) << "work that has begun is waited for";
    opener.join();
    slow.join();
    never.join();
    EXPECT_EQ(working, 1);
}

TEST_F(HttpWork, survives_what_its_users_throw) {
    start();
    EXPECT_EQ(get("/throws-later").substr(0, 3), "503");
    for (const char* path : {"/throws-start", "/throws-next"}) {
        const std::string said = get(path);
        EXPECT_FALSE(said.starts_with("200")) << path << ": " << said << ": half an answer is none";
    }
    EXPECT_EQ(get("/"), "200 ");
}

TEST_F(HttpWork, refuses_by_the_head_without_waiting_for_the_body) {
    check = [](const IncomingRequest& head) -> std::optional<OutgoingResponse> {
        EXPECT_TRUE(head.body.empty());
        if (head.target.path != "/closed") return std::nullopt;
        OutgoingResponse no;
        no.status = 401;
        return no;
    };
    start();
    const auto say = [&](const std::string& path, const std::string& body) {
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(server->port());
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
        const std::string text = "POST " + path + " HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n" + body;
        ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
        std::string answer(512, '\0');
        answer.resize(static_cast<size_t>(std::max<ssize_t>(0, ::read(fd, answer.data(), answer.size()))));
        ::close(fd);
        return answer;
    };
    const std::string refused = say("/closed", "x");
    EXPECT_TRUE(refused.starts_with("HTTP/1.1 401")) << refused;
    EXPECT_NE(refused.find("Connection: close"), std::string::npos) << "what follows is no request";
    EXPECT_TRUE(say("/open", "12345").starts_with("HTTP/1.1 200"));
    EXPECT_EQ(server->stats().requests, 2u);
}

TEST_F(HttpWork, bounds_the_connections_of_one_address) {
    start({.connections = 100, .connections_per_peer = 2});
    std::vector<int> held;
    for (int i = 0; i < 4; ++i) {
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in from{}, to{};
        from.sin_family = to.sin_family = AF_INET;
        from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + static_cast<unsigned>(i / 3));  // 127.0.0.2, then .3
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        to.sin_port = htons(server->port());
        ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&from), sizeof from), 0);
        ASSERT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
        held.push_back(fd);
    }
    EXPECT_TRUE(soon([&] { return server->stats().connections == 3 && server->stats().refused == 1; }))
        << server->stats().connections << " " << server->stats().refused;
    for (const int fd : held) ::close(fd);
    EXPECT_TRUE(soon([&] { return server->stats().connections == 0; }));
}

TEST_F(HttpWork, tells_who_asks_first_to_send_the_body) {
    start();
    if (::system("command -v curl > /dev/null") != 0) GTEST_SKIP() << "curl is not installed";
    FILE* pipe =
        ::popen(("head -c 100000 /dev/zero | tr '\\0' b | curl -s -o /dev/null -w '%{http_code} %{size_upload} %{time_total}' "
                 "-H 'Expect: 100-continue' --expect100-timeout 5 --data-binary @- " +
                 server->address() + "/echo")
                    .c_str(),
                "r");
    char text[100] = {};
    (void)!::fread(text, 1, sizeof text - 1, pipe);
    ::pclose(pipe);
    unsigned status = 0, sent = 0;
    double seconds = 9;
    ASSERT_EQ(::sscanf(text, "%u %u %lf", &status, &sent, &seconds), 3) << text;
    EXPECT_EQ(status, 200u);
    EXPECT_EQ(sent, 100000u);
    EXPECT_LT(seconds, 3) << "it did not have to wait";
}

}  // namespace
}  // namespace cvf::http
