// From kernel events to the handler's calls: which sockets are known, which belong together, whose a listener's handshake was.
//
// Time order is kept per cookie; a handshake is held back until its child is there (its packets keep their own times). Memory is
// bounded by the options' max_sockets and by constants for what is held. One thread.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <utility>
#include <vector>

#include "bpf/shared.h"
#include "host/clock.h"
#include "tap/endpoint.h"
#include "tap/endpoint_handshakes.h"
#include "tap/endpoint_listeners.h"
#include "tap/endpoint_wants.h"

namespace cvf::tap {

class SocketTable {
 public:
    SocketTable(const EndpointOptions& options, EndpointHandler& handler, const host::Clock& clock, Wants& wants);

    // One event as it came from a CPU's buffer.
    void event(decode::Bytes record);
    // The last report of a socket.
    void closed(const cvf_report& report);
    // One report from an iterator.
    void report(const cvf_report& report);
    // Around a whole iteration: what was known before it and is not in it has gone unnoticed, and is closed.
    void iteration_begins() { round_++; }
    void iteration_ends(uint64_t time);
    // The reports of sockets whose beginning nobody has seen: those that were there before the agent, or were passed over until
    // now.
    void existing(const std::vector<cvf_report>& reports);
    // Gives up on what waits for something that does not come: what has waited long, or all of it. About once a second.
    void expire(uint64_t time, bool all = false);

    void set_tick(uint64_t ns) { tick_ns_ = ns; }
    uint64_t payload_bytes() const { return payload_bytes_; }
    uint64_t unmatched() const { return unmatched_; }
    uint64_t handshakes_cut() const { return handshakes_.packets_cut(); }
    size_t size() const { return known_.size(); }
    // Peers of unconnected sockets among them.
    size_t peers() const { return peers_; }
    // Unconnected sockets that have been closed since the last call: their peers have ended, and nobody tells it.
    std::vector<uint64_t> take_released() { return std::exchange(released_, {}); }

 private:
    struct Known {
        uint64_t peer = 0;
        uint64_t packets_out = 0, bytes_out = 0, packets_in = 0, bytes_in = 0;  // as last reported
        uint64_t parent = 0;
        uint32_t owner_pid = 0;
        uint32_t round = 0;
        uint32_t child_at = 0;  // in its parent's list; no_child: it is not in it
        bool own = false, elsewhere = false;
        bool told = false;         // the handler knows of it
        bool passed_over = false;  // no selector wants it: nothing more is told
    };
    static constexpr uint32_t no_child = ~0u;
    struct Early {  // payload before its opening
        uint64_t since = 0;
        HeldPackets packets;
    };

    void opened(const cvf_opened& o);
    void open(const cvf_opened& o, Known& known);
    void owner(const cvf_owner_event& e);
    // A report's owner, when its own event was lost.
    void owner_of_report(const cvf_report& r);
    void payload(const cvf_payload& p, decode::Bytes packet);
    void handshake(const cvf_payload& p, decode::Bytes packet);
    void deliver(uint64_t cookie, const HeldPackets& packets);
    void half_opened(const Handshake& h, uint64_t time);
    // `own`: of a socket of the agent's.
    void tcp(const cvf_tcp_event& e, bool own);
    void state_changed(const cvf_opened& o, uint8_t from, uint8_t to);
    void listen(const cvf_opened& o);
    void pair(uint64_t payload_cookie, uint64_t other, uint64_t time);
    void counters(const cvf_report& r, bool closed);
    void passed_over(const cvf_report& r);
    Listeners::Found listener_of(const Socket& s, uint64_t cookie) const {
        return listeners_.find(cookie, s.netns, s.family, s.local, s.local_port);
    }
    bool reaches_own_listener(const Socket& s) const;
    void withhold(uint64_t cookie, Known& k, uint64_t time);
    void reveal(uint64_t cookie, Known& k, uint64_t time);
    void forget(uint64_t cookie);

    const EndpointOptions& options_;
    EndpointHandler& handler_;
    const host::Clock& clock_;
    Wants& wants_;
    boost::unordered_flat_map<uint64_t, Known> known_;
    Handshakes handshakes_;
    Listeners listeners_;
    boost::unordered_flat_map<uint64_t, std::vector<uint64_t>> children_;  // of unconnected and MPTCP sockets
    boost::unordered_flat_map<uint64_t, Socket> withheld_;                 // as they would have been told
    std::vector<uint64_t> released_;
    boost::unordered_flat_map<uint64_t, Early> early_;
    boost::unordered_flat_map<uint64_t, uint64_t> awaited_;  // whose opening was lost: the other end, which names it
    uint64_t tick_ns_ = 4'000'000, payload_bytes_ = 0, unmatched_ = 0, half_opens_ = 0;
    size_t peers_ = 0, early_bytes_ = 0;
    uint32_t round_ = 0;
};

}  // namespace cvf::tap
