#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <vector>

#include "bpf/shared.h"
#include "host/cgroup.h"
#include "host/clock.h"
#include "tap/doctor.h"
#include "tap/endpoint.h"
#include "tap/endpoint_ring.h"
#include "tap/endpoint_sockets.h"
#include "tap/events.h"
#include "tests/unit/tap_recorder.h"

namespace cvf::tap {
namespace {

// Rings in ordinary memory, written as the programs do.
class Ring : public testing::Test {
 protected:
    static constexpr uint32_t size = 4096 * 64, secret = 0x1234;
    void SetUp() override {
        each = CVF_RING_HEADER + size + CVF_RING_SLACK;
        fd = memfd_create("ring", MFD_CLOEXEC);
        ASSERT_EQ(ftruncate(fd, 4096 * 128 * 2 + static_cast<off_t>(each) * 2), 0);
        base = static_cast<uint8_t*>(mmap(nullptr, each * 2, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
        auto opened = EventRing::open(fd, 2, size, secret);
        ASSERT_TRUE(opened) << opened.error();
        ring = std::move(*opened);
    }
    void TearDown() override {
        ring.reset();
        munmap(base, each * 2);
        close(fd);
    }
    cvf_ring* at(int cpu) { return reinterpret_cast<cvf_ring*>(base + each * static_cast<size_t>(cpu)); }
    void write(int cpu, uint64_t time, uint32_t length = sizeof(cvf_event), bool committed = true, uint32_t flags = 0) {
        cvf_ring* r = at(cpu);
        uint64_t position = r->head, next = position + ((8 + length + 7) & ~7u), end = (position | (size - 1)) + 1;
        r->head = std::min(next, end);
        uint8_t* record = reinterpret_cast<uint8_t*>(r) + CVF_RING_HEADER + (position & (size - 1));
        std::memcpy(record + 8, &time, 8);
        uint64_t word = static_cast<uint64_t>(static_cast<uint32_t>(position >> 3) ^ secret) << 32 | length | flags;
        if (committed) std::memcpy(record, &word, 8);
        last = record;
        last_word = word;
    }
    std::vector<uint64_t> drain() {
        std::vector<uint64_t> times;
        bool more = false;
        ring->drain(
            [&](decode::Bytes b) {
                uint64_t t;
                std::memcpy(&t, b.data(), 8);
                times.push_back(t);
            },
            more);
        return times;
    }
    size_t each = 0;
    int fd = -1;
    uint8_t* base = nullptr;
    uint8_t* last = nullptr;
    uint64_t last_word = 0;
    std::unique_ptr<EventRing> ring;
};

TEST_F(Ring, CpusAreMergedByTime) {
    for (uint64_t t : {1, 4, 5, 9}) write(0, t);
    for (uint64_t t : {2, 3, 7}) write(1, t);
    EXPECT_EQ(drain(), (std::vector<uint64_t>{1, 2, 3, 4, 5, 7, 9}));
    EXPECT_EQ(ring->late(), 0u);
}

TEST_F(Ring, ARecordBeingWrittenHoldsBackWhatFollowsItOnItsCpu) {
    write(0, 1, sizeof(cvf_event), false);
    uint8_t* unfinished = last;
    uint64_t word = last_word;
    write(0, 2);
    write(1, 3);
    EXPECT_EQ(drain(), (std::vector<uint64_t>{3}));
    std::memcpy(unfinished, &word, 8);
    EXPECT_EQ(drain(), (std::vector<uint64_t>{1, 2}));
    EXPECT_EQ(ring->late(), 2u);
}

TEST_F(Ring, YoungEventsWaitForTheNextDrain) {
    write(0, static_cast<uint64_t>(host::monotonic_now()) + 1'000'000'000);
    EXPECT_TRUE(drain().empty());
}

TEST_F(Ring, ManyLapsWithRecordsOfAllLengthsLoseNothing) {
    uint64_t time = 0;
    for (uint32_t lap = 0; lap < 400; lap++) {
        std::vector<uint64_t> expected;
        for (uint32_t i = 0; i < 8; i++) {
            write(0, ++time, static_cast<uint32_t>(sizeof(cvf_event)) + (lap * 131 + i * 977) % 9000);
            expected.push_back(time);
        }
        ASSERT_EQ(drain(), expected) << lap;
        ASSERT_EQ(at(0)->tail, at(0)->head);
    }
}

TEST_F(Ring, DiscardedRecordsArePassedOver) {
    write(0, 1, sizeof(cvf_event), true, CVF_DISCARD);
    write(0, 2);
    EXPECT_EQ(drain(), (std::vector<uint64_t>{2}));
}

TEST(Verdicts, AThirdSocketInALineKeepsTheDefaultAndIsCounted) {
    std::vector<cvf_want_line> lines(2);
    Wants wants(lines.data(), 2);
    wants.verdict(2, true, Verdict::none);
    wants.skip(4, false, 77);
    wants.verdict(6, true, Verdict::all);
    EXPECT_EQ(wants.no_room(), 1u);
    wants.forget(2);
    wants.verdict(6, true, Verdict::all);
    bool found = false;
    for (const cvf_want& w : lines[0].want) {
        if (w.cookie == 6) found = w.verdict[1] == static_cast<uint8_t>(Verdict::all) && w.skip[0] == 0;
        if (w.cookie == 4) EXPECT_EQ(w.skip[0], 77u);
    }
    EXPECT_TRUE(found);
}

TEST(Clock, ItsUtcIsTheWallClock) {
    host::Clock clock;
    timespec t{};
    clock_gettime(CLOCK_REALTIME, &t);
    int64_t wall = t.tv_sec * 1'000'000'000 + t.tv_nsec;
    EXPECT_NEAR(static_cast<double>(clock.utc(static_cast<uint64_t>(host::monotonic_now())) - wall), 0, 50e6);
    EXPECT_EQ(clock.sample(), 0);
}

// From here on with the kernel.

const uint16_t talk_port = port_number(0);
constexpr uint8_t local_host[4] = {127, 0, 0, 1};

size_t pairs_with(const Recorder& r, uint16_t port) {
    return static_cast<size_t>(std::count_if(r.pairs.begin(), r.pairs.end(), [&](const auto& p) {
        auto at = r.sockets.find(p.first);
        return at != r.sockets.end() && at->second.socket.remote_port == port;
    }));
}

// A server and a client, two processes, `count` connections one after another in a fresh network namespace. Each sends a line,
// which comes back. Exit status: 0, all came back. `tune` runs in the namespace first.
pid_t conversation(int count, const std::function<void()>& tune = [] {}, int protocol = 0) {
    pid_t pid = fork();
    if (pid != 0) return pid;
    own_namespace();
    tune();
    int listener = socket(AF_INET, SOCK_STREAM, protocol);
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(talk_port);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, reinterpret_cast<sockaddr*>(&a), sizeof a) || listen(listener, 128)) _exit(3);
    pid_t server = fork();
    if (server == 0) {
        for (int i = 0; i < count; i++) {
            int c = accept(listener, nullptr, nullptr);
            if (c < 0) _exit(4);
            char line[64];
            ssize_t n = read(c, line, sizeof line);
            if (n <= 0 || write(c, line, static_cast<size_t>(n)) != n) _exit(5);
            while (read(c, line, sizeof line) > 0) {
            }
            close(c);
        }
        _exit(0);
    }
    for (int i = 0; i < count; i++) {
        int s = socket(AF_INET, SOCK_STREAM, protocol);
        if (connect(s, reinterpret_cast<sockaddr*>(&a), sizeof a)) _exit(6);
        char line[64];
        int n = snprintf(line, sizeof line, "hello %d\n", i);
        if (write(s, line, static_cast<size_t>(n)) != n || read(s, line, sizeof line) != n) _exit(7);
        close(s);
    }
    int status = 0;
    waitpid(server, &status, 0);
    _exit(WEXITSTATUS(status));
}

TEST(EndpointTap, AConversationOfTwoProcessesIsSeenWithBothOwnersAndItsPayloadOnce) {
    NEEDS_KERNEL();
    Recorder r;
    auto tap = EndpointTap::open({}, r);
    pid_t client = conversation(1);
    ASSERT_EQ(finish(client, **tap), 0);
    const Recorder::Seen *c = nullptr, *s = nullptr;
    for (const auto& [cookie, seen] : r.sockets) {
        if (seen.socket.remote_port == talk_port) c = &seen;
        if (seen.socket.local_port == talk_port) s = &seen;
    }
    ASSERT_TRUE(c && s);
    EXPECT_EQ(c->socket.role, Role::client);
    EXPECT_EQ(s->socket.role, Role::server);
    EXPECT_EQ(c->socket.owner.pid, static_cast<uint32_t>(client));
    ASSERT_FALSE(s->owners.empty());
    EXPECT_NE(s->owners.back(), static_cast<uint32_t>(client));
    EXPECT_EQ(c->payload, "hello 0\nhello 0\n");
    EXPECT_EQ(s->payload, "");
    EXPECT_EQ(pairs_with(r, talk_port), 1u);
    EXPECT_EQ(std::count(r.pairs.begin(), r.pairs.end(), std::pair(c->socket.cookie, s->socket.cookie)), 1);
    EXPECT_TRUE(c->closed && s->closed);
    EXPECT_TRUE(c->counters.has_tcp);
    // What one end sent the other got, the handshake included.
    EXPECT_EQ(c->counters.packets_out, s->counters.packets_in);
    EXPECT_EQ(c->counters.bytes_out, s->counters.bytes_in);
    EXPECT_EQ(c->counters.bytes_received, 9u);  // the FIN counts as one, as in `ss -ti`
    EXPECT_EQ(c->socket.netns, s->socket.netns);
    EXPECT_EQ((*tap)->stats().lost_events, 0u);
}

TEST(EndpointTap, WithoutPayloadOnlyCountersLeaveTheKernel) {
    NEEDS_KERNEL();
    Recorder r;
    EndpointOptions options;
    options.payload = false;
    auto tap = EndpointTap::open(options, r);
    ASSERT_EQ(finish(conversation(1), **tap), 0);
    int closed = 0;
    for (const auto& [cookie, seen] : r.sockets) {
        EXPECT_EQ(seen.packets, 0);
        if (seen.socket.local_port != talk_port && seen.socket.remote_port != talk_port) continue;
        closed += seen.closed;
        EXPECT_GE(seen.counters.packets_in, 3u);
    }
    EXPECT_EQ(closed, 2);
    EXPECT_EQ((*tap)->stats().payload_bytes, 0u);
}

TEST(EndpointTap, NoConnectionIsLostToItWhenSocketsHaveNoMemoryForIt) {
    NEEDS_KERNEL();
    Recorder r;
    auto tap = EndpointTap::open({}, r);
    // Less than any storage takes, in the namespace of the conversation where the kernel has it per namespace.
    std::string before;
    std::ifstream("/proc/sys/net/core/optmem_max") >> before;
    pid_t pid = conversation(1000, [] { std::ofstream("/proc/sys/net/core/optmem_max") << "16"; });
    EXPECT_EQ(finish(pid, **tap), 0);
    std::ofstream("/proc/sys/net/core/optmem_max") << before;
    EXPECT_GT((*tap)->stats().untracked_sockets, 0u) << "the limit did not bite: the test says nothing";
}

TEST(EndpointTap, AnAcceptFloodIsSeenWhole) {
    NEEDS_KERNEL();
    Recorder r;
    auto tap = EndpointTap::open({}, r);
    ASSERT_EQ(finish(conversation(2000), **tap), 0);
    int clients = 0, servers = 0, lines = 0;
    for (const auto& [cookie, seen] : r.sockets) {
        clients += seen.socket.remote_port == talk_port && seen.closed;
        servers += seen.socket.local_port == talk_port && seen.closed;
        lines += seen.payload.starts_with("hello");
    }
    EXPECT_EQ(clients, 2000);
    EXPECT_EQ(servers, 2000);
    EXPECT_EQ(lines, 2000);
    EXPECT_EQ(pairs_with(r, talk_port), 2000u);
    EXPECT_EQ((*tap)->stats().lost_events, 0u);
}

TEST(EndpointTap, MultipathSubflowsHaveTheirProcess) {
    NEEDS_KERNEL();
    int probe = socket(AF_INET, SOCK_STREAM, 262);
    if (probe < 0) GTEST_SKIP() << "no MPTCP in this kernel";
    close(probe);
    Recorder r;
    auto tap = EndpointTap::open({}, r);
    pid_t client = conversation(1, [] {}, 262);
    ASSERT_EQ(finish(client, **tap), 0);
    int right = 0;
    for (const auto& [cookie, seen] : r.sockets) {
        uint32_t pid = seen.owners.empty() ? seen.socket.owner.pid : seen.owners.back();
        if (seen.socket.remote_port == talk_port) right += pid == static_cast<uint32_t>(client);
        if (seen.socket.local_port == talk_port) right += pid != static_cast<uint32_t>(client) && pid != 0;
    }
    EXPECT_EQ(right, 2);
}

TEST(EndpointTap, SocketsOlderThanItAreOpenedWithTheirOwnersAndPaired) {
    NEEDS_KERNEL();
    int to_child[2], from_child[2];
    ASSERT_EQ(pipe(to_child) | pipe(from_child), 0);
    pid_t pid = fork();
    if (pid == 0) {
        own_namespace();
        int l = socket(AF_INET, SOCK_STREAM, 0), s = socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in a{};
        a.sin_family = AF_INET;
        a.sin_port = htons(port_number(12));
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (bind(l, reinterpret_cast<sockaddr*>(&a), sizeof a) || listen(l, 1) ||
            connect(s, reinterpret_cast<sockaddr*>(&a), sizeof a))
            _exit(1);
        int c = accept(l, nullptr, nullptr);
        char b = 'x';
        if (write(from_child[1], &b, 1) != 1 || read(to_child[0], &b, 1) != 1) _exit(1);
        char word[6] = {};
        if (write(s, "older", 5) != 5 || read(c, word, 5) != 5) _exit(1);
        _exit(0);
    }
    char b = 0;
    ASSERT_EQ(read(from_child[0], &b, 1), 1);
    Recorder r;
    auto tap = EndpointTap::open({}, r);
    (*tap)->poll(1);
    ASSERT_EQ(write(to_child[1], &b, 1), 1);
    EXPECT_EQ(finish(pid, **tap), 0);
    int found = 0;
    std::string payload;
    for (const auto& [cookie, seen] : r.sockets) {
        if (seen.socket.local_port != port_number(12) && seen.socket.remote_port != port_number(12)) continue;
        // A load test on this host may use any port, but not at this address.
        if (seen.socket.local != decode::Address::v4(local_host)) continue;
        found++;
        EXPECT_TRUE(seen.socket.existed);
        EXPECT_EQ(seen.socket.owner.pid, static_cast<uint32_t>(pid));
        EXPECT_EQ(seen.socket.role, seen.socket.local_port == port_number(12) ? Role::server : Role::client);
        payload += seen.payload;
    }
    EXPECT_EQ(found, 2);
    EXPECT_EQ(payload, "older");
    int pairs = 0;
    for (auto [p, o] : r.pairs) pairs += r.sockets[p].socket.remote_port == port_number(12);
    EXPECT_EQ(pairs, 1);
    for (int fd : {to_child[0], to_child[1], from_child[0], from_child[1]}) close(fd);
}

TEST(EndpointTap, UnconnectedDatagramsHaveACookieForEachPeer) {
    NEEDS_KERNEL();
    Recorder r;
    auto tap = EndpointTap::open({}, r);
    pid_t pid = fork();
    if (pid == 0) {
        own_namespace();
        int server = socket(AF_INET, SOCK_DGRAM, 0);
        sockaddr_in a{};
        a.sin_family = AF_INET;
        a.sin_port = htons(port_number(13));
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (bind(server, reinterpret_cast<sockaddr*>(&a), sizeof a)) _exit(1);
        for (int i = 0; i < 3; i++) {
            int c = socket(AF_INET, SOCK_DGRAM, 0);
            if (sendto(c, "ask", 3, 0, reinterpret_cast<sockaddr*>(&a), sizeof a) != 3) _exit(1);
            sockaddr_in from{};
            socklen_t n = sizeof from;
            char word[8];
            if (recvfrom(server, word, sizeof word, 0, reinterpret_cast<sockaddr*>(&from), &n) != 3) _exit(1);
            if (sendto(server, "answer", 6, 0, reinterpret_cast<sockaddr*>(&from), n) != 6 || recv(c, word, sizeof word, 0) != 6)
                _exit(1);
        }
        _exit(0);
    }
    EXPECT_EQ(finish(pid, **tap), 0);
    int ends = 0;
    for (const auto& [cookie, seen] : r.sockets) {
        if (seen.socket.ip_protocol != 17 ||
            (seen.socket.local_port != port_number(13) && seen.socket.remote_port != port_number(13)))
            continue;
        ends++;
        EXPECT_TRUE(cookie >> 63);
        EXPECT_EQ(seen.socket.owner.pid, static_cast<uint32_t>(pid));
        EXPECT_EQ(seen.packets, seen.socket.remote_port == port_number(13) ? 2 : 0);
    }
    EXPECT_EQ(ends, 6);
    EXPECT_EQ(pairs_with(r, port_number(13)), 3u);
}

// One connection: the client asks three times, the server answers each time with 40,000 bytes.
pid_t long_answers(uint16_t port) {
    pid_t pid = fork();
    if (pid != 0) return pid;
    own_namespace();
    int l = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(l, reinterpret_cast<sockaddr*>(&a), sizeof a) || listen(l, 1)) _exit(3);
    std::vector<char> answer(40'000, 'a');
    if (fork() == 0) {
        int c = accept(l, nullptr, nullptr);
        char b = 0;
        while (read(c, &b, 1) == 1)
            if (write(c, answer.data(), answer.size()) != static_cast<ssize_t>(answer.size())) _exit(1);
        _exit(0);
    }
    int s = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(s, reinterpret_cast<sockaddr*>(&a), sizeof a)) _exit(4);
    for (int i = 0; i < 3; i++) {
        usleep(100'000);
        if (write(s, "?", 1) != 1 || recv(s, answer.data(), answer.size(), MSG_WAITALL) != static_cast<ssize_t>(answer.size()))
            _exit(5);
    }
    close(s);
    _exit(0);
}

size_t payload_of(const Recorder& r, uint16_t port) {
    size_t n = 0;
    for (const auto& [cookie, seen] : r.sockets)
        if (seen.socket.remote_port == port || seen.socket.local_port == port) n += seen.payload.size();
    return n;
}

TEST(EndpointTap, PayloadBeginsWideAndNarrowsToEachTurnsBeginning) {
    NEEDS_KERNEL();
    Recorder r;
    auto tap = EndpointTap::open({}, r);
    ASSERT_EQ(finish(long_answers(port_number(1)), **tap), 0);
    // Three questions; 16 KiB of the first answer, 4 KiB of the others.
    EXPECT_EQ(payload_of(r, port_number(1)), 3u + 16384 + 2 * 4096);
}

TEST(EndpointTap, WithoutBudgetAllPayloadComes) {
    NEEDS_KERNEL();
    Recorder r;
    EndpointOptions options;
    options.payload_full = true;
    auto tap = EndpointTap::open(options, r);
    ASSERT_EQ(finish(long_answers(port_number(2)), **tap), 0);
    EXPECT_EQ(payload_of(r, port_number(2)), 3u + 3 * 40'000);
}

// Gives verdicts as the pipeline does, from within the calls.
struct Judge final : EndpointHandler {
    Recorder& r;
    EndpointTap* tap = nullptr;
    std::function<void(EndpointTap&, uint64_t)> at_opening;
    explicit Judge(Recorder& recorder) : r(recorder) {}
    void opened(const Socket& s, int64_t t) override {
        r.opened(s, t);
        if (tap && at_opening && s.remote_port >= port_number(0) && s.remote_port < port_number(16)) at_opening(*tap, s.cookie);
    }
    void owner_changed(uint64_t c, const Owner& o, int64_t t) override { r.owner_changed(c, o, t); }
    void payload(const Payload& p) override { r.payload(p); }
    void counters(uint64_t c, const Counters& n, bool closed, int64_t t) override { r.counters(c, n, closed, t); }
    void tcp_event(const TcpEvent&) override {}
    void process(const ProcessEvent&) override {}
    void caught_up(int64_t) override {}
};

size_t payload_with(uint16_t port, std::function<void(EndpointTap&, uint64_t)> verdict) {
    Recorder r;
    Judge judge(r);
    judge.at_opening = std::move(verdict);
    auto tap = EndpointTap::open({}, judge);
    judge.tap = tap->get();
    EXPECT_EQ(finish(long_answers(port), **tap), 0);
    return payload_of(r, port);
}

TEST(EndpointTap, AVerdictOfNoneSilencesADirectionAndAllOpensIt) {
    NEEDS_KERNEL();
    EXPECT_EQ(payload_with(port_number(3), [](EndpointTap& t, uint64_t c) { t.set_want(c, false, Verdict::none); }), 3u);
    EXPECT_EQ(payload_with(port_number(4), [](EndpointTap& t, uint64_t c) { t.set_want(c, false, Verdict::all); }),
              3u + 3 * 40'000);
    EXPECT_EQ(payload_with(port_number(5), [](EndpointTap& t, uint64_t c) { t.set_want(c, false, Verdict::heads); }),
              3u + 3 * 4096);
}

TEST(EndpointTap, WhatLiesBeforeASkipIsNotSentAndATurnBeginsThere) {
    NEEDS_KERNEL();
    size_t n = payload_with(port_number(6), [](EndpointTap& t, uint64_t c) { t.skip_to(c, false, 70'000); });
    // The first answer ends before it. The segment it lies in comes from its beginning.
    EXPECT_GE(n, 3u + 4096 + 4096);
    EXPECT_LE(n, 3u + 4096 + 4096 + 65'536);
    EXPECT_LT(n, 3u + 3 * 40'000 - 40'000);
}

// Each word goes from a client to a server and back, when the test says.
struct Talker {
    int to[2], from[2];
    pid_t pid;
    Talker() {
        if (pipe(to) | pipe(from)) std::abort();
        pid = fork();
        if (pid == 0) talk();
    }
    ~Talker() {
        close(to[1]);
        waitpid(pid, nullptr, 0);
        for (int fd : {to[0], from[0], from[1]}) close(fd);
    }
    // A new connection: 'c'. Else this byte, `count` times.
    void say(char what, uint32_t count, EndpointTap& tap) {
        char order[5] = {what}, done = 0;
        std::memcpy(order + 1, &count, 4);
        EXPECT_EQ(write(to[1], order, 5), 5);
        EXPECT_EQ(read(from[0], &done, 1), 1);
        poll_for(tap, 50);
    }

 private:
    [[noreturn]] void talk() {
        close(to[1]);
        own_namespace();
        sockaddr_in a{};
        a.sin_family = AF_INET;
        a.sin_port = htons(talk_port);
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int l = socket(AF_INET, SOCK_STREAM, 0), client = -1, server = -1;
        if (bind(l, reinterpret_cast<sockaddr*>(&a), sizeof a) || listen(l, 8)) _exit(1);
        char order[5];
        while (read(to[0], order, 5) == 5) {
            uint32_t count;
            std::memcpy(&count, order + 1, 4);
            if (order[0] == 'c') {
                client = socket(AF_INET, SOCK_STREAM, 0);
                if (connect(client, reinterpret_cast<sockaddr*>(&a), sizeof a)) _exit(2);
                server = accept(l, nullptr, nullptr);
            } else {
                std::vector<char> word(count, order[0]);
                for (auto [x, y] : {std::pair(client, server), std::pair(server, client)})
                    if (send(x, word.data(), count, 0) != count || recv(y, word.data(), count, MSG_WAITALL) != count) _exit(3);
            }
            if (write(from[1], "x", 1) != 1) _exit(4);
        }
        _exit(0);
    }
};

TEST(EndpointTap, PayloadIsSwitchedOffAndOnInTheMidstOfConversations) {
    NEEDS_KERNEL();
    Recorder r;
    auto tap = EndpointTap::open({}, r);
    ASSERT_TRUE(tap) << tap.error();
    Talker talker;
    auto payload = [&] {
        std::string all;
        for (const auto& [cookie, seen] : r.sockets) all += seen.payload;
        std::ranges::sort(all);  // a younger connection's cookie may be the lower one: each CPU gives out its own
        return all;
    };
    talker.say('c', 0, **tap);
    talker.say('1', 3, **tap);
    EXPECT_EQ(payload(), "111111");
    (*tap)->set_payload(false);
    const uint64_t bytes = (*tap)->stats().payload_bytes;
    // More than any budget has.
    talker.say('2', 30'000, **tap);
    talker.say('c', 0, **tap);
    talker.say('3', 30'000, **tap);
    EXPECT_EQ((*tap)->stats().payload_bytes, bytes);
    EXPECT_EQ(payload(), "111111");
    (*tap)->set_payload(true);
    talker.say('4', 3, **tap);
    EXPECT_EQ(payload(), "111111444444");
}

TEST(EndpointTap, AConversationUnderWayIsTakenUpAgainAfterPayloadWasOff) {
    NEEDS_KERNEL();
    Recorder r;
    auto tap = EndpointTap::open({}, r);
    ASSERT_TRUE(tap) << tap.error();
    Talker talker;
    talker.say('c', 0, **tap);
    talker.say('1', 3, **tap);
    (*tap)->set_payload(false);
    for (int i = 0; i < 10; i++) talker.say('2', 30'000, **tap);
    (*tap)->set_payload(true);
    talker.say('3', 30'000, **tap);
    ASSERT_EQ(r.sockets.size(), 2u);
    std::string all;
    for (const auto& [cookie, seen] : r.sockets) all += seen.payload;
    EXPECT_EQ(std::count(all.begin(), all.end(), '2'), 0);
    // Each side's turn begins; the first bytes of a conversation have gone by.
    EXPECT_EQ(std::count(all.begin(), all.end(), '3'), 2 * 4096);
}

TEST(EndpointTap, NeitherEndOfAConversationWithTheAgentIsTold) {
    NEEDS_KERNEL();
    *watched_netns() = 0;
    // This process is the agent.
    int l = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof a;
    ASSERT_EQ(bind(l, reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
    ASSERT_EQ(getsockname(l, reinterpret_cast<sockaddr*>(&a), &size), 0);
    const uint16_t port = ntohs(a.sin_port);
    Recorder r;
    auto tap = EndpointTap::open({}, r);
    ASSERT_TRUE(tap) << tap.error();
    ASSERT_EQ(listen(l, 8), 0);
    poll_for(**tap, 20);
    pid_t pid = fork();
    if (pid == 0) {
        close(l);
        int s = socket(AF_INET, SOCK_STREAM, 0);
        char word[8];
        if (connect(s, reinterpret_cast<sockaddr*>(&a), sizeof a) || write(s, "ask", 3) != 3 || read(s, word, 6) != 6) _exit(1);
        _exit(0);
    }
    int c = accept(l, nullptr, nullptr);
    char word[8];
    EXPECT_EQ(read(c, word, 3), 3);
    EXPECT_EQ(write(c, "answer", 6), 6);
    EXPECT_EQ(finish(pid, **tap), 0);
    close(c), close(l);
    (*tap)->report();
    for (const auto& [cookie, seen] : r.sockets) EXPECT_TRUE(seen.socket.local_port != port && seen.socket.remote_port != port);
    for (const TcpEvent& e : r.tcp) EXPECT_NE(e.socket.local_port, port);
}

TEST(EndpointTap, DatagramsOfTwoNamespacesLoopbacksAreNoPair) {
    NEEDS_KERNEL();
    *watched_netns() = 0;
    Recorder r;
    auto tap = EndpointTap::open({}, r);
    ASSERT_TRUE(tap) << tap.error();
    auto talking = [&] {
        return std::count_if(r.sockets.begin(), r.sockets.end(), [](const auto& s) {
            const Socket& k = s.second.socket;
            return k.ip_protocol == 17 && s.second.packets &&
                   (k.local_port == port_number(10) || k.local_port == port_number(11));
        });
    };
    // As if they were the two ends of one conversation; each talks to nobody.
    int go[2];
    ASSERT_EQ(pipe(go), 0);
    std::vector<pid_t> talkers;
    for (const int mine : {10, 11}) {
        talkers.push_back(fork());
        if (talkers.back() != 0) continue;
        if (unshare(CLONE_NEWNET) != 0 || std::system("ip link set lo up") != 0) _exit(1);
        sockaddr_in a{};
        a.sin_family = AF_INET;
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        a.sin_port = htons(port_number(mine));
        int s = socket(AF_INET, SOCK_DGRAM, 0);
        if (bind(s, reinterpret_cast<sockaddr*>(&a), sizeof a)) _exit(2);
        a.sin_port = htons(port_number(21 - mine));
        char word = 0;
        if (connect(s, reinterpret_cast<sockaddr*>(&a), sizeof a) || read(go[0], &word, 1) != 1 || send(s, "x", 1, 0) != 1)
            _exit(3);
        pause();
    }
    EXPECT_EQ(write(go[1], "go", 2), 2);
    poll_for(**tap, 10'000, [&] { return talking() >= 2; });
    for (pid_t pid : talkers) kill(pid, SIGKILL), waitpid(pid, nullptr, 0);
    close(go[0]), close(go[1]);
    EXPECT_GE(talking(), 2);  // of a pair one would be silent
    EXPECT_EQ(pairs_with(r, port_number(10)) + pairs_with(r, port_number(11)), 0u);
}

TEST(EndpointTap, NothingStaysAttachedWhenItsProcessIsKilled) {
    NEEDS_KERNEL();
    auto programs = [] {
        std::set<uint32_t> ids;
        for (uint32_t id = 0; bpf_prog_get_next_id(id, &id) == 0;) ids.insert(id);
        return ids;
    };
    auto before = programs();
    int ready[2];
    ASSERT_EQ(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        Recorder r;
        auto tap = EndpointTap::open({}, r);
        if (write(ready[1], "x", 1) != 1) _exit(1);
        for (;;) (*tap)->poll(100);
    }
    char b;
    ASSERT_EQ(read(ready[0], &b, 1), 1);
    std::vector<uint32_t> its;
    for (uint32_t id : programs())
        if (!before.contains(id)) its.push_back(id);
    EXPECT_GE(its.size(), 10u);
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    size_t left = its.size();
    for (int i = 0; i < 100 && left; i++) {
        usleep(50'000);
        auto now = programs();
        left = static_cast<size_t>(std::count_if(its.begin(), its.end(), [&](uint32_t id) { return now.contains(id); }));
    }
    EXPECT_EQ(left, 0u);
    close(ready[0]), close(ready[1]);
}

TEST(EndpointTap, ASubTreeShowsItsOwnSocketsAlone) {
    NEEDS_KERNEL();
    auto tree = host::CgroupTree::open();
    std::ifstream mounts("/proc/self/mounts");
    std::string device, point, type, rest, found;
    while (mounts >> device >> point >> type && std::getline(mounts, rest))
        if (type == "cgroup2") found = point;
    if (found.empty()) GTEST_SKIP() << "no cgroup2 is mounted";
    std::string directory = fmt::format("{}/cvf-test-{}", found, getpid());
    ASSERT_EQ(mkdir(directory.c_str(), 0755), 0);
    {
        Recorder r;
        EndpointOptions options;
        options.cgroup = directory;
        auto tap = EndpointTap::open(options, r);
        ASSERT_TRUE(tap) << tap.error();
        ASSERT_EQ(finish(conversation(3), **tap), 0);
        EXPECT_TRUE(r.sockets.empty());
        // The first process of the conversation joins, and its sockets with it.
        ASSERT_EQ(finish(conversation(3, [&] { std::ofstream(directory + "/cgroup.procs") << getpid(); }), **tap), 0);
        int both = 0;
        for (const auto& [cookie, seen] : r.sockets)
            both += seen.socket.local_port == talk_port || seen.socket.remote_port == talk_port;
        EXPECT_EQ(both, 6);
    }
    for (int i = 0; i < 50 && rmdir(directory.c_str()) != 0; i++) usleep(20'000);
    EXPECT_NE(access(directory.c_str(), F_OK), 0);
}

TEST(EndpointTap, AProcessIsToldFromForkToExit) {
    NEEDS_KERNEL();
    Recorder r;
    auto tap = EndpointTap::open({}, r);
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", "exit 3", nullptr);
        _exit(1);
    }
    EXPECT_EQ(finish(pid, **tap), 3);
    std::string seen;
    for (const auto& [p, filename] : r.processes) {
        if (p.pid != static_cast<uint32_t>(pid)) continue;
        seen += p.kind == ProcessEvent::Kind::fork   ? "fork "
                : p.kind == ProcessEvent::Kind::exec ? "exec " + filename + " "
                                                     : fmt::format("exit {}", p.exit_code >> 8);
        EXPECT_EQ(p.parent_pid, static_cast<uint32_t>(getpid()));
    }
    EXPECT_EQ(seen, "fork exec /bin/sh exit 3");
}

TEST(EndpointTap, ARefusedConnectionTellsResetAndReason) {
    NEEDS_KERNEL();
    Recorder r;
    auto tap = EndpointTap::open({}, r);
    pid_t pid = fork();
    if (pid == 0) {
        own_namespace();
        int s = socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in a{};
        a.sin_family = AF_INET;
        a.sin_port = htons(port_number(14));
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        _exit(connect(s, reinterpret_cast<sockaddr*>(&a), sizeof a) == 0);
    }
    EXPECT_EQ(finish(pid, **tap), 0);
    bool sent = false, received = false, dropped = false;
    for (const TcpEvent& e : r.tcp) {
        // Where the packet went is "local", at the closed port; the socket that hears of the reset is at the other end.
        const bool there = e.socket.local_port == port_number(14), here = e.socket.remote_port == port_number(14);
        sent |= there && e.kind == TcpEventKind::reset_sent;
        received |= here && e.kind == TcpEventKind::reset_received;
        dropped |= there && e.kind == TcpEventKind::drop && drop_reason_name(e.reason) == "NO_SOCKET";
    }
    EXPECT_TRUE(sent);
    EXPECT_TRUE(received);
    EXPECT_TRUE(dropped || !drop_reason_number("NO_SOCKET"));
}

TEST(Cgroups, AnIdAndItsPathNameEachOther) {
    auto tree = host::CgroupTree::open();
    if (!tree) GTEST_SKIP() << tree.error();
    EXPECT_NE(tree->id(), 0u);
    auto ids = tree->ids();
    ASSERT_FALSE(ids.empty());
    EXPECT_EQ(ids[0], tree->id());
    if (geteuid() == 0) EXPECT_EQ(tree->path_of(tree->id()), "/");
    EXPECT_FALSE(tree->path_of(0xffffffffffff));
}

TEST(Doctor, FindsTheTapOrSaysHowToMendIt) {
    auto findings = examine();
    ASSERT_GE(findings.size(), 10u);
    for (const Finding& f : findings) {
        EXPECT_FALSE(f.what_is_lost.empty());
        EXPECT_EQ(f.ok, f.how_to_mend.empty()) << f.name;
    }
}

}  // namespace
}  // namespace cvf::tap
