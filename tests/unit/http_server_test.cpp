// Server and client against each other, and each against hand-written bytes on real sockets.
#include "http/server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "http/client.h"

namespace cvf::http {
namespace {

using namespace std::chrono_literals;

// Counts what a test makes it send; a slow client must not make it produce more than sockets hold.
struct Feed {
    std::mutex mutex;
    Waker waker;
    std::string pending;
    bool over = false;
    std::atomic<int> pulls{0}, idles{0};
    std::atomic<bool> gone{false};

    void push(std::string_view text, bool end = false) {
        const std::lock_guard lock(mutex);
        pending += text;
        over = over || end;
        if (waker) waker();
    }
};

class FeedSource : public BodySource {
 public:
    FeedSource(Feed& feed, bool endless) : feed_(feed), endless_(endless) {}
    ~FeedSource() override { feed_.gone = true; }
    void start(Waker waker) override {
        const std::lock_guard lock(feed_.mutex);
        feed_.waker = std::move(waker);
    }
    Piece next() override {
        ++feed_.pulls;
        if (endless_) {
            piece_.assign(64 * 1024, 'x');
            return {State::more, piece_};
        }
        const std::lock_guard lock(feed_.mutex);
        piece_ = std::exchange(feed_.pending, {});
        if (!piece_.empty()) return {State::more, piece_};
        return {feed_.over ? State::end : State::wait, {}};
    }
    std::string_view idle() override {
        ++feed_.idles;
        return ":\n";
    }
    std::chrono::milliseconds idle_time() const override { return 50ms; }

 private:
    Feed& feed_;
    bool endless_;
    std::string piece_;
};

struct HttpServer : testing::Test {
    Feed feed;
    std::unique_ptr<Server> server;

    void start(ServerLimits limits = {}, std::string_view listen = "127.0.0.1:0") {
        auto started = Server::start(
            listen,
            [this](const IncomingRequest& request) {
                OutgoingResponse response;
                if (request.target.path == "/echo") {
                    response.body = std::string(request.method) + " " + std::string(request.header("x-test")) + " " +
                                    std::string(request.body);
                } else if (request.target.path == "/big") {
                    response.body.assign(3'000'000, 'b');
                } else if (request.target.path == "/stream") {
                    response.source = std::make_unique<FeedSource>(feed, false);
                } else if (request.target.path == "/endless") {
                    response.source = std::make_unique<FeedSource>(feed, true);
                } else if (request.target.path == "/throw") {
                    throw std::runtime_error("no");
                } else {
                    response.status = 404;
                    response.body = "nothing here\n";
                }
                return response;
            },
            limits);
        ASSERT_TRUE(started) << started.error();
        server = std::move(*started);
    }

    int dial() {
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(server->port());
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
        return fd;
    }

