// What the tests of the tap share: a handler that keeps what it is told, events as the kernel writes them, and a namespace to
// talk in.
//
// The tap sees the whole host, other test runs too: the recorder looks only at the namespace that own_namespace() made last.
#pragma once

#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "bpf/shared.h"
#include "host/clock.h"
#include "tap/endpoint.h"

namespace cvf::tap {

// Shared with the processes that a test makes. 0: all are looked at; 1: none.
inline uint32_t* watched_netns() {
    static auto* shared =
        static_cast<uint32_t*>(mmap(nullptr, sizeof(uint32_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    return shared;
}

// The first of sixteen ports of this process's own: a namespace that is gone gives its number to the next, which may be another
// run's of the same test.
inline const int first_port = 20000 + getpid() % 2000 * 16;
inline uint16_t port_number(int n) {
    return static_cast<uint16_t>(first_port + n);
}

// In a test's child process: a network namespace of its own, which from then on is the one looked at.
inline void own_namespace() {
    struct stat s{};
    if (unshare(CLONE_NEWNET) != 0 || std::system("ip link set lo up") != 0 || stat("/proc/self/ns/net", &s) != 0) _exit(100);
    *watched_netns() = static_cast<uint32_t>(s.st_ino);
}

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
    std::vector<uint64_t> withdrawals;
    std::vector<Seen> passed;    // by the selector: no more among the sockets
    std::set<uint64_t> foreign;  // of other namespaces

    void opened(const Socket& s, int64_t) override {
        if (*watched_netns() && s.netns != *watched_netns()) {
            foreign.insert(s.cookie);
            return;
        }
        log.push_back("opened");
        EXPECT_FALSE(sockets.contains(s.cookie));
        sockets[s.cookie].socket = s;
    }
    void owner_changed(uint64_t cookie, const Owner& o, int64_t) override {
        if (foreign.contains(cookie)) return;
        log.push_back("owner");
        EXPECT_TRUE(sockets.contains(cookie));
        sockets[cookie].owners.push_back(o.pid);
    }
    void payload(const Payload& p) override {
        if (foreign.contains(p.cookie)) return;
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
        if (foreign.contains(cookie)) return;
        log.push_back(closed ? "closed" : "counters");
        EXPECT_TRUE(sockets.contains(cookie));
        EXPECT_FALSE(sockets[cookie].closed);
        sockets[cookie].counters = c;
        sockets[cookie].closed = closed;
    }
    void passed_over(uint64_t cookie, const Counters& c, int64_t) override {
        if (foreign.erase(cookie)) return;  // its next may be in another namespace, for all we know
        log.push_back("passed_over");
        ASSERT_TRUE(sockets.contains(cookie));
        passed.push_back(sockets[cookie]);
        passed.back().counters = c;
        sockets.erase(cookie);
    }
    void withdrawn(uint64_t cookie, int64_t) override {
        if (foreign.contains(cookie)) return;
        log.push_back("withdrawn");
        EXPECT_TRUE(sockets.contains(cookie));
        withdrawals.push_back(cookie);
    }
    void paired(uint64_t a, uint64_t b, int64_t) override {
        if (!foreign.contains(a)) pairs.push_back({a, b});
    }
    void tcp_event(const TcpEvent& e) override {
        if (!*watched_netns() || !e.socket.netns || e.socket.netns == *watched_netns()) tcp.push_back(e);
    }
    void process(const ProcessEvent& p) override { processes.push_back({p, std::string(p.filename)}); }
    void caught_up(int64_t) override {}
};

template <typename T>
inline decode::Bytes bytes_of(const T& t) {
    return {reinterpret_cast<const uint8_t*>(&t), sizeof t};
}

inline cvf_opened opening(uint64_t cookie, uint32_t flags, uint16_t local_port = 80, uint16_t remote_port = 4000) {
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

inline std::vector<uint8_t> packet_event(uint64_t cookie, uint8_t type, uint32_t isn, bool egress, uint64_t time,
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

// A skip is for a machine that can't, never for a tap that doesn't: bpf() itself is asked, and where it works a tap that can't be
// opened is a failure.
inline std::string why_no_kernel() {
    if (geteuid() != 0) return "needs root";
    const int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "cvf_probe", 4, 4, 1, nullptr);
    if (fd < 0) return errno == EPERM || errno == ENOSYS ? std::string("no bpf() here: ") + std::strerror(errno) : "";
    close(fd);
    return access("/sys/kernel/btf/vmlinux", R_OK) == 0 ? "" : "this kernel has no BTF";
}

#define NEEDS_KERNEL()                                                                 \
    if (const std::string why_ = why_no_kernel(); !why_.empty()) GTEST_SKIP() << why_; \
    {                                                                                  \
        *watched_netns() = 1;                                                          \
        Recorder probe_;                                                               \
        auto tap_ = EndpointTap::open({}, probe_);                                     \
        ASSERT_TRUE(tap_) << "the tap does not open: " << tap_.error();                \
    }

inline void poll_for(EndpointTap& tap, int ms, const std::function<bool()>& enough = [] { return false; }) {
    int64_t end = host::monotonic_now() + ms * 1'000'000ll;
    while (host::monotonic_now() < end && !enough()) tap.poll(5);
}

inline int finish(pid_t pid, EndpointTap& tap) {
    int status = 0;
    while (waitpid(pid, &status, WNOHANG) == 0) tap.poll(2);
    poll_for(tap, 100);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace cvf::tap
