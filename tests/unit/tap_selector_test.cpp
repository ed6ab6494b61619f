// Selectors in the kernel: what they let through, what they pass over, and what happens when they change.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "tests/unit/tap_recorder.h"

namespace cvf::tap {
namespace {

// One conversation of a process with itself.
struct Line {
    std::string address;  // where it goes
    uint16_t port;
    int type = SOCK_STREAM;
    bool connected = true;
    int family = AF_INET;
};

// A process with a namespace of its own, which keeps conversations open and says a line in each when it is told to. Every line
// comes back.
class Talk {
 public:
    explicit Talk(std::vector<Line> lines) : lines_(std::move(lines)) {
        int to[2], from[2];
        if (pipe(to) || pipe(from)) std::abort();
        pid_ = fork();
        if (pid_ == 0) {
            close(to[1]);
            talk(to[0], from[1]);
        }
        close(to[0]);
        close(from[1]);
        to_ = to[1];
        from_ = from[0];
        answer();  // all are open
    }
    ~Talk() { end(); }
    Talk(const Talk&) = delete;

    // One line in each conversation, seen by the tap.
    void round(EndpointTap& tap) {
        const char go = 'r';
        ASSERT_EQ(write(to_, &go, 1), 1);
        pollfd p{from_, POLLIN, 0};
        while (::poll(&p, 1, 0) == 0) tap.poll(2);
        answer();
        poll_for(tap, 40);
    }
    // All conversations end.
    void end(EndpointTap* tap = nullptr) {
        if (pid_ <= 0) return;
        close(to_);
        int status = 0;
        while (waitpid(pid_, &status, tap ? WNOHANG : 0) == 0) tap->poll(2);
        if (tap) poll_for(*tap, 100);
        EXPECT_EQ(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
        close(from_);
        pid_ = 0;
    }
    uint32_t pid() const { return static_cast<uint32_t>(pid_); }

 private:
    struct Ends {
        int client = -1, server = -1;
        sockaddr_in6 address{};
        socklen_t size = 0;
    };

    void answer() {
        char b = 0;
        ASSERT_EQ(read(from_, &b, 1), 1) << "the talking process has failed";
    }

    static Ends begin(const Line& line) {
        Ends e;
        if (line.family == AF_INET) {
            auto* a = reinterpret_cast<sockaddr_in*>(&e.address);
            a->sin_family = AF_INET;
            a->sin_port = htons(line.port);
            inet_pton(AF_INET, line.address.c_str(), &a->sin_addr);
            e.size = sizeof *a;
        } else {
            e.address.sin6_family = AF_INET6;
            e.address.sin6_port = htons(line.port);
            inet_pton(AF_INET6, line.address.c_str(), &e.address.sin6_addr);
            e.size = sizeof e.address;
        }
        const auto* a = reinterpret_cast<const sockaddr*>(&e.address);
        const int on = 1;
        int s = socket(line.family, line.type, 0);
        setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (bind(s, a, e.size)) _exit(10);
        e.client = socket(line.family, line.type, 0);
        if (line.type == SOCK_STREAM) {
            if (listen(s, 8) || connect(e.client, a, e.size)) _exit(11);
            e.server = accept(s, nullptr, nullptr);
            close(s);
        } else {
            if (line.connected && connect(e.client, a, e.size)) _exit(12);
            e.server = s;
        }
        return e;
    }

    static void say(const Line& line, const Ends& e, int n) {
        char word[32], back[32];
        const int size = snprintf(word, sizeof word, "%d.", n);
        const auto* a = reinterpret_cast<const sockaddr*>(&e.address);
        const ssize_t sent = line.type == SOCK_DGRAM && !line.connected
                                 ? sendto(e.client, word, static_cast<size_t>(size), 0, a, e.size)
                                 : send(e.client, word, static_cast<size_t>(size), 0);
        sockaddr_in6 from{};
        socklen_t length = sizeof from;
        if (sent != size || recvfrom(e.server, back, sizeof back, 0, reinterpret_cast<sockaddr*>(&from), &length) != size)
            _exit(13);
        const ssize_t answered = line.type == SOCK_DGRAM ? sendto(e.server, word, static_cast<size_t>(size), 0,
                                                                  reinterpret_cast<sockaddr*>(&from), length)
                                                         : send(e.server, word, static_cast<size_t>(size), 0);
        if (answered != size || recv(e.client, back, sizeof back, 0) != size) _exit(14);
    }

    [[noreturn]] void talk(int orders, int answers) {
        own_namespace();
        std::ofstream("/proc/sys/net/ipv6/conf/lo/disable_ipv6") << "0";
        for (const Line& line : lines_)
            if (line.family == AF_INET6 && !line.address.starts_with("::"))
                if (std::system(("ip -6 addr add " + line.address + "/128 dev lo nodad 2>/dev/null").c_str()) != 0) _exit(9);
        std::vector<Ends> ends;
        for (const Line& line : lines_) ends.push_back(begin(line));
        char b = 'y';
        for (int n = 1; write(answers, &b, 1) == 1 && read(orders, &b, 1) == 1; n++)
            for (size_t i = 0; i < ends.size(); i++) say(lines_[i], ends[i], n);
        for (const Ends& e : ends) {
            close(e.client);
            close(e.server);
        }
        _exit(0);
    }

    std::vector<Line> lines_;
    pid_t pid_ = 0;
    int to_ = -1, from_ = -1;
};

// The sockets of conversations that go to this port, the client's first.
std::vector<const Recorder::Seen*> ends_at(const Recorder& r, uint16_t port) {
    std::vector<const Recorder::Seen*> found;
    for (const auto& [cookie, seen] : r.sockets)
        if (seen.socket.remote_port == port)
            found.insert(found.begin(), &seen);
        else if (seen.socket.local_port == port)
            found.push_back(&seen);
    return found;
}

int packets_at(const Recorder& r, uint16_t port) {
    int n = 0;
    for (const auto* seen : ends_at(r, port)) n += seen->packets;
    return n;
}

Selector of_port(uint16_t port) {
    Selector s;
    s.ports = std::vector<Selector::Ports>{{port, port}};
    return s;
}

Selector::Prefix prefix(const char* address, uint8_t bits) {
    Selector::Prefix p;
    uint8_t b[16] = {};
    p.family = std::strchr(address, ':') ? 6 : 4;
    inet_pton(p.family == 6 ? AF_INET6 : AF_INET, address, b);
    p.address = p.family == 6 ? decode::Address::v6(b) : decode::Address::v4(b);
    p.bits = bits;
    return p;
}

// The round that looks at every socket again is over in a few polls.
void put(EndpointTap& tap, const Selector& s) {
    ASSERT_TRUE(tap.set_selector(s));
    poll_for(tap, 60);
}

const uint16_t first = port_number(0), second = port_number(1), third = port_number(2), fourth = port_number(3);

TEST(Selector, OnlyConversationsOfItsPortsAreSeen) {
    NEEDS_KERNEL();
    Recorder r;
    auto tap = EndpointTap::open({}, r);
    Selector s;
    s.ports = std::vector<Selector::Ports>{{first, first}, {third, fourth}};
    put(**tap, s);
    const auto before = (*tap)->stats();
    Talk talk({{"127.0.0.1", first}, {"127.0.0.1", second}, {"127.0.0.1", fourth}});
    talk.round(**tap);
    talk.end(tap->get());
    for (const uint16_t port : {first, fourth}) {
        const auto ends = ends_at(r, port);
        ASSERT_EQ(ends.size(), 2u) << port;
        EXPECT_EQ(ends[0]->payload, "1.1.");
        EXPECT_EQ(ends[0]->socket.role, Role::client);
        EXPECT_TRUE(ends[0]->closed && ends[1]->closed);
        EXPECT_EQ(ends[0]->counters.packets_out, ends[1]->counters.packets_in);
    }
    EXPECT_EQ(ends_at(r, second).size(), 0u);
    EXPECT_EQ(r.pairs.size(), 2u);
    const auto after = (*tap)->stats();
    EXPECT_GE(after.packets_passed_over - before.packets_passed_over, 14u);  // handshake, two lines, the end; at both ends
    EXPECT_GE(after.sockets_passed_over - before.sockets_passed_over, 2u);
    EXPECT_EQ(after.lost_events, 0u);
}

TEST(Selector, AnAddressOfEitherEndIsEnoughWhicheverFamilyTheSocketIsOf) {
    NEEDS_KERNEL();
    Recorder r;
    auto tap = EndpointTap::open({}, r);
    Selector s;
    s.addresses = std::vector<Selector::Prefix>{prefix("127.1.0.0", 16), prefix("fd00:1::", 32)};
    put(**tap, s);
    Talk talk({{"127.1.0.9", first},
               {"127.2.0.9", second},
               {"::ffff:127.1.0.8", third, SOCK_STREAM, true, AF_INET6},
               {"fd00:1::7", fourth, SOCK_STREAM, true, AF_INET6},
               {"fd00:2::7", port_number(4), SOCK_STREAM, true, AF_INET6},
               {"127.1.4.1", port_number(5), SOCK_DGRAM},
               {"127.3.4.1", port_number(6), SOCK_DGRAM},
               {"127.1.4.1", port_number(7), SOCK_DGRAM, false},
               {"127.3.4.1", port_number(8), SOCK_DGRAM, false}});
    talk.round(**tap);
    std::vector<int> seen;
    for (int i = 0; i <= 8; i++) seen.push_back(packets_at(r, port_number(i)) > 0);
    EXPECT_EQ(seen, (std::vector<int>{1, 0, 1, 1, 0, 1, 0, 1, 0}));
    for (int i : {1, 4, 6, 8}) EXPECT_TRUE(ends_at(r, port_number(i)).empty()) << i;
    for (int i : {0, 2, 3}) EXPECT_EQ(ends_at(r, port_number(i)).size(), 2u) << i;
}

TEST(Selector, PortsAndAddressesMustBothHold) {
    NEEDS_KERNEL();
    Recorder r;
    auto tap = EndpointTap::open({}, r);
    Selector s = of_port(first);
    s.ports->push_back({second, second});
    s.addresses = std::vector<Selector::Prefix>{prefix("127.1.0.0", 16)};
    put(**tap, s);
    Talk talk({{"127.1.0.1", first}, {"127.2.0.1", second}, {"127.1.0.1", third}});
    talk.round(**tap);
    EXPECT_EQ(ends_at(r, first).size(), 2u);
    EXPECT_EQ(ends_at(r, second).size() + ends_at(r, third).size(), 0u);
}

TEST(Selector, TransportsAreToldApart) {
    NEEDS_KERNEL();
    for (const bool tcp : {true, false}) {
        Recorder r;
        auto tap = EndpointTap::open({}, r);
        Selector s;
        s.tcp = tcp;
        s.udp = !tcp;
        s.others = false;
        put(**tap, s);
        Talk talk({{"127.0.0.1", first}, {"127.0.0.1", second, SOCK_DGRAM}, {"127.0.0.1", third, SOCK_DGRAM, false}});
        talk.round(**tap);
        EXPECT_EQ(ends_at(r, first).size(), tcp ? 2u : 0u);
        EXPECT_EQ(ends_at(r, second).size(), tcp ? 0u : 2u);
        EXPECT_EQ(ends_at(r, third).size(), tcp ? 0u : 2u);
    }
}

TEST(Selector, OfNothingLetsNothingThroughAndTheConversationsNeverNotice) {
    NEEDS_KERNEL();
    Recorder r;
    auto tap = EndpointTap::open({}, r);
    Selector s;
    s.tcp = s.udp = s.others = false;
    put(**tap, s);
    r.log.clear();
    Talk talk({{"127.0.0.1", first}, {"127.0.0.1", second, SOCK_DGRAM}, {"::1", third, SOCK_DGRAM, false, AF_INET6}});
    for (int i = 0; i < 5; i++) talk.round(**tap);
    talk.end(tap->get());
    EXPECT_TRUE(r.sockets.empty());
    EXPECT_EQ(r.log, std::vector<std::string>());
}

TEST(Selector, ThatNarrowsLetsConversationsGoWithTheirCountersAndTellsNothingMore) {
    NEEDS_KERNEL();
    Recorder r;
    auto tap = EndpointTap::open({}, r);
    Talk talk({{"127.0.0.1", first},
               {"127.0.0.1", second},
               {"127.0.0.1", third, SOCK_DGRAM},
               {"127.0.0.1", fourth, SOCK_DGRAM, false}});
    talk.round(**tap);
    for (const uint16_t port : {first, second, third, fourth}) ASSERT_EQ(ends_at(r, port).size(), 2u) << port;
    put(**tap, of_port(first));
    EXPECT_EQ(ends_at(r, first).size(), 2u);
    for (const uint16_t port : {second, third, fourth}) EXPECT_EQ(ends_at(r, port).size(), 0u) << port;
    ASSERT_EQ(r.passed.size(), 6u);
    for (const Recorder::Seen& seen : r.passed) {
        EXPECT_GE(seen.counters.packets_in, 1u);
        EXPECT_GE(seen.counters.packets_out, 1u);
    }
    const size_t told = r.log.size();
    talk.round(**tap);
    talk.round(**tap);
    EXPECT_EQ(ends_at(r, first)[0]->payload, "1.1.2.2.3.3.");
    talk.end(tap->get());
    EXPECT_EQ(r.sockets.size(), 2u);
    EXPECT_EQ(r.passed.size(), 6u);
    EXPECT_GT(r.log.size(), told);
    EXPECT_EQ((*tap)->stats().lost_events, 0u);
}

TEST(Selector, ThatWidensTakesUpConversationsUnderWayAndPairsTheirEnds) {
    NEEDS_KERNEL();
    Recorder r;
    auto tap = EndpointTap::open({}, r);
    put(**tap, of_port(first));
    Talk talk({{"127.0.0.1", first}, {"127.0.0.1", second}, {"127.0.0.1", third, SOCK_DGRAM}});
    talk.round(**tap);
    ASSERT_EQ(ends_at(r, second).size() + ends_at(r, third).size(), 0u);
    put(**tap, {});
    talk.round(**tap);
    talk.round(**tap);
    const auto ends = ends_at(r, second);
    ASSERT_EQ(ends.size(), 2u);
    EXPECT_EQ(ends[0]->socket.role, Role::client);
    EXPECT_EQ(ends[1]->socket.role, Role::server);
    EXPECT_EQ(ends[0]->socket.owner.pid, talk.pid());
    EXPECT_EQ(ends[1]->socket.owner.pid, talk.pid());
    EXPECT_EQ(ends[0]->payload + ends[1]->payload, "2.2.3.3.");
    EXPECT_EQ(std::count_if(r.pairs.begin(), r.pairs.end(),
                            [&](const auto& p) {
                                return (p.first == ends[0]->socket.cookie && p.second == ends[1]->socket.cookie) ||
                                       (p.first == ends[1]->socket.cookie && p.second == ends[0]->socket.cookie);
                            }),
              1);
    EXPECT_EQ(ends_at(r, first)[0]->payload, "1.1.2.2.3.3.");
    EXPECT_EQ(ends_at(r, third).size(), 2u);
    talk.end(tap->get());
    for (const auto* seen : ends_at(r, second)) {
        EXPECT_TRUE(seen->closed);
        // Two lines each way with their acknowledgments, and the end: not what went by before.
        EXPECT_GE(seen->counters.packets_out, 3u);
        EXPECT_LE(seen->counters.packets_out, 6u);
    }
}

TEST(Selector, AConversationLetGoAndTakenUpAgainIsOpenedAnewAndCountedFromThere) {
    NEEDS_KERNEL();
    Recorder r;
    auto tap = EndpointTap::open({}, r);
    Talk talk({{"127.0.0.1", first}, {"127.0.0.1", second, SOCK_DGRAM}});
    for (int i = 0; i < 20; i++) talk.round(**tap);
    for (int turn = 0; turn < 3; turn++) {
        put(**tap, of_port(fourth));
        EXPECT_EQ(ends_at(r, first).size() + ends_at(r, second).size(), 0u);
        talk.round(**tap);
        put(**tap, of_port(first));
        talk.round(**tap);
        ASSERT_EQ(ends_at(r, first).size(), 2u);
        EXPECT_EQ(ends_at(r, second).size(), 0u);
        put(**tap, {});
        talk.round(**tap);
        ASSERT_EQ(ends_at(r, second).size(), 2u);
        EXPECT_EQ(packets_at(r, second), 2);
    }
    ASSERT_EQ(r.passed.size(), 4u * 3);
    for (const Recorder::Seen& seen : r.passed) {
        if (seen.socket.ip_protocol != 6) continue;
        if (&seen - r.passed.data() < 4)
            EXPECT_GE(seen.counters.packets_out, 20u);
        else
            EXPECT_LE(seen.counters.packets_out, 6u);
    }
    const auto ends = ends_at(r, first);
    EXPECT_EQ(ends[0]->payload + ends[1]->payload, "28.28.29.29.");
    EXPECT_EQ((*tap)->stats().lost_events, 0u);
    EXPECT_EQ((*tap)->stats().untracked_sockets, 0u);
}

TEST(Selector, SocketsOlderThanTheTapAreJudgedTooAndTakenUpWhenItWidens) {
    NEEDS_KERNEL();
    Talk talk({{"127.0.0.1", first}, {"127.0.0.1", second}});
    Recorder r;
    auto tap = EndpointTap::open({}, r);
    put(**tap, of_port(first));
    talk.round(**tap);
    ASSERT_EQ(ends_at(r, first).size(), 2u);
    EXPECT_TRUE(ends_at(r, first)[0]->socket.existed);
    EXPECT_EQ(ends_at(r, second).size(), 0u);
    put(**tap, of_port(second));
    talk.round(**tap);
    EXPECT_EQ(ends_at(r, first).size(), 0u);
    const auto ends = ends_at(r, second);
    ASSERT_EQ(ends.size(), 2u);
    EXPECT_EQ(ends[0]->payload + ends[1]->payload, "2.2.");
    EXPECT_EQ(ends[0]->socket.owner.pid, talk.pid());
}

TEST(Selector, HalfOpenConnectionsAreToldOfWantedPortsAlone) {
    NEEDS_KERNEL();
    Recorder r;
    auto tap = EndpointTap::open({}, r);
    put(**tap, of_port(first));
    pid_t pid = fork();
    if (pid == 0) {
        own_namespace();
        for (const uint16_t port : {first, second}) {
            sockaddr_in a{};
            a.sin_family = AF_INET;
            a.sin_port = htons(port);
            a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            int listener = socket(AF_INET, SOCK_STREAM, 0);
            if (bind(listener, reinterpret_cast<sockaddr*>(&a), sizeof a) || listen(listener, 0)) _exit(1);
            // The queue holds one; what comes then is never answered.
            for (int i = 0; i < 4; i++)
                connect(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), reinterpret_cast<sockaddr*>(&a), sizeof a);
        }
        usleep(300'000);
        _exit(0);
    }
    EXPECT_EQ(finish(pid, **tap), 0);
    (*tap)->report();
    EXPECT_GE(ends_at(r, first).size(), 4u);
    EXPECT_EQ(ends_at(r, second).size(), 0u);
}

TEST(Selector, ADatagramSocketConnectedElsewhereIsJudgedAnew) {
    NEEDS_KERNEL();
    Recorder r;
    auto tap = EndpointTap::open({}, r);
    put(**tap, of_port(first));
    pid_t pid = fork();
    if (pid == 0) {
        own_namespace();
        int s = socket(AF_INET, SOCK_DGRAM, 0);
        sockaddr_in a{};
        a.sin_family = AF_INET;
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        for (const uint16_t port : {second, first, second, first, second}) {
            a.sin_port = htons(port);
            int server = socket(AF_INET, SOCK_DGRAM, 0);
            if (bind(server, reinterpret_cast<sockaddr*>(&a), sizeof a) ||
                connect(s, reinterpret_cast<sockaddr*>(&a), sizeof a) || send(s, "x", 1, 0) != 1)
                _exit(1);
            close(server);
        }
        _exit(0);
    }
    EXPECT_EQ(finish(pid, **tap), 0);
    uint64_t sent = 0;
    (*tap)->report();
    for (const auto* seen : ends_at(r, first)) sent += seen->socket.remote_port == first ? seen->counters.packets_out : 0;
    EXPECT_EQ(sent, 2u);
    EXPECT_EQ(ends_at(r, second).size(), 0u);
}

TEST(Selector, MorePrefixesThanThereIsRoomForMeansThatAllIsWanted) {
    NEEDS_KERNEL();
    Recorder r;
    auto tap = EndpointTap::open({}, r);
    put(**tap, of_port(second));
    Selector s;
    s.addresses.emplace();
    for (int i = 0; i <= static_cast<int>(max_selector_prefixes); i++)
        s.addresses->push_back(prefix(("10.1." + std::to_string(i / 256) + "." + std::to_string(i % 256)).c_str(), 32));
    EXPECT_FALSE((*tap)->set_selector(s));
    s.addresses->pop_back();
    Talk talk({{"127.0.0.1", first}});
    talk.round(**tap);
    EXPECT_EQ(ends_at(r, first).size(), 2u);
    // As many as there is room for, again and again: what was in force before makes room.
    for (int i = 0; i < 5; i++) {
        s.addresses->back().bits = static_cast<uint8_t>(32 - i);
        ASSERT_TRUE((*tap)->set_selector(s)) << i;
    }
    poll_for(**tap, 60);
    EXPECT_EQ(ends_at(r, first).size(), 0u);
    put(**tap, {});
    EXPECT_EQ(ends_at(r, first).size(), 2u);
}

}  // namespace
}  // namespace cvf::tap