    // Sends bytes and reads until the server closes or 3 s have passed.
    std::string raw(std::string_view bytes) {
        const int fd = dial();
        EXPECT_EQ(::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
        std::string answer;
        char piece[4096];
        for (;;) {
            pollfd p{fd, POLLIN, 0};
            if (::poll(&p, 1, 3000) <= 0) {
                answer += "<no end>";
                break;
            }
            const ssize_t n = ::read(fd, piece, sizeof piece);
            if (n <= 0) break;
            answer.append(piece, static_cast<size_t>(n));
        }
        ::close(fd);
        return answer;
    }

    template <typename Condition>
    static bool soon(Condition condition) {
        for (int i = 0; i < 300; ++i) {
            if (condition()) return true;
            std::this_thread::sleep_for(10ms);
        }
        return false;
    }
};

TEST_F(HttpServer, answers_a_get_and_a_post) {
    start();
    const auto missing = get(server->address(), "/none");
    ASSERT_TRUE(missing) << missing.error();
    EXPECT_EQ(missing->status, 404u);
    EXPECT_EQ(missing->body, "nothing here\n");
    Request request{"POST", "/echo", {{"X-Test", "yes"}}, "body"};
    const auto echo = fetch(server->address(), request);
    ASSERT_TRUE(echo) << echo.error().text;
    EXPECT_EQ(echo->status, 200u);
    EXPECT_EQ(echo->body, "POST yes body");
    EXPECT_EQ(server->stats().requests, 2u);
}

TEST_F(HttpServer, gives_a_large_body_whole) {
    start();
    const auto big = get(server->address(), "/big");
    ASSERT_TRUE(big) << big.error();
    EXPECT_EQ(big->body, std::string(3'000'000, 'b'));
}

TEST_F(HttpServer, answers_head_without_a_body_but_with_its_length) {
    start();
    const auto head = fetch(server->address(), {"HEAD", "/big", {}, {}});
    ASSERT_TRUE(head) << head.error().text;
    EXPECT_EQ(head->body, "");
    EXPECT_EQ(head->header("content-length"), "3000000");
}

TEST_F(HttpServer, listens_on_ipv6) {
    start({}, "[::1]:0");
    EXPECT_TRUE(server->address().starts_with("http://[::1]:"));
    EXPECT_EQ(get(server->address(), "/none")->status, 404u);
}

TEST_F(HttpServer, listens_on_a_unix_socket_only_its_owner_may_use_and_removes_it) {
    const std::string path = testing::TempDir() + "cvf-http-test.sock";
    ::unlink(path.c_str());
    start({}, "unix:" + path);
    struct stat st{};
    ASSERT_EQ(::stat(path.c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0600u);
    EXPECT_EQ(get(path, "/none")->status, 404u);
    EXPECT_EQ(get("unix:" + path, "/none")->status, 404u);
    EXPECT_FALSE(Server::start("unix:" + path, nullptr)) << "the socket is in use";
    server.reset();
    EXPECT_NE(::stat(path.c_str(), &st), 0);
}

TEST_F(HttpServer, takes_over_the_socket_file_of_a_dead_server_but_no_other_file) {
    const std::string path = testing::TempDir() + "cvf-http-stale.sock";
    ::unlink(path.c_str());
    const int dead = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    path.copy(name.sun_path, sizeof name.sun_path - 1);
    ASSERT_EQ(::bind(dead, reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
    ::close(dead);
    start({}, "unix:" + path);
    EXPECT_EQ(get(path, "/none")->status, 404u);
    server.reset();
    FILE* file = ::fopen(path.c_str(), "w");
    ::fclose(file);
    EXPECT_FALSE(Server::start("unix:" + path, nullptr));
    ::unlink(path.c_str());
}

TEST_F(HttpServer, tells_when_its_address_is_taken_or_no_address) {
    start();
    const auto second = Server::start("127.0.0.1:" + std::to_string(server->port()), nullptr);
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().find("127.0.0.1"), std::string::npos);
    for (const char* bad : {"", "127.0.0.1", "example.invalid:1", "1.2.3.4.5:1", "127.0.0.1:99999"})
        EXPECT_FALSE(Server::start(bad, nullptr)) << bad;
}

TEST_F(HttpServer, keeps_a_connection_for_the_next_request) {
    start();
    const std::string answer =
        raw("GET /echo HTTP/1.1\r\nHost: a\r\n\r\nGET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    EXPECT_NE(answer.find("HTTP/1.1 200", 10), std::string::npos) << answer;
    EXPECT_EQ(answer.find("<no end>"), std::string::npos);
}

TEST_F(HttpServer, refuses_what_is_too_large_or_no_http) {
    start({.header_bytes = 1024, .body_bytes = 100});
    EXPECT_TRUE(raw("GET /echo HTTP/1.1\r\nHost: a\r\nX: " + std::string(5000, 'x') + "\r\n\r\n").starts_with("HTTP/1.1 431"));
    EXPECT_TRUE(
        raw("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n" + std::string(101, 'x')).starts_with("HTTP/1.1 413"));
    EXPECT_TRUE(raw("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n").starts_with("HTTP/1.1 400"));
    EXPECT_TRUE(raw("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n").starts_with("HTTP/1.1 400"));
    // As a problem document, as all errors are.
    const std::string large = raw("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n" + std::string(101, 'x'));
    EXPECT_NE(large.find("\r\nContent-Type: application/problem+json\r\n"), std::string::npos) << large;
    EXPECT_NE(large.find(R"("status":413,"detail":"the request's body is too large"})"), std::string::npos) << large;
}

TEST_F(HttpServer, answers_500_when_a_handler_throws_and_goes_on) {
    start();
    EXPECT_EQ(get(server->address(), "/throw")->status, 500u);
    EXPECT_EQ(get(server->address(), "/echo")->status, 200u);
}

TEST_F(HttpServer, does_not_wait_for_half_a_request) {
    start({.request_time = 200ms});
    EXPECT_TRUE(raw("GET /echo HTTP/1.1\r\nHo").starts_with("HTTP/1.1 408"));
    EXPECT_EQ(raw(""), "") << "an idle connection is closed without a word";
}

TEST_F(HttpServer, closes_connections_over_its_limit_at_once) {
    start({.connections = 2});
    const int a = dial(), b = dial();
    EXPECT_TRUE(soon([&] { return server->stats().connections == 2; }));
    EXPECT_EQ(raw(""), "");
    EXPECT_EQ(server->stats().refused, 1u);
    ::close(a);
    ::close(b);
    EXPECT_TRUE(soon([&] { return server->stats().connections == 0; }));
    EXPECT_EQ(get(server->address(), "/echo")->status, 200u);
}

TEST_F(HttpServer, streams_pieces_as_they_are_pushed_from_another_thread) {
    start();
    std::thread pusher([this] {
        for (int i = 0; i < 100; ++i) feed.push("line " + std::to_string(i) + "\n", i == 99);
    });
    std::string got;
    const auto response = stream(server->address(), {"GET", "/stream", {}, {}}, [&](std::string_view piece) {
        got += piece;
        return true;
    });
    pusher.join();
    ASSERT_TRUE(response) << response.error().text;
    EXPECT_EQ(response->status, 200u);
    EXPECT_TRUE(got.starts_with("line 0\nline 1\n"));
    EXPECT_TRUE(got.ends_with("line 99\n"));
    EXPECT_TRUE(soon([&] { return feed.gone.load(); }));
    feed.push("after the end: the waker must not touch what is gone");
}

TEST_F(HttpServer, sends_a_sign_of_life_when_a_stream_is_silent) {
    start();
    std::string got;
    const auto response = stream(server->address(), {"GET", "/stream", {}, {}}, [&](std::string_view piece) {
        got += piece;
        return got.size() < 6;
    });
    ASSERT_TRUE(response) << response.error().text;
    EXPECT_EQ(got, ":\n:\n:\n");
}

TEST_F(HttpServer, does_not_produce_what_a_slow_client_does_not_read_and_drops_it_in_the_end) {
    start({.write_time = 500ms});
    const int fd = dial();
    const std::string_view request = "GET /endless HTTP/1.1\r\nHost: a\r\n\r\n";
    ASSERT_EQ(::send(fd, request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
    std::this_thread::sleep_for(300ms);
    const int pulls = feed.pulls;
    EXPECT_GT(pulls, 0);
    EXPECT_LT(pulls, 1000) << "at most what two socket buffers hold";
    EXPECT_EQ(get(server->address(), "/echo")->status, 200u) << "others are served meanwhile";
    EXPECT_TRUE(soon([&] { return feed.gone.load(); }));
    ::close(fd);
}

TEST_F(HttpServer, notices_that_a_streams_client_has_gone) {
    start();
    const int fd = dial();
    const std::string_view request = "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n";
    ASSERT_EQ(::send(fd, request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
    EXPECT_TRUE(soon([&] { return feed.pulls > 0; }));
    ::close(fd);
    EXPECT_TRUE(soon([&] { return feed.gone.load(); }));
}

TEST_F(HttpServer, ends_at_once_while_streams_are_open) {
    start();
    std::thread client([address = server->address()] {
        (void)stream(address, {"GET", "/stream", {}, {}}, [](std::string_view) { return true; });
    });
    EXPECT_TRUE(soon([&] { return feed.pulls > 0; }));
    const auto before = std::chrono::steady_clock::now();
    server.reset();
    EXPECT_LT(std::chrono::steady_clock::now() - before, 1s);
    EXPECT_TRUE(feed.gone);
    client.join();
}

TEST_F(HttpServer, survives_random_bytes_on_many_connections) {
    start({.request_time = 300ms});
    unsigned state = 1;
    for (int i = 0; i < 200; ++i) {
        std::string bytes = i % 2 ? "GET /echo HTTP/1.1\r\n" : "";
        for (int n = 0; n < 64; ++n) bytes += static_cast<char>((state = state * 1664525u + 1013904223u) >> 24);
        const int fd = dial();
        ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        ::close(fd);
    }
    EXPECT_EQ(get(server->address(), "/echo")->status, 200u);
}

// --- the client against servers that are not ours

struct RawServer {
    int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    uint16_t port = 0;
    std::thread thread;

    explicit RawServer(std::string answer, bool hold = false) {
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof at;
        ::bind(listener, reinterpret_cast<sockaddr*>(&at), sizeof at);
        ::listen(listener, 1);
        ::getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size);
        port = ntohs(at.sin_port);
        thread = std::thread([this, answer = std::move(answer), hold] {
            const int fd = ::accept(listener, nullptr, nullptr);
            char request[4096];
            (void)!::read(fd, request, sizeof request);
            ::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);
            while (hold && ::read(fd, request, sizeof request) > 0) continue;
            ::close(fd);
        });
    }
    ~RawServer() {
        thread.join();
        ::close(listener);
    }
    std::string address() const { return "http://127.0.0.1:" + std::to_string(port); }
};

TEST(HttpClient, reads_a_body_that_ends_with_the_connection) {
    RawServer server("HTTP/1.0 200 OK\r\nContent-Type: text/x\r\n\r\nto the end");
    const auto response = get(server.address(), "/");
    ASSERT_TRUE(response) << response.error();
    EXPECT_EQ(response->body, "to the end");
    EXPECT_EQ(response->header("content-TYPE"), "text/x");
}

TEST(HttpClient, tells_that_nobody_listens) {
    uint16_t port;
    {
        RawServer server("");
        port = server.port;
        (void)get(server.address(), "/");
    }
    const auto response = fetch("http://127.0.0.1:" + std::to_string(port), {});
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().stage, Stage::connect);
    EXPECT_EQ(fetch("/nowhere/x.sock", {}).error().stage, Stage::connect);
    EXPECT_EQ(fetch("http://a:b", {}).error().stage, Stage::address);
}

TEST(HttpClient, keeps_its_deadline_against_a_silent_server) {
    RawServer server("", true);
    Limits limits;
    limits.timeout = 200ms;
    const auto before = std::chrono::steady_clock::now();
    const auto response = fetch(server.address(), {}, limits);
    EXPECT_LT(std::chrono::steady_clock::now() - before, 2s);
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().stage, Stage::exchange);
    EXPECT_NE(response.error().text.find("no answer in time"), std::string::npos);
}

TEST(HttpClient, does_not_take_more_than_its_limits) {
    Limits limits;
    limits.body_bytes = 1000;
    limits.header_bytes = 1000;
    {
        RawServer server("HTTP/1.1 200 OK\r\n\r\n" + std::string(100'000, 'x'));
        EXPECT_FALSE(fetch(server.address(), {}, limits));
    }
    {
        RawServer server("HTTP/1.1 200 OK\r\nX: " + std::string(100'000, 'x') + "\r\n\r\n");
        EXPECT_FALSE(fetch(server.address(), {}, limits));
    }
}

TEST(HttpClient, tells_a_body_cut_short_and_what_is_no_http) {
    {
        RawServer server("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        EXPECT_FALSE(get(server.address(), "/"));
    }
    {
        RawServer server("SSH-2.0-OpenSSH_9.2\r\n");
        EXPECT_FALSE(get(server.address(), "/"));
    }
}

TEST(HttpClient, stops_a_stream_when_told_by_another_thread) {
    RawServer server("HTTP/1.1 200 OK\r\n\r\nfirst", true);
    std::atomic<bool> stop{false};
    std::thread other([&] {
        std::this_thread::sleep_for(150ms);
        stop = true;
    });
    const auto response = stream(server.address(), {}, [](std::string_view) { return true; }, &stop);
    other.join();
    EXPECT_TRUE(response) << response.error().text;
}

TEST(HttpClient, does_not_let_a_header_or_target_break_the_line) {
    EXPECT_EQ(fetch("http://127.0.0.1:1", {"GET", "/a b", {}, {}}).error().stage, Stage::address);
    EXPECT_EQ(fetch("http://127.0.0.1:1", {"GET", "/a\r\nX: y", {}, {}}).error().stage, Stage::address);
    EXPECT_EQ(fetch("http://127.0.0.1:1", {"GET", "/", {{"A", "b\r\nC: d"}}, {}}).error().stage, Stage::address);
}

}  // namespace
}  // namespace cvf::http
