// Whose a socket is when several processes had it in hand. With the kernel: skipped without root or where it takes no programs.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "host/clock.h"
#include "tap/endpoint.h"

namespace cvf::tap {
namespace {

struct Owners final : EndpointHandler {
    struct Seen {
        Socket socket;
        uint32_t first = 0, last = 0;  // owners' pids
    };
    std::map<uint64_t, Seen> sockets;
    std::vector<TcpEvent> states;
    std::vector<std::pair<uint64_t, uint64_t>> pairs;
    void opened(const Socket& s, int64_t) override { sockets[s.cookie] = {s, s.owner.pid, s.owner.pid}; }
    void owner_changed(uint64_t cookie, const Owner& o, int64_t) override { sockets[cookie].last = o.pid; }
    void payload(const Payload&) override {}
    void counters(uint64_t, const Counters&, bool, int64_t) override {}
    void paired(uint64_t a, uint64_t b, int64_t) override { pairs.emplace_back(a, b); }
    void tcp_event(const TcpEvent& e) override {
        if (e.kind == TcpEventKind::state) states.push_back(e);
    }
    void process(const ProcessEvent&) override {}
    void caught_up(int64_t) override {}

    // The tap sees the whole host: only the players' namespace counts.
    const Seen* at(uint32_t netns, uint16_t local_port, uint16_t remote_port) const {
        for (const auto& [cookie, s] : sockets)
            if (s.socket.netns == netns && (!local_port || s.socket.local_port == local_port) &&
                (!remote_port || s.socket.remote_port == remote_port))
                return &s;
        return nullptr;
    }
};

// A namespace that is gone gives its number to the next, which may be another run's of this test: the port differs.
const uint16_t port = static_cast<uint16_t>(20000 + getpid() % 20000);

sockaddr_in loopback() {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

// Runs `play` in a child process and polls until it has ended and a little longer. `play` returns the exit status.
int watch(EndpointTap& tap, const std::function<int()>& play) {
    pid_t pid = fork();
    if (pid == 0) _exit(play());
    int status = 0;
    while (waitpid(pid, &status, WNOHANG) == 0) tap.poll(2);
    const int64_t end = host::monotonic_now() + 100'000'000;
    while (host::monotonic_now() < end) tap.poll(5);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// Numbers cross from the players to the test by this.
struct Told {
    int fd[2];
    Told() { EXPECT_EQ(pipe(fd), 0); }
    ~Told() { close(fd[0]), close(fd[1]); }
    void say(uint32_t number) {
        if (write(fd[1], &number, sizeof number) != sizeof number) _exit(101);
    }
    uint32_t hear() {
        uint32_t number = 0;
        EXPECT_EQ(read(fd[0], &number, sizeof number), static_cast<ssize_t>(sizeof number));
        return number;
    }
};

// A network namespace of the players' own; its inode is told first.
void own_namespace(Told& told) {
    struct stat s{};
    if (unshare(CLONE_NEWNET) != 0 || std::system("ip link set lo up") != 0 || stat("/proc/self/ns/net", &s) != 0) _exit(100);
    told.say(static_cast<uint32_t>(s.st_ino));
}

#define OPEN_TAP()                                    \
    if (geteuid() != 0) GTEST_SKIP() << "needs root"; \
    Owners seen;                                      \
    auto tap = EndpointTap::open({}, seen);           \
    if (!tap) GTEST_SKIP() << "this kernel does not allow it: " << tap.error()

TEST(OwnerOfAListener, IsWhoCallsListenNotWhoMadeTheSocket) {
    OPEN_TAP();
    Told told;
    ASSERT_EQ(watch(**tap,
                    [&] {
                        own_namespace(told);
                        const sockaddr_in a = loopback();
                        int l = socket(AF_INET, SOCK_STREAM, 0);
                        if (bind(l, reinterpret_cast<const sockaddr*>(&a), sizeof a)) return 1;
                        told.say(static_cast<uint32_t>(getpid()));
                        pid_t listener = fork();
                        if (listener == 0) {
                            told.say(static_cast<uint32_t>(getpid()));
                            // Nobody accepts: the connection stays the listener's.
                            if (listen(l, 8)) _exit(1);
                            int s = socket(AF_INET, SOCK_STREAM, 0);
                            if (connect(s, reinterpret_cast<const sockaddr*>(&a), sizeof a)) _exit(2);
                            usleep(50'000);
                            _exit(0);
                        }
                        int status = 0;
                        waitpid(listener, &status, 0);
                        return WEXITSTATUS(status);
                    }),
              0);
    const uint32_t netns = told.hear(), maker = told.hear(), listener = told.hear();
    ASSERT_NE(maker, listener);
    const Owners::Seen* s = seen.at(netns, port, 0);
    ASSERT_TRUE(s);
    EXPECT_EQ(s->first, listener);
    EXPECT_EQ(s->socket.role, Role::server);
}

TEST(OwnerOfAClient, IsWhoConnectsTheSocketNotWhoMadeIt) {
    OPEN_TAP();
    Told told;
    ASSERT_EQ(watch(**tap,
                    [&] {
                        own_namespace(told);
                        const sockaddr_in a = loopback();
                        int l = socket(AF_INET, SOCK_STREAM, 0), s = socket(AF_INET, SOCK_STREAM, 0);
                        if (bind(l, reinterpret_cast<const sockaddr*>(&a), sizeof a) || listen(l, 8)) return 1;
                        pid_t connector = fork();
                        if (connector == 0) {
                            told.say(static_cast<uint32_t>(getpid()));
                            _exit(connect(s, reinterpret_cast<const sockaddr*>(&a), sizeof a) ? 2 : 0);
                        }
                        int status = 0;
                        waitpid(connector, &status, 0);
                        return WEXITSTATUS(status);
                    }),
              0);
    const Owners::Seen* c = seen.at(told.hear(), 0, port);
    ASSERT_TRUE(c);
    EXPECT_EQ(c->first, told.hear());
}

TEST(OwnerOfAnAcceptedSocket, IsTheChildThatAcceptsFromItsParentsListener) {
    OPEN_TAP();
    Told told;
    ASSERT_EQ(watch(**tap,
                    [&] {
                        own_namespace(told);
                        const sockaddr_in a = loopback();
                        int l = socket(AF_INET, SOCK_STREAM, 0);
                        if (bind(l, reinterpret_cast<const sockaddr*>(&a), sizeof a) || listen(l, 8)) return 1;
                        pid_t worker = fork();
                        if (worker == 0) {
                            told.say(static_cast<uint32_t>(getpid()));
                            int c = accept(l, nullptr, nullptr);
                            // It speaks first, as servers of mail do.
                            char b = 0;
                            if (write(c, "220", 3) != 3 || read(c, &b, 1) != 1) _exit(2);
                            _exit(0);
                        }
                        int s = socket(AF_INET, SOCK_STREAM, 0);
                        char words[3];
                        if (connect(s, reinterpret_cast<const sockaddr*>(&a), sizeof a) || read(s, words, 3) != 3 ||
                            write(s, "x", 1) != 1)
                            return 3;
                        int status = 0;
                        waitpid(worker, &status, 0);
                        return WEXITSTATUS(status);
                    }),
              0);
    const Owners::Seen* s = seen.at(told.hear(), port, 0);
    ASSERT_TRUE(s);
    EXPECT_EQ(s->last, told.hear());
}

TEST(PairOfSockets, IsFoundWhenTheFirstPacketBringsData) {
    OPEN_TAP();
    Told told;
    const int played = watch(**tap, [&] {
        own_namespace(told);
        // Both roles, without cookies.
        if (std::system("echo 519 > /proc/sys/net/ipv4/tcp_fastopen") != 0) return 77;
        const sockaddr_in a = loopback();
        int l = socket(AF_INET, SOCK_STREAM, 0), s = socket(AF_INET, SOCK_STREAM, 0), waiting = 8;
        if (setsockopt(l, IPPROTO_TCP, TCP_FASTOPEN, &waiting, sizeof waiting)) return 77;
        if (bind(l, reinterpret_cast<const sockaddr*>(&a), sizeof a) || listen(l, 8)) return 1;
        if (sendto(s, "early", 5, MSG_FASTOPEN, reinterpret_cast<const sockaddr*>(&a), sizeof a) != 5) return 77;
        int c = accept(l, nullptr, nullptr);
        char words[5];
        tcp_info info{};
        socklen_t size = sizeof info;
        if (read(c, words, 5) != 5 || getsockopt(s, IPPROTO_TCP, TCP_INFO, &info, &size)) return 2;
        return info.tcpi_options & TCPI_OPT_SYN_DATA ? 0 : 77;
    });
    if (played == 77) GTEST_SKIP() << "no TCP Fast Open here";
    ASSERT_EQ(played, 0);
    const uint32_t netns = told.hear();
    const Owners::Seen *c = seen.at(netns, 0, port), *s = seen.at(netns, port, 0);
    ASSERT_TRUE(c && s);
    int found = 0;
    for (const auto& [payload, other] : seen.pairs) found += payload == c->socket.cookie && other == s->socket.cookie;
    EXPECT_EQ(found, 1);
}

TEST(StateOfASocket, IsToldWhenItBeginsAndEndsListeningAndWhenAConnectionComesToNothing) {
    OPEN_TAP();
    Told told;
    ASSERT_EQ(watch(**tap,
                    [&] {
                        own_namespace(told);
                        const sockaddr_in a = loopback();
                        int s = socket(AF_INET, SOCK_STREAM, 0), l = socket(AF_INET, SOCK_STREAM, 0);
                        if (connect(s, reinterpret_cast<const sockaddr*>(&a), sizeof a) == 0) return 1;
                        close(s);
                        if (bind(l, reinterpret_cast<const sockaddr*>(&a), sizeof a) || listen(l, 8)) return 2;
                        // One that is answered is no failure, however short.
                        s = socket(AF_INET, SOCK_STREAM, 0);
                        if (connect(s, reinterpret_cast<const sockaddr*>(&a), sizeof a)) return 3;
                        close(s);
                        return close(l);
                    }),
              0);
    const uint32_t netns = told.hear();
    std::vector<std::pair<int, int>> changes;
    for (const TcpEvent& e : seen.states)
        if (e.socket.netns == netns) changes.emplace_back(e.old_state, e.new_state);
    // SYN_SENT to CLOSE, CLOSE to LISTEN, LISTEN to CLOSE.
    EXPECT_EQ(changes, (std::vector<std::pair<int, int>>{{2, 7}, {7, 10}, {10, 7}}));
}

}  // namespace
}  // namespace cvf::tap
