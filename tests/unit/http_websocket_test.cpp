// WebSocket by hand-written frames on real sockets (RFC 6455), and answers that come from elsewhere.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <deque>
#include <mutex>
#include <thread>

#include "http/client.h"
#include "http/server.h"

namespace cvf::http {
namespace {

using namespace std::chrono_literals;

struct Seen {
    std::mutex mutex;
    Waker waker;
    std::deque<std::string> out;  // to be sent
    std::atomic<int> received{0}, pulls{0};
    std::atomic<bool> gone{false}, ready{true}, endless{false};
};

// Says back what it hears; "bye" ends it.
class Echo final : public Channel {
 public:
    explicit Echo(Seen& seen) : seen_(seen) {}
    ~Echo() override { seen_.gone = true; }
    void start(Waker waker) override {
        const std::lock_guard lock(seen_.mutex);
        seen_.waker = std::move(waker);
    }
    Message next() override {
        ++seen_.pulls;
        if (seen_.endless) {
            piece_.assign(64 * 1024, 'x');
            return {State::more, piece_, true, 1000};
        }
        const std::lock_guard lock(seen_.mutex);
        if (seen_.out.empty()) return {};
        piece_ = std::move(seen_.out.front());
        seen_.out.pop_front();
        if (piece_ == "bye") return {State::close, "you said so", true, 4001};
        return {State::more, piece_, text_, 1000};
    }
    void receive(std::string_view message, bool text) override {
        ++seen_.received;
        text_ = text;
        const std::lock_guard lock(seen_.mutex);
        seen_.out.emplace_back(message);
    }
    bool ready() const override { return seen_.ready; }

 private:
    Seen& seen_;
    std::string piece_;
    bool text_ = true;
};

struct HttpWebSocket : testing::Test {
    Seen seen;
    std::unique_ptr<Server> server;
    int fd = -1;

