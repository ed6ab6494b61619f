// TCP as an observer sees it: handshake, order, acknowledgments, round trip, end (RFC 9293; Karn's rule for the round trip, RFC
// 6298).
#include <algorithm>

#include "flow/conversation.h"
#include "flow/tracker.h"

namespace cvf::flow {

namespace {

// A segment that fills a hole this soon was overtaken on the way; later it was sent again.
constexpr int64_t reorder_window = 3'000'000;
// Where the other end's acknowledgments are not seen, a hole is waited for this long.
constexpr int64_t hole_patience = 10'000'000'000;

void sample_rtt(End& end, int64_t rtt) {
    if (rtt <= 0) return;
    end.rtt = end.rtt ? end.rtt + (rtt - end.rtt) / 8 : rtt;
    if (!end.rtt_min || rtt < end.rtt_min) end.rtt_min = rtt;
}

}  // namespace

void Tracker::tcp_segment(Flow& flow, int end, const decode::Packet& p) {
    End& me = flow.ends[end];
    const uint8_t flags = p.tcp.flags;
    const uint32_t length = p.payload_length;
    if (!flow.live) me.payload_bytes += length;

    uint32_t sequence = p.tcp.sequence;
    if ((flags & (decode::tcp_syn | decode::tcp_rst)) || flow.tcp < TcpState::established) [[unlikely]]
        tcp_handshake(flow, end, p);
    me.flags |= flags;
    if (flags & decode::tcp_rst) return;      // its sequence number may be the other end's word only, or zero
    if (flags & decode::tcp_syn) sequence++;  // data of a SYN (TCP Fast Open) stands behind it
    if (!me.stream.synced()) me.stream.sync(sequence);

    if (p.tcp.window == 0) {
        if (!me.window_closed && !(flags & decode::tcp_syn)) me.zero_windows++;
        me.window_closed = true;
    } else {
        me.window_closed = false;
    }

    if (flags & decode::tcp_ack) {
        End& peer = flow.ends[1 - end];
        const uint32_t ack = p.tcp.acknowledgment;
        if (peer.timed_at && !before(ack, peer.timed_until)) {
            sample_rtt(peer, p.time - peer.timed_at);
            peer.timed_at = 0;
        }
        // All that was acknowledged has been seen, as a rule.
        if (!peer.stream.synced() || peer.stream.waiting() || before(peer.stream.next(), ack)) [[unlikely]]
            tcp_acknowledged(flow, end, p);
    }
    const bool fin = flags & decode::tcp_fin;
    if (length == 0 && !fin) return;

    if (sequence != me.stream.next() || !me.stream.idle()) [[unlikely]]
        tcp_order(flow, end, p);
    else if (me.timed_at == 0 && length) {
        me.timed_until = sequence + length;
        me.timed_at = p.time;
    }
    if (!me.stream.pass_over(sequence, p.payload.size(), length, fin)) {
        Conversation conversation(*this, flow, p.time);
        me.stream.segment(end, sequence, p.payload, length, fin, budget_, conversation);
    }

    if (fin && !me.fin) {
        me.fin = true;
        const bool both = flow.ends[1 - end].fin;
        if (flow.tcp != TcpState::reset) flow.tcp = both ? TcpState::closed : TcpState::closing;
        if (!flow.live) schedule(flow, p.time + idle_limit(flow));
    }
}

void Tracker::tcp_handshake(Flow& flow, int end, const decode::Packet& p) {
    End& me = flow.ends[end];
    const uint8_t flags = p.tcp.flags;
    if (flags & decode::tcp_rst) {
        me.resets++;
        if (flow.tcp != TcpState::closed) flow.tcp = TcpState::reset;
        if (!flow.live) schedule(flow, p.time + idle_limit(flow));
        return;
    }
    if (flags & decode::tcp_syn) {
        me.mss = p.tcp.mss;
        if (p.tcp.has_window_scale) me.window_scale = static_cast<int8_t>(p.tcp.window_scale);
        // In a simultaneous open an end sends a SYN and then a SYN-ACK, which is none sent again.
        const bool first_answer = (flags & decode::tcp_ack) && !flow.syn_ack_at;
        if ((me.flags & decode::tcp_syn) && !first_answer) me.retransmits++;
        if (flags & decode::tcp_ack) {
            if (!flow.syn_at) set_initiator(flow, 1 - end, InitiatorBy::syn);
            if (!flow.syn_ack_at) flow.syn_ack_at = p.time;
            if (flow.tcp < TcpState::syn_received) flow.tcp = TcpState::syn_received;
        } else {
            if (!flow.syn_at) {
                set_initiator(flow, end, InitiatorBy::syn);
                flow.syn_at = p.time;
            }
            if (flow.tcp < TcpState::syn_sent) flow.tcp = TcpState::syn_sent;
        }
        // Half open it may stay for a short time only.
        if (!flow.live) schedule(flow, std::min(flow.next_report, p.time + idle_limit(flow)));
        return;
    }
    if (flow.tcp == TcpState::syn_sent || flow.tcp == TcpState::syn_received) {
        // The initiator's acknowledgment ends the handshake; so does anything behind it when that was not seen.
        if (end == flow.initiator || p.payload_length) {
            if (end == flow.initiator && flow.tcp == TcpState::syn_received && p.payload_length <= p.payload.size()) {
                flow.established_at = p.time;
                End& peer = flow.ends[1 - end];
                if (flow.syn_ack_at && !peer.retransmits) sample_rtt(peer, p.time - flow.syn_ack_at);
                if (flow.syn_at && flow.syn_ack_at && !me.retransmits) sample_rtt(me, flow.syn_ack_at - flow.syn_at);
            }
            flow.tcp = TcpState::established;
            if (!flow.live) schedule(flow, std::min(flow.next_report, p.time + idle_limit(flow)));
        }
    }
}

// True when a SYN does not belong to what is known of these ports, but begins anew. One sent again carries the number of the
// first.
bool Tracker::begins_anew(const Flow& flow, int end, const decode::Packet& p) {
    const Stream& stream = flow.ends[end].stream;
    const bool over = flow.tcp >= TcpState::closing;
    const bool answer = p.tcp.flags & decode::tcp_ack;
    if (stream.synced()) return stream.begin() != p.tcp.sequence + 1 && (!answer || over);
    if (answer) return over;
    return flow.tcp != TcpState::syn_sent && flow.tcp != TcpState::syn_received;  // else a simultaneous open, or overtaken
}

// A segment out of turn: sent again, overtaken, or after a hole.
void Tracker::tcp_order(Flow& flow, int end, const decode::Packet& p) {
    End& me = flow.ends[end];
    const uint32_t next = me.stream.next(), sequence = p.tcp.sequence;
    if (before(next, sequence)) {
        if (!me.stream.waiting()) {
            me.hole_at = p.time;
        } else if (p.time - me.hole_at > hole_patience) {
            Conversation conversation(*this, flow, p.time);
            me.stream.flush(end, budget_, conversation);
            me.hole_at = p.time;
        }
        return;
    }
    if (p.payload_length == 0) return;
    // A stream of which nothing is wanted goes on behind a hole at once: there the time alone tells what fills one.
    const bool fills = sequence == next ? me.stream.waiting() : me.stream.done();
    if (sequence == next && !fills) return;
    if (fills && p.time - me.hole_at <= reorder_window) {
        me.out_of_order++;
        return;
    }
    if (p.payload_length == 1 && sequence + 1 == next) return;  // keep-alive probe
    me.retransmits++;
    me.timed_at = 0;
}

// What an acknowledgment tells of the peer's stream when it does not simply end at what has been seen of it.
void Tracker::tcp_acknowledged(Flow& flow, int end, const decode::Packet& p) {
    End& peer = flow.ends[1 - end];
    const uint32_t ack = p.tcp.acknowledgment;
    if (!peer.stream.synced()) {
        // The peer's segments have not been seen yet: what it sends next begins here.
        if (!(p.tcp.flags & decode::tcp_syn)) peer.stream.sync(ack);
        return;
    }
    Conversation conversation(*this, flow, p.time);
    if (peer.stream.waiting()) peer.stream.acknowledged(1 - end, ack, budget_, conversation);
    // This end goes on after bytes of the peer's that were never seen: they will not come.
    else if (p.payload_length && before(peer.stream.next(), ack) && !peer.fin && ack - peer.stream.next() < (1u << 30))
        peer.stream.gap_to(1 - end, ack, budget_, conversation);
    else if (before(peer.stream.next(), ack))
        peer.stream.passed_to(1 - end, ack, budget_, conversation);
}

}  // namespace cvf::flow
