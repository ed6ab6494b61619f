// Prints what the endpoint tap sees, one line an event: cvf_tap_dump [--seconds N] [--cgroup PATH] [--no-payload] [--full]
// [--self]
// [--no-events] [--report N] [--quiet] [--pages N] [--none PORT]. Ends by itself, or at SIGINT/SIGTERM. Statistics go to standard
// error.
#include <arpa/inet.h>
#include <fmt/format.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "host/clock.h"
#include "tap/endpoint.h"

namespace {

using namespace cvf;
using namespace cvf::tap;

std::atomic<bool> ended{false};

std::string text(const decode::Address& a, uint8_t family) {
    char s[INET6_ADDRSTRLEN] = "?";
    inet_ntop(family == 4 ? AF_INET : AF_INET6, a.bytes.data(), s, sizeof s);
    return s;
}

class Printer final : public EndpointHandler {
 public:
    bool quiet = false;
    uint64_t payloads = 0, openings = 0, closings = 0, pairs = 0;

    void opened(const Socket& s, int64_t t) override {
        openings++;
        line(t, "opened {:x} ns={} proto={} {}:{} {}:{} role={} pid={} comm={} cgroup={} existed={} own={} peer={:x}", s.cookie,
             s.netns, s.ip_protocol, text(s.local, s.family), s.local_port, text(s.remote, s.family), s.remote_port,
             static_cast<int>(s.role), s.owner.pid, s.owner.comm, s.owner.cgroup_id, s.existed, s.own, s.peer_cookie);
    }
    void owner_changed(uint64_t cookie, const Owner& o, int64_t t) override {
        line(t, "owner {:x} pid={} comm={} cgroup={}", cookie, o.pid, o.comm, o.cgroup_id);
    }
    void payload(const Payload& p) override {
        payloads++;
        line(p.time_ns, "payload {:x} {} captured={} length={}", p.cookie, p.egress ? "out" : "in", p.packet.size(), p.length);
    }
    void counters(uint64_t cookie, const Counters& c, bool closed, int64_t t) override {
        closings += closed;
        line(t,
             "{} {:x} out={}/{} in={}/{} ms={} state={} srtt={} min={} retrans={} mss={} wscale={}/{} acked={} received={} "
             "zw={}/{}",
             closed ? "closed" : "counters", cookie, c.packets_out, c.bytes_out, c.packets_in, c.bytes_in,
             (c.last_ns - c.first_ns) / 1000000, c.state, c.srtt_us, c.min_rtt_us, c.retransmits, c.mss, c.send_window_scale,
             c.receive_window_scale, c.bytes_sent, c.bytes_received, c.zero_windows_out, c.zero_windows_in);
    }
    void paired(uint64_t a, uint64_t b, int64_t t) override {
        pairs++;
        line(t, "paired {:x} {:x}", a, b);
    }
    void tcp_event(const TcpEvent& e) override {
        static const char* const kinds[] = {"retransmit", "reset_sent", "reset_received", "state", "drop", "listen_overflow"};
        line(e.time_ns, "tcp {} {:x} {}:{} {}:{} {}->{} {}", kinds[static_cast<int>(e.kind)], e.cookie,
             text(e.socket.local, e.socket.family), e.socket.local_port, text(e.socket.remote, e.socket.family),
             e.socket.remote_port, e.old_state, e.new_state, e.reason ? drop_reason_name(e.reason) : "");
    }
    void process(const ProcessEvent& p) override {
        static const char* const kinds[] = {"fork", "exec", "exit"};
        line(p.time_ns, "process {} pid={} parent={} uid={} comm={} exit={} file={}", kinds[static_cast<int>(p.kind)], p.pid,
             p.parent_pid, p.uid, p.comm, p.exit_code, p.filename);
    }
    void caught_up(int64_t) override { std::fflush(stdout); }

 private:
    template <typename... Args>
    void line(int64_t t, fmt::format_string<Args...> f, Args&&... args) {
        if (quiet) return;
        fmt::print("{:.6f} ", static_cast<double>(t % 1'000'000'000'000) / 1e9);
        fmt::print(f, std::forward<Args>(args)...);
        fmt::print("\n");
    }
};

}  // namespace

int main(int argc, char** argv) {
    EndpointOptions o;
    Printer printer;
    int64_t seconds = 3600;
    for (int i = 1; i < argc; i++) {
        std::string_view a = argv[i];
        auto number = [&] { return i + 1 < argc ? static_cast<uint32_t>(std::strtoul(argv[++i], nullptr, 10)) : 0u; };
        if (a == "--seconds")
            seconds = number();
        else if (a == "--cgroup" && i + 1 < argc)
            o.cgroup = argv[++i];
        else if (a == "--no-payload")
            o.payload = false;
        else if (a == "--full")
            o.payload_full = true;
        else if (a == "--self")
            o.watch_self = true;
        else if (a == "--no-events")
            o.tcp_events = o.process_events = false;
        else if (a == "--report")
            o.report_seconds = number();
        else if (a == "--pages")
            o.buffer_pages = number();
        else if (a == "--quiet")
            printer.quiet = true;
        else
            return fmt::print(stderr, "unknown option {}\n", a), 2;
    }
    std::signal(SIGINT, [](int) { ended = true; });
    std::signal(SIGTERM, [](int) { ended = true; });
    auto tap = EndpointTap::open(o, printer);
    if (!tap) return fmt::print(stderr, "{}\n", tap.error()), 1;
    fmt::print(stderr, "ready\n");
    int64_t end = host::monotonic_now() + seconds * 1'000'000'000;
    while (!ended && host::monotonic_now() < end)
        if ((*tap)->poll(100) < 0) break;
    EndpointStats s = (*tap)->stats();
    fmt::print(stderr, "events={} lost={} late={} untracked={} payload_bytes={} payloads={} opened={} closed={} pairs={}\n",
               s.events, s.lost_events, s.late_events, s.untracked_sockets, s.payload_bytes, printer.payloads, printer.openings,
               printer.closings, printer.pairs);
}
