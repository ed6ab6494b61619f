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

namespace cvf::tap {
namespace {

class Recorder final : public EndpointHandler {
 public:
    struct Seen {
        Socket socket;
        Counters counters;
        std::string payload;  // what follows the headers of IPv4 and TCP
        int packets = 0, out = 0;
        std::vector<uint32_t> owners;
        bool closed = false;
    };
    std::map<uint64_t, Seen> sockets;
    std::vector<std::string> log;
    std::vector<std::pair<uint64_t, uint64_t>> pairs;
    std::vector<TcpEvent> tcp;
    std::vector<std::pair<ProcessEvent, std::string>> processes;

    void opened(const Socket& s, int64_t) override {
        log.push_back("opened");
        EXPECT_FALSE(sockets.contains(s.cookie));
        sockets[s.cookie].socket = s;
    }
    void owner_changed(uint64_t cookie, const Owner& o, int64_t) override {
        log.push_back("owner");
        EXPECT_TRUE(sockets.contains(cookie));
        sockets[cookie].owners.push_back(o.pid);
    }
    void payload(const Payload& p) override {
        log.push_back("payload");
        ASSERT_TRUE(sockets.contains(p.cookie)) << "payload before opened";
        Seen& s = sockets[p.cookie];
        EXPECT_FALSE(s.closed) << "payload after closed";
        s.packets++;
        s.out += p.egress;
        if (p.packet.size() >= 40 && p.packet[0] >> 4 == 4 && p.packet[9] == 6) {
            size_t header = (p.packet[0] & 15) * 4u;
            header += (p.packet[header + 12] >> 4) * 4u;
            if (header < p.packet.size()) s.payload += decode::as_text(p.packet.subspan(header));
        }
    }
    void counters(uint64_t cookie, const Counters& c, bool closed, int64_t) override {
        log.push_back(closed ? "closed" : "counters");
        EXPECT_TRUE(sockets.contains(cookie));
        EXPECT_FALSE(sockets[cookie].closed);
        sockets[cookie].counters = c;
        sockets[cookie].closed = closed;
    }
    void paired(uint64_t a, uint64_t b, int64_t) override { pairs.push_back({a, b}); }
    void tcp_event(const TcpEvent& e) override { tcp.push_back(e); }
    void process(const ProcessEvent& p) override { processes.push_back({p, std::string(p.filename)}); }
    void caught_up(int64_t) override {}
};

template <typename T>
decode::Bytes bytes_of(const T& t) {
    return {reinterpret_cast<const uint8_t*>(&t), sizeof t};
}

cvf_opened opening(uint64_t cookie, uint32_t flags, uint16_t local_port = 80, uint16_t remote_port = 4000) {
    cvf_opened o{};
    o.event.time = 1000;
    o.event.cookie = cookie;
    o.event.type = CVF_OPENED;
    o.event.netns = 7;
    o.tuple.family = 4;
    o.tuple.protocol = 6;
    o.tuple.state = 1;
    o.tuple.local_port = local_port;
    o.tuple.remote_port = remote_port;
    o.flags = flags | CVF_S_MET;
    return o;
}

std::vector<uint8_t> packet_event(uint64_t cookie, uint8_t type, uint32_t isn, bool egress, uint64_t time,
                                  const std::string& data) {
    cvf_payload p{};
    p.event.time = time;
    p.event.cookie = cookie;
    p.event.type = type;
    p.event.egress = egress;
    p.event.netns = 7;
    p.isn = isn;
    std::vector<uint8_t> packet(40, 0);
    packet[0] = 0x45;
    packet[9] = 6;
    packet[32] = 0x50;
    packet[20] = 4000 >> 8, packet[21] = 4000 & 255;
    packet[23] = 80;
    packet.insert(packet.end(), data.begin(), data.end());
    p.length = p.captured = static_cast<uint32_t>(packet.size());
    std::vector<uint8_t> record(sizeof p);
    std::memcpy(record.data(), &p, sizeof p);
    record.insert(record.end(), packet.begin(), packet.end());
    return record;
}

class Sockets : public testing::Test {
 protected:
    EndpointOptions options;
    Recorder recorder;
    host::Clock clock;
    Wants wants;
    SocketTable table{options, recorder, clock, wants};
};

TEST_F(Sockets, AListenersHandshakeIsToldAsItsChildsAfterTheChildIsOpened) {
    table.event(packet_event(5, CVF_HANDSHAKE, 99, false, 10, "syn"));
    table.event(packet_event(5, CVF_HANDSHAKE, 99, true, 20, "synack"));
    EXPECT_TRUE(recorder.log.empty());
    cvf_opened child = opening(6, CVF_S_SERVER);
    child.isn_in = 99;
    table.event(bytes_of(child));
    EXPECT_EQ(recorder.log, (std::vector<std::string>{"opened", "payload", "payload"}));
    EXPECT_EQ(recorder.sockets[6].payload, "synsynack");
}

TEST_F(Sockets, AHandshakeThatComesToNothingIsAConversationOfItsOwn) {
    table.event(packet_event(5, CVF_HANDSHAKE, 99, false, 10, "syn"));
    table.expire(60'000'000'000);
    ASSERT_EQ(recorder.sockets.size(), 1u);
    const auto& [cookie, seen] = *recorder.sockets.begin();
    EXPECT_TRUE(cookie >> 63);
    EXPECT_TRUE(seen.closed);
    EXPECT_EQ(seen.socket.local_port, 80);
    EXPECT_EQ(seen.socket.remote_port, 4000);
    EXPECT_EQ(seen.counters.packets_in, 1u);
}

TEST_F(Sockets, AnUnacceptedConnectionBelongsToItsListenersOwner) {
    cvf_opened listener = opening(5, 0);
    listener.event.type = CVF_LISTEN;
    listener.owner.pid = 42;
    table.event(bytes_of(listener));
    table.event(bytes_of(opening(6, CVF_S_SERVER)));
    EXPECT_EQ(recorder.sockets[6].socket.owner.pid, 42u);
    EXPECT_EQ(recorder.sockets[6].socket.role, Role::server);
}

TEST_F(Sockets, PayloadThatOvertookItsOpeningIsToldAfterIt) {
    table.event(packet_event(6, CVF_PAYLOAD, 0, false, 10, "early"));
    table.event(bytes_of(opening(6, CVF_S_SERVER)));
    EXPECT_EQ(recorder.sockets[6].payload, "early");
    EXPECT_EQ(recorder.log.front(), "opened");
}

TEST_F(Sockets, APairIsToldOnceAndOnlyOneEndHasPayload) {
    table.event(bytes_of(opening(6, CVF_S_CLIENT, 4000, 80)));
    cvf_opened other = opening(7, CVF_S_SERVER | CVF_S_ELSEWHERE);
    other.peer_cookie = 6;
    table.event(bytes_of(other));
    table.event(bytes_of(other));
    table.event(packet_event(7, CVF_PAYLOAD, 0, false, 10, "twice"));
    ASSERT_EQ(recorder.pairs.size(), 1u);
    EXPECT_EQ(recorder.pairs[0], (std::pair<uint64_t, uint64_t>{6, 7}));
    EXPECT_EQ(recorder.sockets[7].packets, 0);
}

TEST_F(Sockets, AClosingWhoseOpeningWasLostBringsBoth) {
    cvf_report r{};
    r.socket = opening(6, CVF_S_CLIENT);
    r.socket.event.type = CVF_CLOSED;
    r.packets_out = 3;
    table.event(bytes_of(r));
    EXPECT_EQ(recorder.log, (std::vector<std::string>{"opened", "closed"}));
    EXPECT_EQ(recorder.sockets[6].counters.packets_out, 3u);
    EXPECT_EQ(table.size(), 0u);
}

TEST_F(Sockets, WhatTwoIterationsMissIsClosed) {
    table.event(bytes_of(opening(6, CVF_S_CLIENT)));
    for (int i = 0; i < 3; i++) {
        table.iteration_begins();
        table.iteration_ends(5000);
    }
    EXPECT_TRUE(recorder.sockets[6].closed);
}

TEST_F(Sockets, OlderSocketsArePairedBySequenceNumbersThroughAddressTranslation) {
    std::vector<cvf_report> reports(2);
    reports[0].socket = opening(6, CVF_S_EXISTED, 4000, 80);
    reports[1].socket = opening(7, CVF_S_EXISTED, 8080, 4000);  // another port: translated
    reports[0].tcp.has_tcp = reports[1].tcp.has_tcp = 1;
    reports[0].tcp.snd_nxt = reports[1].tcp.rcv_nxt = 1000;
    reports[0].tcp.rcv_nxt = reports[1].tcp.snd_nxt = 2000;
    table.existing(reports);
    EXPECT_EQ(recorder.pairs.size(), 1u);
    EXPECT_TRUE(recorder.sockets[6].socket.existed);
}

TEST_F(Sockets, TheAgentsOwnSocketsAreNotTold) {
    table.event(bytes_of(opening(6, CVF_S_CLIENT | CVF_S_OWN)));
    EXPECT_TRUE(recorder.log.empty());
}

TEST_F(Sockets, ShortRecordsAreIgnored) {
    for (uint8_t type = 0; type < 20; type++)
        for (size_t size = sizeof(cvf_event); size < 120; size++) {
            std::vector<uint8_t> record(size, 0);
            record[offsetof(cvf_event, type)] = type;
            table.event(record);
        }
    EXPECT_LE(recorder.sockets.size(), 1u);
}

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

#define NEEDS_KERNEL()                                                                \
    if (geteuid() != 0) GTEST_SKIP() << "needs root";                                 \
    {                                                                                 \
        Recorder probe_;                                                              \
        auto tap_ = EndpointTap::open({}, probe_);                                    \
        if (!tap_) GTEST_SKIP() << "this kernel does not allow it: " << tap_.error(); \
    }

void poll_for(EndpointTap& tap, int ms, const std::function<bool()>& enough = [] { return false; }) {
    int64_t end = host::monotonic_now() + ms * 1'000'000ll;
    while (host::monotonic_now() < end && !enough()) tap.poll(5);
}

// The tap sees the whole host, other test runs too: each run talks to a port of its own, and looks only at that.
const uint16_t talk_port = static_cast<uint16_t>(20000 + getpid() % 20000);

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
    if (unshare(CLONE_NEWNET) != 0 || std::system("ip link set lo up") != 0) _exit(2);
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

int finish(pid_t pid, EndpointTap& tap) {
    int status = 0;
    while (waitpid(pid, &status, WNOHANG) == 0) tap.poll(2);
    poll_for(tap, 100);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
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
        unshare(CLONE_NEWNET);
        if (std::system("ip link set lo up")) _exit(1);
        int l = socket(AF_INET, SOCK_STREAM, 0), s = socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in a{};
        a.sin_family = AF_INET;
        a.sin_port = htons(7078);
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
        if (seen.socket.local_port != 7078 && seen.socket.remote_port != 7078) continue;
        found++;
        EXPECT_TRUE(seen.socket.existed);
        EXPECT_EQ(seen.socket.owner.pid, static_cast<uint32_t>(pid));
        EXPECT_EQ(seen.socket.role, seen.socket.local_port == 7078 ? Role::server : Role::client);
        payload += seen.payload;
    }
    EXPECT_EQ(found, 2);
    EXPECT_EQ(payload, "older");
    int pairs = 0;
    for (auto [p, o] : r.pairs) pairs += r.sockets[p].socket.remote_port == 7078;
    EXPECT_EQ(pairs, 1);
    for (int fd : {to_child[0], to_child[1], from_child[0], from_child[1]}) close(fd);
}

TEST(EndpointTap, UnconnectedDatagramsHaveACookieForEachPeer) {
    NEEDS_KERNEL();
    Recorder r;
    auto tap = EndpointTap::open({}, r);
    pid_t pid = fork();
    if (pid == 0) {
        unshare(CLONE_NEWNET);
        if (std::system("ip link set lo up")) _exit(1);
        int server = socket(AF_INET, SOCK_DGRAM, 0);
        sockaddr_in a{};
        a.sin_family = AF_INET;
        a.sin_port = htons(7079);
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
        if (seen.socket.ip_protocol != 17 || (seen.socket.local_port != 7079 && seen.socket.remote_port != 7079)) continue;
        ends++;
        EXPECT_TRUE(cookie >> 63);
        EXPECT_EQ(seen.socket.owner.pid, static_cast<uint32_t>(pid));
        EXPECT_EQ(seen.packets, seen.socket.remote_port == 7079 ? 2 : 0);
    }
    EXPECT_EQ(ends, 6);
    EXPECT_EQ(pairs_with(r, 7079), 3u);
}

// One connection: the client asks three times, the server answers each time with 40,000 bytes.
pid_t long_answers(uint16_t port) {
    pid_t pid = fork();
    if (pid != 0) return pid;
    if (unshare(CLONE_NEWNET) != 0 || std::system("ip link set lo up") != 0) _exit(2);
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
    ASSERT_EQ(finish(long_answers(7081), **tap), 0);
    // Three questions; 16 KiB of the first answer, 4 KiB of the others.
    EXPECT_EQ(payload_of(r, 7081), 3u + 16384 + 2 * 4096);
}

TEST(EndpointTap, WithoutBudgetAllPayloadComes) {
    NEEDS_KERNEL();
    Recorder r;
    EndpointOptions options;
    options.payload_full = true;
    auto tap = EndpointTap::open(options, r);
    ASSERT_EQ(finish(long_answers(7082), **tap), 0);
    EXPECT_EQ(payload_of(r, 7082), 3u + 3 * 40'000);
}

// Gives verdicts as the pipeline does, from within the calls.
struct Judge final : EndpointHandler {
    Recorder& r;
    EndpointTap* tap = nullptr;
    std::function<void(EndpointTap&, uint64_t)> at_opening;
    explicit Judge(Recorder& recorder) : r(recorder) {}
    void opened(const Socket& s, int64_t t) override {
        r.opened(s, t);
        if (tap && at_opening && s.remote_port / 10 == 708) at_opening(*tap, s.cookie);
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
    EXPECT_EQ(payload_with(7083, [](EndpointTap& t, uint64_t c) { t.set_want(c, false, Verdict::none); }), 3u);
    EXPECT_EQ(payload_with(7084, [](EndpointTap& t, uint64_t c) { t.set_want(c, false, Verdict::all); }), 3u + 3 * 40'000);
    EXPECT_EQ(payload_with(7085, [](EndpointTap& t, uint64_t c) { t.set_want(c, false, Verdict::heads); }), 3u + 3 * 4096);
}

TEST(EndpointTap, WhatLiesBeforeASkipIsNotSentAndATurnBeginsThere) {
    NEEDS_KERNEL();
    size_t n = payload_with(7086, [](EndpointTap& t, uint64_t c) { t.skip_to(c, false, 70'000); });
    // The first answer ends before it. The segment it lies in comes from its beginning.
    EXPECT_GE(n, 3u + 4096 + 4096);
    EXPECT_LE(n, 3u + 4096 + 4096 + 65'536);
    EXPECT_LT(n, 3u + 3 * 40'000 - 40'000);
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
        unshare(CLONE_NEWNET);
        if (std::system("ip link set lo up")) _exit(1);
        int s = socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in a{};
        a.sin_family = AF_INET;
        a.sin_port = htons(7080);
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        _exit(connect(s, reinterpret_cast<sockaddr*>(&a), sizeof a) == 0);
    }
    EXPECT_EQ(finish(pid, **tap), 0);
    bool sent = false, received = false, dropped = false;
    for (const TcpEvent& e : r.tcp) {
        if (e.socket.local_port != 7080 && e.socket.remote_port != 7080) continue;
        sent |= e.kind == TcpEventKind::reset_sent;
        received |= e.kind == TcpEventKind::reset_received;
        dropped |= e.kind == TcpEventKind::drop && drop_reason_name(e.reason) == "NO_SOCKET";
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
