// What nobody tells and must be looked for: counters of what is open, and the end of an unconnected socket's peers. With the
// kernel.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "host/clock.h"
#include "tap/endpoint.h"
#include "tests/unit/tap_recorder.h"

namespace cvf::tap {
namespace {

const uint16_t port = port_number(0);

sockaddr_in loopback() {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

// A datagram server's socket, that `count` others have sent one datagram to, each from a port of its own, and are closed.
int asked_by(int count) {
    const sockaddr_in a = loopback();
    int server = socket(AF_INET, SOCK_DGRAM, 0);
    if (bind(server, reinterpret_cast<const sockaddr*>(&a), sizeof a)) _exit(1);
    for (int i = 0; i < count; i++) {
        int c = socket(AF_INET, SOCK_DGRAM, 0);
        char word[8];
        if (connect(c, reinterpret_cast<const sockaddr*>(&a), sizeof a) || send(c, "ask", 3, 0) != 3 ||
            recv(server, word, 8, 0) != 3)
            _exit(2);
        close(c);
    }
    return server;
}

long ended_peers(const Recorder& r) {
    return std::count_if(r.sockets.begin(), r.sockets.end(),
                         [](const auto& s) { return s.first >> 63 && s.second.socket.local_port == port && s.second.closed; });
}

void stop(pid_t pid) {
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
}

TEST(PeersOfASocket, EndWithItLongBeforeTheNextReports) {
    NEEDS_KERNEL();
    Recorder r;
    EndpointOptions options;
    options.report_seconds = 3600;
    auto tap = EndpointTap::open(options, r);
    ASSERT_TRUE(tap) << tap.error();
    pid_t pid = fork();
    if (pid == 0) {
        own_namespace();
        close(asked_by(3));
        pause();
    }
    poll_for(**tap, 12'000, [&] { return ended_peers(r) == 3; });
    stop(pid);
    EXPECT_EQ(ended_peers(r), 3);
    for (const auto& [cookie, s] : r.sockets)
        if (cookie >> 63) EXPECT_EQ(s.counters.packets_in, 1u);
}

TEST(PeersOfASocket, EndTheSoonerTheLessRoomThereIs) {
    NEEDS_KERNEL();
    Recorder r;
    EndpointOptions options;
    options.report_seconds = 3600;
    options.max_sockets = 2048;  // 1,024 peers
    auto tap = EndpointTap::open(options, r);
    ASSERT_TRUE(tap) << tap.error();
    pid_t pid = fork();
    if (pid == 0) {
        own_namespace();
        asked_by(900);
        pause();
    }
    // It has not the patience for 15 s of silence.
    const int64_t began = host::monotonic_now();
    poll_for(**tap, 14'000, [&] { return ended_peers(r) >= 300; });
    const int64_t took = host::monotonic_now() - began;
    stop(pid);
    EXPECT_GE(ended_peers(r), 300) << "after " << took;
}

TEST(CountersOfAConversation, AreNotOlderThanASixthOfTheTimeBetweenReports) {
    NEEDS_KERNEL();
    Recorder r;
    EndpointOptions options;
    options.report_seconds = 60;
    options.payload = false;
    auto tap = EndpointTap::open(options, r);
    ASSERT_TRUE(tap) << tap.error();
    pid_t pid = fork();
    if (pid == 0) {
        own_namespace();
        int server = asked_by(0), c = socket(AF_INET, SOCK_DGRAM, 0);
        const sockaddr_in a = loopback();
        if (connect(c, reinterpret_cast<const sockaddr*>(&a), sizeof a)) _exit(1);
        for (;;) {
            if (send(c, "ask", 3, 0) != 3) _exit(2);
            usleep(20'000);
            char word[8];
            if (recv(server, word, sizeof word, 0) != 3) _exit(3);
        }
    }
    auto reported = [&] {
        return std::any_of(r.sockets.begin(), r.sockets.end(), [](const auto& s) {
            return s.second.socket.remote_port == port && s.second.counters.packets_out > 1 && !s.second.closed;
        });
    };
    poll_for(**tap, 30'000, reported);
    const bool in_time = reported();
    stop(pid);
    EXPECT_TRUE(in_time);
}

}  // namespace
}  // namespace cvf::tap
