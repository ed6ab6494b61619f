// Crafted packets, straight into the loaded cgroup_skb programs (BPF_PROG_TEST_RUN): whatever they are given, the packet goes its
// way, and what they make of it is what it was.
//
// The kernel gives each run a socket of its own that is not connected, so these are packets of an unconnected socket's peers.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <random>

#include "decode/address.h"
#include "host/clock.h"
#include "tap/endpoint_load.h"
#include "tap/endpoint_ring.h"
#include "tap/endpoint_selector.h"
#include "tap/endpoint_sockets.h"
#include "tests/unit/tap_recorder.h"

namespace cvf::tap {
namespace {

using Packet = std::vector<uint8_t>;
constexpr uint32_t ring_size = 1 << 20, ring_secret = 77;

void put16(Packet& p, size_t at, uint16_t v) {
    p[at] = static_cast<uint8_t>(v >> 8);
    p[at + 1] = static_cast<uint8_t>(v);
}

// 10.0.0.1 to 10.0.0.2.
Packet ipv4(uint8_t protocol, const Packet& rest, size_t options = 0, uint16_t fragment = 0) {
    Packet p(20 + options, 0);
    p[0] = static_cast<uint8_t>(0x45 + options / 4);
    p[8] = 64;
    p[9] = protocol;
    p[12] = 10, p[15] = 1, p[16] = 10, p[19] = 2;
    put16(p, 6, fragment);
    p.insert(p.end(), rest.begin(), rest.end());
    put16(p, 2, static_cast<uint16_t>(p.size()));
    return p;
}

// fd00::1 to fd00::2.
Packet ipv6(uint8_t next, const Packet& rest) {
    Packet p(40, 0);
    p[0] = 0x60;
    p[6] = next;
    p[7] = 64;
    p[8] = 0xfd, p[23] = 1, p[24] = 0xfd, p[39] = 2;
    put16(p, 4, static_cast<uint16_t>(rest.size()));
    p.insert(p.end(), rest.begin(), rest.end());
    return p;
}

Packet udp(uint16_t from, uint16_t to, std::string_view data = "hello") {
    Packet p(8, 0);
    put16(p, 0, from);
    put16(p, 2, to);
    put16(p, 4, static_cast<uint16_t>(8 + data.size()));
    p.insert(p.end(), data.begin(), data.end());
    return p;
}

Packet tcp(uint16_t from, uint16_t to, uint8_t flags, uint8_t offset = 5) {
    Packet p(20, 0);
    put16(p, 0, from);
    put16(p, 2, to);
    p[7] = 9, p[11] = 8;
    p[12] = static_cast<uint8_t>(offset << 4);
    p[13] = flags;
    return p;
}

Packet joined(Packet a, const Packet& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

class Programs : public testing::Test {
 protected:
    void SetUp() override {
        if (const std::string why = why_no_kernel(); !why.empty()) GTEST_SKIP() << why;
        *watched_netns() = 0;
        cpus_ = static_cast<uint32_t>(sysconf(_SC_NPROCESSORS_CONF));
        std::vector<ProgramProbe> without;
        std::string error;
        auto prepare = [&](bpf_object* o, const std::vector<ProgramProbe>&) {
            set_variable(o, "ring_mask", ring_size - 1);
            set_variable(o, "ring_secret", ring_secret);
            bpf_map* rings = bpf_object__find_map_by_name(o, "rings");
            bpf_map__set_max_entries(rings, cpus_);
            bpf_map__set_value_size(rings, CVF_RING_HEADER + ring_size + CVF_RING_SLACK);
        };
        object_ = load_object(endpoint_object(), prepare, without, error);
        if (!object_) object_ = load_object(endpoint_object(true), prepare, without, error);
        ASSERT_TRUE(object_) << error;
        void* p = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, map(".data.control"), 0);
        ASSERT_NE(p, MAP_FAILED);
        control_ = static_cast<cvf_control*>(p);
        control_->payload = 1;
        auto ring = EventRing::open(map("rings"), cpus_, ring_size, ring_secret);
        ASSERT_TRUE(ring) << ring.error();
        ring_ = std::move(*ring);
        const auto answer = run(ipv4(17, udp(1, 2)), true);
        if (!answer.second) GTEST_SKIP() << "this kernel runs no such program on request: " << std::strerror(answer.first);
        tell();
        seen_ = {};
    }
    void TearDown() override {
        ring_.reset();
        if (control_) munmap(control_, 4096);
        if (object_) bpf_object__close(object_);
    }

    int map(const char* name) const { return bpf_object__find_map_fd_by_name(object_, name); }

    // What the program said, and true; or why it was not run, and false.
    std::pair<int, bool> run(const Packet& packet, bool egress, int times = 1) {
        static constexpr uint8_t v4[14] = {0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2, 0x08, 0x00},
                                 v6[14] = {0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2, 0x86, 0xdd};
        const bool six = !packet.empty() && packet[0] >> 4 == 6;
        Packet frame(six ? v6 : v4, (six ? v6 : v4) + 14);
        frame.insert(frame.end(), packet.begin(), packet.end());
        bpf_test_run_opts options{};
        options.sz = sizeof options;
        options.data_in = frame.data();
        options.data_size_in = static_cast<__u32>(frame.size());
        options.repeat = times;
        bpf_program* p = bpf_object__find_program_by_name(object_, egress ? "cvf_egress" : "cvf_ingress");
        if (bpf_prog_test_run_opts(bpf_program__fd(p), &options) != 0) return {errno, false};
        return {static_cast<int>(options.retval), true};
    }

    // Of a packet that the kernel takes: passed, both ways. False: it does not take it.
    bool passes(const Packet& packet) {
        bool any = false;
        for (const bool egress : {true, false}) {
            const auto [said, ran] = run(packet, egress);
            if (!ran) continue;
            any = true;
            EXPECT_EQ(said, 1) << "a packet of " << packet.size() << " bytes was not let pass";
        }
        return any;
    }

    // What the programs have told, as the tap's handler sees it.
    void tell() {
        usleep(20'000);  // younger events wait
        bool more = true;
        while (more) {
            ring_->drain([&](decode::Bytes record) { table_.event(record); }, more);
            if (more) usleep(1000);
        }
    }

    uint64_t counted(uint32_t what) const {
        std::vector<uint64_t> each(static_cast<size_t>(std::max(libbpf_num_possible_cpus(), 1)));
        if (bpf_map_lookup_elem(map("counts"), &what, each.data())) return 0;
        uint64_t sum = 0;
        for (uint64_t n : each) sum += n;
        return sum;
    }

    std::vector<Recorder::Seen> sockets() const {
        std::vector<Recorder::Seen> all;
        for (const auto& [cookie, seen] : seen_.sockets) all.push_back(seen);
        return all;
    }

    uint32_t cpus_ = 1;
    bpf_object* object_ = nullptr;
    cvf_control* control_ = nullptr;
    std::unique_ptr<EventRing> ring_;
    EndpointOptions options_;
    host::Clock clock_;
    Wants wants_;
    Recorder seen_;
    SocketTable table_{options_, seen_, clock_, wants_};
};

TEST_F(Programs, ADatagramIsToldWithItsAddressesWhicheverWayItGoes) {
    for (const bool six : {false, true})
        for (const bool egress : {true, false}) {
            seen_ = {};
            // Another port each way: else the second is the other end of the first, and the payload is taken there.
            const uint16_t port = egress ? 1000 : 2000;
            ASSERT_EQ(run(six ? ipv6(17, udp(port, 53)) : ipv4(17, udp(port, 53)), egress), std::pair(1, true));
            tell();
            const auto all = sockets();
            ASSERT_EQ(all.size(), 1u);
            const Socket& s = all[0].socket;
            EXPECT_EQ(s.family, six ? 6 : 4);
            EXPECT_EQ(s.ip_protocol, 17);
            EXPECT_EQ(egress ? s.local_port : s.remote_port, port);
            EXPECT_EQ(egress ? s.remote_port : s.local_port, 53);
            EXPECT_EQ((egress ? s.local : s.remote).bytes[six ? 15 : 3], 1);
            EXPECT_EQ((egress ? s.remote : s.local).bytes[six ? 15 : 3], 2);
            EXPECT_EQ(s.role, egress ? Role::client : Role::server);
            EXPECT_EQ(all[0].packets, 1);
        }
}

TEST_F(Programs, PortsStandBehindIpv4OptionsAndHopByHopOptions) {
    ASSERT_TRUE(passes(ipv4(17, udp(1000, 53), 40)));
    ASSERT_TRUE(passes(ipv6(0, joined({17, 0, 1, 4, 0, 0, 0, 0}, udp(1000, 53)))));
    tell();
    const auto all = sockets();
    ASSERT_EQ(all.size(), 4u);
    for (const auto& seen : all) EXPECT_EQ(seen.socket.local_port + seen.socket.remote_port, 1053);
}

TEST_F(Programs, EveryTruncationOfEveryPacketIsLetPass) {
    const Packet packets[] = {ipv4(17, udp(1000, 53)),
                              ipv4(17, udp(1000, 53), 40),
                              ipv4(6, tcp(80, 4000, 0x14)),
                              ipv4(1, {8, 0, 0, 0, 1, 2, 3, 4}),
                              ipv6(17, udp(1000, 53)),
                              ipv6(0, joined({58, 0, 5, 2, 0, 0, 0, 0}, {0x8f, 0, 0, 0, 0, 0, 0, 0})),
                              ipv6(58, {128, 0, 0, 0, 1, 2, 3, 4})};
    size_t ran = 0;
    for (const Packet& whole : packets)
        for (size_t n = 0; n <= whole.size(); n++)
            ran += passes(Packet(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n)));
    EXPECT_GT(ran, 100u);  // the kernel itself refuses what has no whole IP header
    tell();
}

TEST_F(Programs, FragmentsAndHeadersThatLieAreLetPass) {
    EXPECT_TRUE(passes(ipv4(17, udp(1000, 53), 0, 0x2000)));          // the first of several
    EXPECT_TRUE(passes(ipv4(17, {1, 2, 3, 4, 5, 6, 7, 8}, 0, 100)));  // a later one, without ports
    EXPECT_TRUE(passes(ipv6(44, joined({17, 0, 0, 1, 0, 0, 0, 9}, udp(1, 2)))));
    for (int version = 0; version < 16; version++)
        for (int length = 0; length < 16; length++) {
            Packet p = ipv4(17, udp(1000, 53));
            p[0] = static_cast<uint8_t>(version << 4 | length);
            passes(p);
        }
    for (int n = 0; n < 256; n++) {
        Packet options = ipv6(0, joined({17, static_cast<uint8_t>(n), 1, 4, 0, 0, 0, 0}, udp(1000, 53)));
        EXPECT_TRUE(passes(options));
        EXPECT_TRUE(passes(ipv4(static_cast<uint8_t>(n), udp(1000, 53))));
        EXPECT_TRUE(passes(ipv6(static_cast<uint8_t>(n), udp(1000, 53))));
        Packet reset = ipv4(6, tcp(80, 4000, static_cast<uint8_t>(n), static_cast<uint8_t>(n & 15)));
        EXPECT_TRUE(passes(reset));
    }
    tell();
}

TEST_F(Programs, NoiseIsLetPass) {
    std::mt19937 random(4711);
    size_t ran = 0;
    for (int i = 0; i < 3000; i++) {
        Packet p(20 + random() % 200);
        for (uint8_t& b : p) b = static_cast<uint8_t>(random());
        if (i % 2) p[0] = static_cast<uint8_t>(i % 4 == 1 ? 0x45 : 0x60);
        ran += passes(p);
        if (i % 500 == 0) tell();
    }
    EXPECT_GT(ran, 2000u);
    tell();
}

TEST_F(Programs, WithNoRoomLeftPacketsPassAndTheLossIsCounted) {
    // One buffer holds some thousand of these.
    const Packet packet = ipv4(17, udp(1000, 53, std::string(1200, 'x')));
    uint64_t before = counted(CVF_C_LOST);
    for (int i = 0; i < 2000; i++) ASSERT_EQ(run(packet, true).first, 1);
    EXPECT_GT(counted(CVF_C_LOST), before);
    tell();
}

TEST_F(Programs, TheSelectorJudgesEachPacketByItsAddresses) {
    KernelSelector selector;
    selector.attach(map("selector_ports"), map("selector_prefixes"), control_);
    Selector wanted;
    wanted.ports = std::vector<Selector::Ports>{{53, 60}};
    wanted.tcp = wanted.others = false;
    uint8_t ours[4] = {10, 0, 0, 0}, theirs[16] = {0xfd};
    wanted.addresses = std::vector<Selector::Prefix>{{decode::Address::v4(ours), 4, 24}, {decode::Address::v6(theirs), 6, 8}};
    ASSERT_TRUE(selector.put(wanted));
    Packet elsewhere = ipv4(17, udp(1000, 53));
    elsewhere[14] = elsewhere[18] = 7;
    Packet one_end = ipv4(17, udp(60, 1000));
    one_end[14] = 7;
    const std::pair<Packet, bool> cases[] = {{ipv4(17, udp(1000, 53)), true},
                                             {ipv6(17, udp(53, 1000)), true},
                                             {one_end, true},
                                             {ipv4(17, udp(1000, 61)), false},
                                             {ipv4(17, udp(1000, 52)), false},
                                             {elsewhere, false},
                                             {ipv4(6, tcp(53, 1, 4)), false},
                                             {ipv4(1, {8, 0, 0, 0, 0, 1, 0, 1}), false},
                                             {ipv4(136, udp(1000, 53)), false},
                                             {ipv6(17, udp(1, 2)), false}};
    for (const auto& [packet, is_wanted] : cases)
        for (const bool egress : {true, false}) {
            seen_ = {};
            const uint64_t before = counted(CVF_C_PASSED_OVER);
            ASSERT_EQ(run(packet, egress), std::pair(1, true));
            tell();
            EXPECT_EQ(seen_.sockets.size(), is_wanted ? 1u : 0u) << (&packet - &cases[0].first);
            EXPECT_EQ(counted(CVF_C_PASSED_OVER) - before, is_wanted ? 0u : 1u);
        }
    ASSERT_TRUE(selector.put({}));
    ASSERT_EQ(run(elsewhere, true), std::pair(1, true));
    tell();
    EXPECT_EQ(seen_.sockets.size(), 1u);
}

}  // namespace
}  // namespace cvf::tap
