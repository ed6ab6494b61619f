#include "pipeline/live.h"

#include <algorithm>
#include <cstring>

#include "context/process_records.h"
#include "flow/community_id.h"
#include "host/clock.h"

namespace cvf::pipeline {

using record::Field;
using record::RecordType;

// There are as many as there are conversations: only what is needed later, and what few have apart.
struct Live::LiveSocket {
    // The ends' addresses on the packets, where they are not the socket's (address translation on this node).
    struct Translated {
        bool remote_differs = false, local_differs = false;
        decode::Address remote, local;
        uint16_t remote_port = 0, local_port = 0;
    };

    explicit LiveSocket(const tap::Socket& s)
        : cookie(s.cookie),
          local(s.local),
          remote(s.remote),
          netns(s.netns),
          local_port(s.local_port),
          remote_port(s.remote_port),
          role(s.role),
          own(s.own),
          refuses(s.refuses) {}

    uint64_t cookie;
    decode::Address local, remote;  // its own tuple, not the packets'
    uint32_t netns;
    uint16_t local_port, remote_port;
    tap::Role role;
    bool own;         // the agent's
    bool refuses;     // see tap::Socket
    uint8_t end = 0;  // which of the flow's ends it is
    context::OwnerRef owner;
    flow::Flow* flow = nullptr;
    std::unique_ptr<Translated> translated;  // null: nothing is
};

Live::Live(LiveOptions options, Shard& shard, context::OwnerTable& owners)
    : options_(options), shard_(shard), owners_(owners), started_(host::monotonic_now()) {
    shard_.attach_owners = [this](record::Record& r, const flow::Flow& f) { attach(r, f); };
}

Live::~Live() {
    shard_.attach_owners = nullptr;
}

Live::LiveSocket* Live::find(uint64_t cookie) {
    auto it = sockets_.find(cookie);
    return it == sockets_.end() ? nullptr : it->second.get();
}

context::OwnerRef Live::owner_of(const tap::Owner& owner, uint32_t netns, int64_t time_ns) {
    context::SocketOwner who;
    who.pid = owner.pid;
    who.uid = owner.uid;
    who.gid = owner.gid;
    who.cgroup_id = owner.cgroup_id;
    who.netns = netns;
    who.comm = {owner.comm, strnlen(owner.comm, sizeof owner.comm)};
    return owners_.find(who, time_ns);
}

void Live::opened(const tap::Socket& socket, int64_t time_ns) {
    if (socket.own && !options_.watch_self) return;
    if (socket.ip_protocol == decode::ip_protocol::tcp && socket.remote_port == 0) return;  // a listener is no conversation
    auto& slot = sockets_[socket.cookie];
    if (slot) return;
    slot = std::make_unique<LiveSocket>(socket);
    LiveSocket& s = *slot;
    s.owner = owner_of(socket.owner, socket.netns, time_ns);
    if (LiveSocket* peer = socket.peer_cookie ? find(socket.peer_cookie) : nullptr; peer && peer->flow) {
        join(*peer, s);
        if (s.flow) return;  // else the peer has another already
    }
    flow::Key key;
    const int order = std::memcmp(socket.local.bytes.data(), socket.remote.bytes.data(), 16);
    const bool local_first = order < 0 || (order == 0 && socket.local_port <= socket.remote_port);
    key.a = local_first ? socket.local : socket.remote;
    key.b = local_first ? socket.remote : socket.local;
    key.a_port = local_first ? socket.local_port : socket.remote_port;
    key.b_port = local_first ? socket.remote_port : socket.local_port;
    key.protocol = socket.ip_protocol;
    key.family = socket.family;
    key.scope = socket.netns;
    s.end = local_first ? 0 : 1;
    int initiator = s.end;
    auto by = flow::InitiatorBy::socket;
    if (socket.role == tap::Role::server) {
        initiator = 1 - s.end;
    } else if (socket.role == tap::Role::unknown) {
        by = flow::InitiatorBy::first_packet;
        if (socket.local_port < 1024 && socket.remote_port >= 1024) initiator = 1 - s.end, by = flow::InitiatorBy::port;
    }
    s.flow = shard_.tracker().open_socket(key, initiator, by, time_ns);
    s.flow->ends[s.end].cookie = socket.cookie;
    s.flow->ends[s.end].socket = &s;
}

// Makes `other` the second local end of the conversation that `with_payload` is the first of.
void Live::join(LiveSocket& with_payload, LiveSocket& other) {
    flow::Flow* flow = with_payload.flow;
    const int end = 1 - with_payload.end;
    if (!flow || flow->ends[end].socket || &with_payload == &other) return;
    if (other.flow) {
        if (other.flow == flow) return;
        // Its other end is taken already: two conversations that are no pair.
        if (other.flow->ends[1 - other.end].socket) return;
        flow->first = std::min(flow->first, other.flow->first);
        shard_.tracker().discard(*other.flow);
    }
    other.flow = flow;
    other.end = static_cast<uint8_t>(end);
    flow->ends[end].cookie = other.cookie;
    flow->ends[end].payload_elsewhere = true;
    flow->ends[end].socket = &other;
    if (flow->initiator_by < flow::InitiatorBy::socket && other.role != tap::Role::unknown && flow->records == 0 &&
        !flow->running) {  // a dissector's directions stay
        flow->initiator = static_cast<uint8_t>(other.role == tap::Role::client ? end : 1 - end);
        flow->initiator_by = flow::InitiatorBy::socket;
    }
}

void Live::paired(uint64_t payload_cookie, uint64_t other_cookie, int64_t) {
    LiveSocket *a = find(payload_cookie), *b = find(other_cookie);
    if (a && b) join(*a, *b);
}

flow::Flow* Live::flow_of(uint64_t cookie) {
    LiveSocket* s = find(cookie);
    return s ? s->flow : nullptr;
}

// A reset the tap may not have shown as a packet.
void Live::note_reset(const tap::TcpEvent& event) {
    LiveSocket* s = find(event.cookie);
    if (!s || !s->flow) return;
    flow::Flow& flow = *s->flow;
    flow::End& sender = flow.ends[event.kind == tap::TcpEventKind::reset_sent ? s->end : 1 - s->end];
    if (!(sender.flags & decode::tcp_rst)) {
        sender.flags |= decode::tcp_rst;
        sender.resets++;
    }
    if (flow.tcp != flow::TcpState::closed) flow.tcp = flow::TcpState::reset;
}

void Live::owner_changed(uint64_t cookie, const tap::Owner& owner, int64_t time_ns) {
    if (LiveSocket* s = find(cookie)) {
        s->owner = owner_of(owner, s->netns, time_ns);
    }
}

void Live::payload(const tap::Payload& p) {
    LiveSocket* s = find(p.cookie);
    if (!s || !s->flow) return;
    TrafficCounts& counts = shard_.counts();
    counts.packets++;
    counts.bytes += p.packet.size();
    packet_.time = p.time_ns;
    packet_.wire_length = p.length;
    packet_.interface = 0;
    decode::decode_ip(p.packet, packet_);
    if (packet_.faults) {
        if (packet_.faults & decode::fault_truncated) counts.truncated++;
        if (packet_.faults & (decode::fault_bad_length | decode::fault_bad_header)) counts.faulty++;
    }
    if (decode::family(packet_) == 0) {
        counts.undecoded++;
        return;
    }
    flow::Flow& flow = *s->flow;
    // A socket that carries a tunnel, or another protocol's message about its own: counted by the kernel, not for the parser.
    if (packet_.tunnel_count != 0 || packet_.ip_protocol != flow.key.protocol) return;
    const int sender = p.egress ? s->end : 1 - s->end;
    if (flow.is_icmp() && flow.icmp_type_code == 0 && sender == flow.initiator && packet_.payload.size() >= 2) {
        flow.icmp_type_code = decode::load_be16(packet_.payload.data());
        flow.has_community_id = false;
    }
    // What the packet says of the ends, where it is not what the socket says.
    const decode::Address& remote = p.egress ? packet_.destination : packet_.source;
    const decode::Address& local = p.egress ? packet_.source : packet_.destination;
    const uint16_t remote_port = p.egress ? packet_.destination_port : packet_.source_port;
    const uint16_t local_port = p.egress ? packet_.source_port : packet_.destination_port;
    if (!flow.is_icmp() && packet_.has_transport) {
        const bool remote_differs = (remote != s->remote || remote_port != s->remote_port) && s->remote_port;
        const bool local_differs =
            (local != s->local || local_port != s->local_port) && s->local_port && s->local != decode::Address();
        if (remote_differs || local_differs) [[unlikely]] {
            if (!s->translated) s->translated = std::make_unique<LiveSocket::Translated>();
            LiveSocket::Translated& t = *s->translated;
            if (remote_differs) {
                t.remote_differs = true;
                t.remote = remote;
                t.remote_port = remote_port;
            }
            if (local_differs) {
                t.local_differs = true;
                t.local = local;
                t.local_port = local_port;
            }
        }
    }
    shard_.tracker().segment(flow, sender, packet_);
}

// The payload of packets that were not looked into; headers of IP are taken to have no options.
static uint64_t behind_headers(const flow::Key& key, uint64_t packets, uint64_t bytes) {
    const bool datagrams = key.protocol == decode::ip_protocol::udp || key.protocol == decode::ip_protocol::udplite;
    const uint64_t headers = packets * ((key.family == 4 ? 20u : 40u) + (datagrams ? 8u : 0u));
    return bytes - std::min(bytes, headers);
}

void Live::take_counters(LiveSocket& s, const tap::Counters& c) {
    flow::Flow& flow = *s.flow;
    flow::End &mine = flow.ends[s.end], &other = flow.ends[1 - s.end];
    mine.packets = c.packets_out;
    mine.bytes = c.bytes_out;
    const auto* peer = static_cast<const LiveSocket*>(other.socket);
    const bool other_local = peer && !peer->refuses;
    if (!other_local) {
        other.packets = c.packets_in;
        other.bytes = c.bytes_in;
    }
    if (c.first_ns && c.first_ns < flow.first) flow.first = c.first_ns;
    if (c.last_ns > flow.last) flow.last = c.last_ns;
    if (!c.has_tcp) {
        if (flow.is_tcp()) return;
        mine.payload_bytes = behind_headers(flow.key, c.packets_out, c.bytes_out);
        if (!other_local) other.payload_bytes = behind_headers(flow.key, c.packets_in, c.bytes_in);
        return;
    }
    mine.payload_bytes = c.bytes_sent;
    // The kernel counts the sequence number of a FIN as received.
    const uint64_t fin = other.flags & decode::tcp_fin && c.bytes_received ? 1 : 0;
    if (!other_local) other.payload_bytes = c.bytes_received - fin;
    mine.retransmits = c.retransmits;
    if (c.srtt_us) mine.rtt = int64_t{c.srtt_us} * 1000;
    if (c.min_rtt_us) mine.rtt_min = int64_t{c.min_rtt_us} * 1000;
    mine.zero_windows = std::max(mine.zero_windows, c.zero_windows_out);
    other.zero_windows = std::max(other.zero_windows, c.zero_windows_in);  // of two local ends one alone is shown the packets
    mine.out_of_order = std::max(mine.out_of_order, c.reordering_seen);
    if (mine.mss == 0 && c.mss) mine.mss = static_cast<uint16_t>(std::min<uint32_t>(c.mss, 65535));
    // Each end's scale is for the windows it announces itself. Without the option both are 0.
    if (c.send_window_scale | c.receive_window_scale) {
        mine.window_scale = static_cast<int8_t>(c.receive_window_scale);
        other.window_scale = static_cast<int8_t>(c.send_window_scale);
    }
    if (flow.tcp == flow::TcpState::partial) flow.tcp = flow::TcpState::established;
}

void Live::counters(uint64_t cookie, const tap::Counters& c, bool closed, int64_t time_ns) {
    auto it = sockets_.find(cookie);
    if (it == sockets_.end()) return;
    LiveSocket& s = *it->second;
    if (s.flow) take_counters(s, c);
    if (closed) leave(s, time_ns);
}

// Nobody wants to know more of it. The socket lives on, and may come again as the end of another conversation.
void Live::passed_over(uint64_t cookie, const tap::Counters& c, int64_t time_ns) {
    LiveSocket* s = find(cookie);
    if (!s) return;
    if (s->flow) take_counters(*s, c);
    leave(*s, time_ns, flow::EndReason::unwanted);
}

// The agent's own talk, known as that too late. It has had no time for a record yet; what there is goes untold.
void Live::withdrawn(uint64_t cookie, int64_t) {
    LiveSocket* s = find(cookie);
    if (!s) return;
    if (flow::Flow* flow = s->flow) {
        // Of a pair the tap has told neither, so the other end is nobody's; else the conversation is that one's, too.
        if (flow->ends[1 - s->end].socket) {
            flow->ends[s->end].socket = nullptr;
            flow->ends[s->end].cookie = 0;
        } else {
            shard_.tracker().discard(*flow);
        }
    }
    sockets_.erase(cookie);
}

// The socket is gone. Its conversation ends with its last local socket.
void Live::leave(LiveSocket& s, int64_t time_ns, std::optional<flow::EndReason> why) {
    const uint64_t cookie = s.cookie;
    if (flow::Flow* flow = s.flow) {
        // A socket that came back may have the cookie, and another conversation.
        const LiveSocket* other = find(flow->ends[1 - s.end].cookie);
        if (other && other->flow != flow) other = nullptr;
        if (other && !other->refuses) {
            departed_[flow] = std::move(sockets_.find(cookie)->second);
            flow->ends[s.end].payload_elsewhere = true;  // the tap forgets it: a wish would stay in its table for ever
        } else {
            const flow::EndReason reason = why                                   ? *why
                                           : flow->tcp == flow::TcpState::reset  ? flow::EndReason::reset
                                           : flow->tcp == flow::TcpState::closed ? flow::EndReason::fin
                                                                                 : flow::EndReason::closed;
            shard_.tracker().end_socket(*flow, time_ns, reason);
            departed_.erase(flow);
            if (other) sockets_.erase(other->cookie);  // nothing comes behind a refusal
        }
    }
    sockets_.erase(cookie);
}

void Live::attach(record::Record& r, const flow::Flow& flow) {
    bool own = false;
    for (int i = 0; i < 2; i++) {
        const int end = i ^ flow.initiator;
        const auto* s = static_cast<const LiveSocket*>(flow.ends[end].socket);
        const auto* peer = static_cast<const LiveSocket*>(flow.ends[1 - end].socket);
        auto at = [&](Field f) { return i == 0 ? f : record::at_destination(f); };
        own |= s && s->own;
        if (s) r.attach(owners_.fields(s->owner, i == 0 ? context::End::source : context::End::destination));
        // This end on the wire: as its own socket's packets show it, or as the other end's do.
        if (s && s->translated && s->translated->local_differs) {
            r.ip(at(Field::source_nat_ip), s->translated->local.view(flow.key.family));
            if (s->translated->local_port) r.uint(at(Field::source_nat_port), s->translated->local_port);
        } else if (peer && peer->translated && peer->translated->remote_differs) {
            r.ip(at(Field::source_nat_ip), peer->translated->remote.view(flow.key.family));
            if (peer->translated->remote_port) r.uint(at(Field::source_nat_port), peer->translated->remote_port);
        }
    }
    if (own) r.flag(Field::cvf_self, true);
}

void Live::process(const tap::ProcessEvent& e) {
    context::ProcessChange change;
    change.pid = e.pid;
    change.parent_pid = e.parent_pid;
    change.uid = e.uid;
    change.gid = e.gid;
    change.cgroup_id = e.cgroup_id;
    change.start_ns = e.start_ns;
    change.comm = {e.comm, strnlen(e.comm, sizeof e.comm)};
    change.filename = e.filename;
    const bool told = (!watched || watched(e.cgroup_id)) && shard_.wanted(RecordType::process);
    switch (e.kind) {
        case tap::ProcessEvent::Kind::fork:
            owners_.process_forked(change, e.time_ns);
            break;
        case tap::ProcessEvent::Kind::exec: {
            context::OwnerRef who = owners_.process_executed(change, e.time_ns);
            if (!told) break;
            record::Record& r = shard_.start(RecordType::process, e.time_ns);
            context::fill_process_exec(r, owners_.fields(who, context::End::itself));
            shard_.emit_record(r);
            break;
        }
        case tap::ProcessEvent::Kind::exit: {
            uint64_t lifetime = 0;
            context::OwnerRef who = owners_.process_exited(change, e.time_ns, &lifetime);
            if (!told) break;
            record::Record& r = shard_.start(RecordType::process, e.time_ns);
            context::fill_process_exit(r, owners_.fields(who, context::End::itself), e.exit_code, lifetime);
            shard_.emit_record(r);
            break;
        }
    }
}

void Live::clock_stepped(int64_t by_ns, int64_t time_ns) {
    // What is due in a while is due in the same while by the new clock.
    for (int64_t* due : {&next_second_, &next_poll_, &next_health_})
        if (*due) *due += by_ns;
    owners_.clock_stepped(by_ns);
    if (!shard_.wanted(RecordType::event)) return;
    record::Record& r = shard_.start(RecordType::event, time_ns);
    r.text(Field::event_action, "clock_step");
    r.sint(Field::cvf_clock_step, by_ns);
    shard_.emit_record(r);
}

void Live::caught_up(int64_t time_ns) {
    caught_up_to_ = time_ns;
    shard_.advance(time_ns);
    if (time_ns >= next_poll_) {
        next_poll_ = time_ns + 100'000'000;
        owners_.poll(time_ns);
        owners_.prime(64, time_ns);
    }
    if (time_ns >= next_second_) {
        next_second_ = time_ns + 1'000'000'000;
        if (tap_stats) {
            if (uint64_t lost = tap_stats().lost_events; lost != lost_before_) {
                owners_.events_lost(time_ns);
                lost_before_ = lost;
            }
        }
    }
    if (next_health_ == 0) next_health_ = time_ns + options_.health_every;
    if (time_ns >= next_health_) {
        next_health_ = time_ns + options_.health_every;
        health(time_ns);
    }
    shard_.flush();
}

void Live::health(int64_t time_ns) {
    shard_.health(
        time_ns, "endpoint",
        [&](record::Record& r) {
            r.uint(Field::health_uptime, static_cast<uint64_t>(host::monotonic_now() - started_));
            if (!tap_stats) return;
            tap::EndpointStats stats = tap_stats();
            r.uint(Field::events_lost, stats.lost_events);
            r.uint(Field::events_late, stats.late_events);
            r.uint(Field::sockets_untracked, stats.untracked_sockets);
            r.uint(Field::drops_untold, stats.drops_untold);
            r.uint(Field::handshake_packets_cut, stats.handshake_packets_cut);
            r.uint(Field::verdicts_without_room, stats.verdicts_without_room);
            r.uint(Field::packets_passed_over, stats.packets_passed_over);
            r.uint(Field::sockets_passed_over, stats.sockets_passed_over);
            r.uint(Field::owners_refused, owners_.stats().refused);
        },
        false);
}

void Live::finish(int64_t time_ns) {
    shard_.advance(time_ns);
    shard_.finish();
    health(time_ns);
    shard_.flush();
    sockets_.clear();
    departed_.clear();
}

}  // namespace cvf::pipeline