    void start(ServerLimits limits = {}) {
        auto started = Server::start(
            "127.0.0.1:0",
            [this](const IncomingRequest& request) {
                OutgoingResponse response;
                if (request.target.path != "/socket") {
                    response.status = 404;
                    return response;
                }
                for (const std::string_view one : list_items(request.header("Sec-WebSocket-Protocol")))
                    if (one == "graphql-transport-ws") response.protocol = one;
                response.channel = std::make_unique<Echo>(seen);
                return response;
            },
            limits);
        ASSERT_TRUE(started) << started.error();
        server = std::move(*started);
    }
    void TearDown() override {
        if (fd >= 0) ::close(fd);
        server.reset();
        if (seen.received > 0) EXPECT_TRUE(seen.gone) << "nothing is left behind";
    }
    void dial() {
        fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(server->port());
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        ASSERT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    }
    void send(std::string_view bytes) const {
        EXPECT_EQ(::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
    }
    // Exactly n bytes; fewer when the server closes or 3 s have passed.
    std::string read(size_t n) const {
        std::string out(n, '\0');
        size_t at = 0;
        while (at < n) {
            pollfd p{fd, POLLIN, 0};
            if (::poll(&p, 1, 3000) <= 0) break;
            const ssize_t got = ::read(fd, out.data() + at, n - at);
            if (got <= 0) break;
            at += static_cast<size_t>(got);
        }
        out.resize(at);
        return out;
    }
    std::string upgrade(const std::string& more = {}) {
        dial();
        send(
            "GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
            more + "\r\n");
        std::string head;
        while (!head.ends_with("\r\n\r\n")) {
            const std::string c = read(1);
            if (c.empty()) break;
            head += c;
        }
        return head;
    }
    static std::string frame(uint8_t opcode, std::string_view payload, bool last = true, bool masked = true) {
        std::string out(1, static_cast<char>((last ? 0x80 : 0) | opcode));
        const uint8_t mask_bit = masked ? 0x80 : 0;
        if (payload.size() < 126) {
            out += static_cast<char>(mask_bit | payload.size());
        } else if (payload.size() < 65536) {
            out += static_cast<char>(mask_bit | 126);
            out += static_cast<char>(payload.size() >> 8);
            out += static_cast<char>(payload.size());
        } else {
            out += static_cast<char>(mask_bit | 127);
            for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(payload.size() >> shift);
        }
        const std::string mask = "\x11\x22\x33\x44";
        if (masked) out += mask;
        for (size_t i = 0; i < payload.size(); ++i) out += masked ? static_cast<char>(payload[i] ^ mask[i % 4]) : payload[i];
        return out;
    }
    // One frame of the server's: opcode and payload.
    std::pair<int, std::string> receive() const {
        const std::string head = read(2);
        if (head.size() < 2) return {-1, ""};
        size_t size = static_cast<uint8_t>(head[1]) & 0x7f;
        if (size == 126) {
            const std::string more = read(2);
            size = static_cast<size_t>(static_cast<uint8_t>(more[0])) << 8 | static_cast<uint8_t>(more[1]);
        } else if (size == 127) {
            size = 0;
            for (char c : read(8)) size = size << 8 | static_cast<uint8_t>(c);
        }
        return {static_cast<uint8_t>(head[0]) & 0x0f, read(size)};
    }
    template <typename Condition>
    static bool soon(Condition condition) {
        for (int i = 0; i < 500; ++i) {
            if (condition()) return true;
            std::this_thread::sleep_for(10ms);
        }
        return false;
    }
};

TEST_F(HttpWebSocket, begins_as_the_rfc_says_with_the_protocol_chosen) {
    start();
    const std::string head = upgrade("Sec-WebSocket-Protocol: mqtt, graphql-transport-ws\r\n");
    EXPECT_TRUE(head.starts_with("HTTP/1.1 101")) << head;
    EXPECT_NE(head.find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), std::string::npos) << head;
    EXPECT_NE(head.find("Sec-WebSocket-Protocol: graphql-transport-ws"), std::string::npos) << head;
}

TEST_F(HttpWebSocket, carries_messages_both_ways_whole_and_in_fragments) {
    start();
    upgrade();
    send(frame(1, "hello"));
    EXPECT_EQ(receive(), std::pair(1, std::string("hello")));
    send(frame(1, "one ", false) + frame(9, "alive?") + frame(0, "two"));
    EXPECT_EQ(receive(), std::pair(10, std::string("alive?"))) << "a ping between fragments is answered";
    EXPECT_EQ(receive(), std::pair(1, std::string("one two")));
    const std::string big(70'000, 'b');
    send(frame(2, big));
    EXPECT_EQ(receive(), std::pair(2, big));
    {
        const std::lock_guard lock(seen.mutex);
        seen.out.emplace_back("by itself");
        seen.waker();
    }
    EXPECT_EQ(receive().second, "by itself");
}

TEST_F(HttpWebSocket, ends_with_a_reason_when_either_side_wants) {
    start();
    upgrade();
    send(frame(1, "bye"));
    EXPECT_EQ(receive(), std::pair(8, std::string("\x0f\xa1you said so")));
    send(frame(8, "\x0f\xa1"));
    EXPECT_EQ(read(1), "");
    EXPECT_TRUE(soon([&] { return seen.gone.load() && server->stats().connections == 0; }));
    ::close(fd);
    seen.gone = false;
    upgrade();
    send(frame(8, "\x03\xe8"));
    EXPECT_EQ(receive().first, 8);
    EXPECT_TRUE(soon([&] { return seen.gone.load(); }));
}

TEST_F(HttpWebSocket, ends_on_messages_too_large_unmasked_or_no_utf8) {
    start({.message_bytes = 1000});
    upgrade();
    send(frame(1, std::string(1001, 'x')));
    EXPECT_EQ(receive(), std::pair(8, std::string("\x03\xf1"))) << "1009: too big";
    ::close(fd);
    upgrade();
    send(frame(1, "x", true, false));
    EXPECT_EQ(receive(), std::pair(8, std::string("\x03\xea"))) << "1002: protocol error";
    ::close(fd);
    upgrade();
    send(frame(1, "\xff\xfe"));
    EXPECT_EQ(receive().first, 8);
    EXPECT_EQ(seen.received, 0);
}

TEST_F(HttpWebSocket, pings_the_silent_and_drops_the_dead) {
    start({.ping_time = 150ms});
    upgrade();
    EXPECT_EQ(receive().first, 9);
    EXPECT_TRUE(soon([&] { return seen.gone.load(); })) << "no pong came";
}

TEST_F(HttpWebSocket, reads_no_more_while_the_handler_is_not_ready) {
    start();
    upgrade();
    send(frame(1, "first"));
    EXPECT_EQ(receive().second, "first");
    seen.ready = false;
    send(frame(1, "second") + frame(1, "third"));
    EXPECT_TRUE(soon([&] { return seen.received == 2; })) << "the read that was under way";
    std::this_thread::sleep_for(100ms);
    EXPECT_EQ(seen.received, 2);
    seen.ready = true;
    {
        const std::lock_guard lock(seen.mutex);
        seen.waker();
    }
    EXPECT_TRUE(soon([&] { return seen.received == 3; }));
}

TEST_F(HttpWebSocket, makes_no_more_for_a_slow_reader_and_drops_it) {
    seen.endless = true;
    start({.write_time = 400ms});
    upgrade();
    EXPECT_TRUE(soon([&] { return seen.pulls > 0; }));
    EXPECT_TRUE(soon([&] { return seen.gone.load(); }));
    EXPECT_LT(seen.pulls, 1000);
    EXPECT_EQ(server->stats().slow_readers, 1u);
}

TEST_F(HttpWebSocket, answers_426_to_whom_did_not_ask_for_it) {
    start();
    const auto plain = fetch(server->address(), {"GET", "/socket", {}, {}});
    ASSERT_TRUE(plain);
    EXPECT_EQ(plain->status, 426u);
    EXPECT_EQ(plain->header("upgrade"), "websocket");
}

TEST_F(HttpWebSocket, survives_random_frames) {
    start();
    unsigned state = 7;
    for (int i = 0; i < 60; ++i) {
        upgrade();
        std::string bytes;
        for (int n = 0; n < 48; ++n) bytes += static_cast<char>((state = state * 1664525u + 1013904223u) >> 24);
        ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        ::close(fd);
        fd = -1;
    }
    EXPECT_TRUE(upgrade().starts_with("HTTP/1.1 101"));
    EXPECT_TRUE(soon([&] { return server->stats().connections == 1; }));
}

}  // namespace
}  // namespace cvf::http
