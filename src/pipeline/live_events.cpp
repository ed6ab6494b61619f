// `event` records: what happened to a conversation's packets, with the conversation where it is known.
#include "flow/community_id.h"
#include "pipeline/live.h"

namespace cvf::pipeline {

using record::Field;

namespace {

std::string_view action(tap::TcpEventKind kind) {
    switch (kind) {
        case tap::TcpEventKind::retransmit:
            return "retransmit";
        case tap::TcpEventKind::reset_sent:
            return "reset_sent";
        case tap::TcpEventKind::reset_received:
            return "reset_received";
        case tap::TcpEventKind::state:
            return "state";
        case tap::TcpEventKind::drop:
            return "drop";
        case tap::TcpEventKind::listen_overflow:
            return "listen_overflow";
    }
    return "state";
}

// TCP states as the kernel numbers them (include/net/tcp_states.h).
std::string_view state_name(uint8_t state) {
    static constexpr std::string_view names[] = {"",           "established", "syn_sent",    "syn_received", "fin_wait_1",
                                                 "fin_wait_2", "time_wait",   "closed",      "close_wait",   "last_ack",
                                                 "listen",     "closing",     "syn_received"};
    return state < std::size(names) ? names[state] : std::string_view();
}

}  // namespace

void Live::tcp_event(const tap::TcpEvent& e) {
    flow::Flow* flow = e.cookie ? flow_of(e.cookie) : nullptr;
    if (e.kind == tap::TcpEventKind::reset_sent || e.kind == tap::TcpEventKind::reset_received) note_reset(e);
    if (!shard_.wanted(record::RecordType::event)) return;
    if (e.socket.own && !options_.watch_self) return;
    // The kernel tells of every socket; one that is not watched has no conversation here.
    if (!flow && watched && !watched(e.socket.owner.cgroup_id)) return;
    record::Record& r = shard_.start(record::RecordType::event, e.time_ns);
    r.text(Field::event_action, action(e.kind));
    if (e.kind == tap::TcpEventKind::state) {
        r.text(Field::cvf_tcp_old_state, state_name(e.old_state));
        r.text(Field::cvf_tcp_new_state, state_name(e.new_state));
    }
    if (e.kind == tap::TcpEventKind::drop) r.text(Field::event_reason, tap::drop_reason_name(e.reason));
    if (flow) {
        shard_.emit_of_flow(r, *flow);
        return;
    }
    if (e.socket.own) r.flag(Field::cvf_self, true);
    // No conversation of ours: the tuple speaks, from this node's end.
    const tap::Socket& k = e.socket;
    if (k.family) {
        // A packet that met no socket was on its way in: "local" is where it went.
        const bool inbound = e.kind == tap::TcpEventKind::reset_sent || (e.kind == tap::TcpEventKind::drop && !e.sent) ||
                             e.kind == tap::TcpEventKind::listen_overflow || k.role == tap::Role::server;
        const decode::Address &source = inbound ? k.remote : k.local, &destination = inbound ? k.local : k.remote;
        const uint16_t source_port = inbound ? k.remote_port : k.local_port,
                       destination_port = inbound ? k.local_port : k.remote_port;
        r.ip(Field::source_address, source.view(k.family));
        if (source_port) r.uint(Field::source_port, source_port);
        r.ip(Field::destination_address, destination.view(k.family));
        if (destination_port) r.uint(Field::destination_port, destination_port);
        r.text(Field::network_type, k.family == 4 ? "ipv4" : "ipv6");
        if (k.ip_protocol == decode::ip_protocol::tcp || k.ip_protocol == decode::ip_protocol::udp) {
            r.text(Field::network_transport, k.ip_protocol == decode::ip_protocol::tcp ? "tcp" : "udp");
            char* id = static_cast<char*>(r.arena().take(30, 1));
            flow::community_id(k.family, k.ip_protocol, source, source_port, destination, destination_port, id);
            r.text(Field::network_community_id, {id, 30});
        }
        if (k.owner.pid) {
            context::OwnerRef owner = owner_of(k.owner, k.netns, e.time_ns);
            r.attach(owners_.fields(owner, inbound ? context::End::destination : context::End::source));
            shard_.emit_record(r);
            return;
        }
        if (k.netns) r.uint(inbound ? Field::destination_netns_id : Field::source_netns_id, k.netns);
    }
    shard_.emit_record(r);
}

}  // namespace cvf::pipeline
