#include "tap/endpoint_values.h"

#include <algorithm>

namespace cvf::tap {

bool is_mapped(const uint8_t* address) {
    static constexpr uint8_t prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return std::memcmp(address, prefix, sizeof prefix) == 0;
}

bool is_loopback(uint8_t family, const decode::Address& a) {
    static constexpr decode::Address one = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
    return family == 4 ? a.bytes[0] == 127 : a == one;
}

Owner owner_of(const cvf_owner& o) {
    Owner owner;
    owner.pid = o.pid;
    owner.uid = o.uid;
    owner.gid = o.gid;
    owner.cgroup_id = o.cgroup_id;
    std::memcpy(owner.comm, o.comm, sizeof owner.comm);
    owner.comm[sizeof owner.comm - 1] = 0;
    return owner;
}

Socket socket_of(const cvf_tuple& t, uint32_t netns, uint64_t cookie) {
    Socket s;
    s.cookie = cookie;
    s.netns = netns;
    s.ip_protocol = t.protocol;
    s.local_port = t.local_port;
    s.remote_port = t.remote_port;
    s.family = t.family;
    s.refuses = t.protocol == 6 && cookie >> 62 == CVF_SYNTHETIC >> 62;
    if (t.family == 6 && (is_mapped(t.local) || is_mapped(t.remote))) {
        s.family = 4;
        s.local = decode::Address::v4(t.local + 12);
        s.remote = decode::Address::v4(t.remote + 12);
    } else if (t.family == 6) {
        s.local = decode::Address::v6(t.local);
        s.remote = decode::Address::v6(t.remote);
    } else if (t.family == 4) {
        s.local = decode::Address::v4(t.local);
        s.remote = decode::Address::v4(t.remote);
    }
    return s;
}

Counters counters_of(const cvf_report& r, const host::Clock& clock, uint64_t tick_ns) {
    Counters c;
    c.packets_out = r.packets_out;
    c.bytes_out = r.bytes_out;
    c.packets_in = r.packets_in;
    c.bytes_in = r.bytes_in;
    const uint64_t time = r.socket.event.time;
    if (r.first) c.first_ns = clock.utc(r.first);
    if (r.last_jiffies) {
        uint64_t ago = (r.now_jiffies - r.last_jiffies) * tick_ns;
        c.last_ns = clock.utc(std::max<uint64_t>(time > ago ? time - ago : 0, r.first));
    }
    c.state = r.socket.tuple.state;
    c.has_tcp = r.tcp.has_tcp;
    c.zero_windows_out = r.tcp.zero_windows_out;
    c.zero_windows_in = r.tcp.zero_windows_in;
    if (c.has_tcp) {
        c.srtt_us = r.tcp.srtt_us;
        c.min_rtt_us = r.tcp.min_rtt_us == ~0u ? 0 : r.tcp.min_rtt_us;
        c.retransmits = r.tcp.retransmits;
        c.reordering_seen = r.tcp.reordering_seen;
        c.mss = r.tcp.mss;
        c.send_window_scale = r.tcp.send_window_scale;
        c.receive_window_scale = r.tcp.receive_window_scale;
        c.bytes_sent = r.tcp.bytes_sent;
        c.bytes_received = r.tcp.bytes_received;
    }
    return c;
}

ProcessEvent process_of(const cvf_process_event& e, decode::Bytes filename, const host::Clock& clock) {
    ProcessEvent p{};
    p.kind = static_cast<ProcessEvent::Kind>(e.kind);
    p.time_ns = clock.utc(e.event.time);
    p.pid = e.pid;
    p.parent_pid = e.parent_pid;
    p.uid = e.uid;
    p.gid = e.gid;
    p.cgroup_id = e.cgroup_id;
    p.start_ns = clock.utc_of_boottime(e.start);
    p.exit_code = e.exit_code;
    std::memcpy(p.comm, e.comm, sizeof p.comm);
    p.comm[sizeof p.comm - 1] = 0;
    p.filename = decode::as_text(filename.first(std::min<size_t>(filename.size(), e.filename_length)));
    return p;
}

}  // namespace cvf::tap
