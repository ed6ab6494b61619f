// The endpoint tap: every packet of every local socket in every network namespace, seen once per socket, with the socket's owner.
//
// The kernel side (bpf/endpoint.bpf.c, bpf/events.bpf.c) counts in socket storage and sends only what is wanted; this class loads
// it, merges the CPUs' buffers by time and hands the events to a handler, in time order, on the thread that calls poll().
//
// A conversation between two local sockets appears as two sockets. The kernel takes payload at one of them when it knows the
// pair; the handler joins them (see `Socket::peer_cookie`).
//
// Thread rule: one thread makes all calls, except set_payload() (any thread).
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "decode/address.h"
#include "decode/bytes.h"
#include "tap/selector.h"

namespace cvf::tap {

// The owner of a socket, as the kernel knew it when it happened. Fixed size; a plain value.
struct Owner {
    uint32_t pid = 0;  // 0: unknown
    uint32_t uid = 0, gid = 0;
    uint64_t cgroup_id = 0;
    char comm[16] = {};
};

enum class Role : uint8_t { unknown, client, server };

struct Socket {
    uint64_t cookie = 0;
    uint32_t netns = 0;       // inode of /proc/PID/ns/net
    uint8_t family = 0;       // 4 or 6; IPv4-mapped addresses are 4
    uint8_t ip_protocol = 0;  // 6, 17, 1, 58, …
    Role role = Role::unknown;
    decode::Address local, remote;  // the socket's own tuple, not the packet's
    uint16_t local_port = 0, remote_port = 0;
    Owner owner;
    bool own = false;      // belongs to this agent
    bool existed = false;  // was there before the agent
    bool refuses = false;  // the kernel's, which answers a knock at a closed port with a reset; it goes unused, not closed
    uint64_t peer_cookie =
        0;  // the other end, a local socket too, when the kernel knew it already; payload then comes from that end only
};

// What the kernel counted for one socket since it was created (or since the agent started, when it is older).
struct Counters {
    uint64_t packets_out = 0, bytes_out = 0, packets_in = 0,
             bytes_in = 0;              // bytes of IP packets; a GSO packet counts its segments
    int64_t first_ns = 0, last_ns = 0;  // UTC; 0: none
    // TCP only, from tcp_sock.
    bool has_tcp = false;
    uint32_t srtt_us = 0, min_rtt_us = 0, retransmits = 0;
    uint32_t reordering_seen = 0;  // times that segments this end sent arrived out of order
    // Times this end, and the other, closed its window, while payload is on and comes from this end.
    uint32_t zero_windows_out = 0, zero_windows_in = 0;
    uint32_t mss = 0;  // that this end announced
    uint8_t send_window_scale = 0, receive_window_scale = 0;
    uint8_t state = 0;                            // TCP_ESTABLISHED … as the kernel numbers them
    uint64_t bytes_sent = 0, bytes_received = 0;  // payload: sent, with repetitions; received without, a FIN counting one
};

// One packet with its payload, or the part of it the budget allowed.
struct Payload {
    uint64_t cookie;
    int64_t time_ns;       // UTC
    bool egress;           // the socket sent it
    decode::Bytes packet;  // from the IP header on, as captured
    uint32_t length;       // of the whole packet, which may be a GSO aggregate
};

enum class TcpEventKind : uint8_t { retransmit, reset_sent, reset_received, state, drop, listen_overflow };
struct TcpEvent {
    TcpEventKind kind;
    int64_t time_ns;
    uint64_t cookie;    // 0: no socket
    Socket socket;      // tuple, namespace, owner and whether it is the agent's, where known
    bool sent = false;  // a drop: of a packet that this socket sent; else `local` is where the packet went
    uint8_t old_state = 0, new_state = 0;
    uint32_t reason = 0;  // drop reason as this kernel numbers it; drop_reason_name() has the text
};

struct ProcessEvent {
    enum class Kind : uint8_t { fork, exec, exit } kind;
    int64_t time_ns;
    uint32_t pid, parent_pid, uid, gid;
    uint64_t cgroup_id;
    int64_t start_ns;  // boot-time start of the process, as UTC
    uint32_t exit_code = 0;
    char comm[16];
    std::string_view filename;  // exec: path of the executable as given to the kernel
};

// Receives events in time order. References are valid during the call only.
class EndpointHandler {
 public:
    virtual ~EndpointHandler() = default;
    virtual void opened(const Socket& socket, int64_t time_ns) = 0;  // before any other event of its cookie
    virtual void owner_changed(uint64_t cookie, const Owner& owner, int64_t time_ns) = 0;
    virtual void payload(const Payload& payload) = 0;
    // Interim and, with closed = true, final. After closed nothing of this cookie follows.
    virtual void counters(uint64_t cookie, const Counters& counters, bool closed, int64_t time_ns) = 0;
    // The selector has no use for this socket any more; these are its counters up to now. Nothing of its cookie follows, unless
    // another selector takes it up again: then it is opened anew, and counted from there. To a handler that does not know the
    // difference it is closed.
    virtual void passed_over(uint64_t cookie, const Counters& counters, int64_t time_ns) {
        this->counters(cookie, counters, true, time_ns);
    }
    // Has been opened, and was not to be: its other end is the agent's own. Nothing of this cookie follows, and nothing of it is
    // to be told. A handler that does not know the difference sees it closed.
    virtual void withdrawn(uint64_t cookie, int64_t time_ns) { counters(cookie, {}, true, time_ns); }
    // Both sockets are ends of one conversation. Payload comes from the first only; the other adds owner, counters and timing.
    // Both have been opened. A pair is told once.
    virtual void paired(uint64_t payload_cookie, uint64_t other_cookie, int64_t time_ns) {
        (void)payload_cookie, (void)other_cookie, (void)time_ns;
    }
    virtual void tcp_event(const TcpEvent& event) = 0;
    // The wall clock has jumped by this much; times from here on are by the new one, durations are not touched.
    virtual void clock_stepped(int64_t by_ns, int64_t time_ns) { (void)by_ns, (void)time_ns; }
    virtual void process(const ProcessEvent& event) = 0;
    // Called when the reader has no more events for now, with the time up to which all events have been delivered.
    virtual void caught_up(int64_t time_ns) = 0;
};

// What the kernel is to do with the rest of a socket's payload in one direction (egress: sent by the socket).
enum class Verdict : uint8_t { budget, all, heads, none };

struct EndpointOptions {
    std::string cgroup;                // directory to attach to; empty: root of the cgroup v2 tree (mounted privately if need be)
    bool payload = true;               // false: no payload leaves the kernel, until set_payload(true)
    bool payload_full = false;         // lifts the budget
    uint32_t first_bytes = 16 * 1024;  // of each direction
    uint32_t turn_bytes = 4 * 1024;    // of each later turn
    bool tcp_events = true;
    bool process_events = true;
    bool watch_self = false;       // see the agent's own sockets, and who talks to them
    uint32_t report_seconds = 10;  // interim counters of all sockets; of those that talk, six times as often
    uint32_t buffer_pages = 256;   // per CPU
    uint32_t max_sockets = 131072;
};

struct EndpointStats {
    uint64_t events = 0, lost_events = 0, late_events = 0, untracked_sockets = 0, payload_bytes = 0;
    uint64_t drops_untold = 0;           // drop events beyond the rate limit
    uint64_t handshake_packets_cut = 0;  // of handshakes with too many or too long ones: counted by the kernel, not shown whole
    uint64_t verdicts_without_room = 0;  // not heeded: the socket shares its line with two others and keeps the default budget
    // What no selector wanted, at either end of a conversation: the kernel neither counted nor told it.
    uint64_t packets_passed_over = 0;  // an aggregate counting one
    uint64_t sockets_passed_over = 0;  // each time that the selector came to have no use for one
};

class EndpointTap {
 public:
    // Loads, attaches, and reports the sockets that are already there through `handler` at the first poll(). The error is one
    // line a person can act on.
    static std::expected<std::unique_ptr<EndpointTap>, std::string> open(const EndpointOptions& options,
                                                                         EndpointHandler& handler);
    virtual ~EndpointTap() = default;  // detaches all
    // Waits up to `timeout_ms` and delivers what came. Returns how many events that was.
    virtual int poll(int timeout_ms) = 0;
    virtual void set_want(uint64_t cookie, bool egress, Verdict verdict) = 0;
    // No payload of this direction before this stream offset (bytes from the first data byte).
    virtual void skip_to(uint64_t cookie, bool egress, uint64_t stream_offset) = 0;
    // Whether any payload leaves the kernel, from now on, at conversations under way too: those go on where they are, at the
    // beginning of a turn. Any thread.
    virtual void set_payload(bool on) = 0;
    // Which conversations are wanted from now on, those under way included: what is not any more is told as passed over within
    // the next few polls, what is again is opened as if it were older than the agent. At first everything is. False: this kernel
    // cannot, and everything is.
    virtual bool set_selector(const Selector& selector) = 0;
    // Delivers what has happened until now: waiting events, then the counters of every open socket (closed = false), and
    // handshakes of which nothing has come. For the agent's end, so that what is still open is told with its numbers. Takes some
    // milliseconds.
    virtual void report() = 0;
    virtual EndpointStats stats() const = 0;
};

// "NO_SOCKET", from the running kernel's own enumeration; "reason-N" where it has none.
std::string_view drop_reason_name(uint32_t reason);

}  // namespace cvf::tap
