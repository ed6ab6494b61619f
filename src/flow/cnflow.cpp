// The CNFlow record, and what every record of a conversation carries.
#include <fmt/format.h>

#include <cstring>

#include "decode/protocol_name.h"
#include "flow/community_id.h"
#include "flow/sctp.h"
#include "flow/tracker.h"
#include "record/hex.h"
#include "record/text.h"

namespace cvf::flow {

using record::Field;

namespace {

constexpr std::string_view initiator_by[] = {"first_packet", "port", "protocol", "socket", "syn"};
constexpr std::string_view tcp_states[] = {"partial", "syn_sent", "syn_received", "established", "closing", "closed", "reset"};
constexpr std::string_view end_reasons[] = {"fin", "reset", "idle", "closed", "evicted", "end", "unwanted"};
constexpr std::string_view tunnel_names[] = {"none", "vxlan", "geneve", "gre",    "nvgre", "erspan", "ipip",
                                             "6in4", "4in6",  "6in6",   "teredo", "gtp-u", "l2tp"};

std::string_view flags_text(uint8_t flags, record::Arena& arena) {
    static constexpr std::string_view names[] = {"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"};
    char* out = static_cast<char*>(arena.take(32, 1));
    char* p = out;
    for (int bit = 0; bit < 8; bit++) {
        if (!(flags >> bit & 1)) continue;
        if (p != out) *p++ = '|';
        std::memcpy(p, names[bit].data(), 3);
        p += 3;
    }
    return {out, static_cast<size_t>(p - out)};
}

std::string_view number_text(uint64_t v, record::Arena& arena) {
    char* out = static_cast<char*>(arena.take(20, 1));
    return {out, static_cast<size_t>(record::write_uint(out, v) - out)};
}

}  // namespace

void Tracker::add_flow_fields(record::Record& r, Flow& flow) {
    const int source = flow.initiator, destination = 1 - source;
    // The record's id begins with the flow's.
    char* id = static_cast<char*>(r.arena().take(16 + 1 + 20, 1));
    char* end = record::write_hex64(id, flow.id);
    *end++ = '-';
    end = record::write_uint(end, flow.records++);
    r.text(Field::record_id, {id, static_cast<size_t>(end - id)});
    r.text(Field::flow_id, {id, 16});
    if (!flow.has_community_id) {
        const bool icmp = flow.is_icmp();
        community_id(flow.key.family, flow.key.protocol, flow.address(source),
                     icmp ? static_cast<uint16_t>(flow.icmp_type_code >> 8) : flow.port(source), flow.address(destination),
                     icmp ? static_cast<uint16_t>(flow.icmp_type_code & 0xff) : flow.port(destination), flow.community_id);
        flow.has_community_id = true;
    }
    r.text(Field::network_community_id, {flow.community_id, community_id_size});
    r.ip(Field::source_address, flow.address(source).view(flow.key.family));
    const bool ports = !flow.is_icmp() && (flow.key.a_port | flow.key.b_port);
    if (ports) r.uint(Field::source_port, flow.port(source));
    r.ip(Field::destination_address, flow.address(destination).view(flow.key.family));
    if (ports) r.uint(Field::destination_port, flow.port(destination));
    if (auto name = decode::ip_protocol_name(flow.key.protocol); !name.empty()) r.text(Field::network_transport, name);
    r.text(Field::network_type, flow.key.family == 4 ? "ipv4" : "ipv6");
    if (flow.protocol) {
        r.text(Field::network_protocol_name, flow.protocol->name);
        if (flow.version_size > 0 && !r.find(Field::network_protocol_version))
            r.text(Field::network_protocol_version, flow.protocol_version());
    }
    if (const auto name = interface_name(flow.interface); !name.empty()) r.text(Field::network_interface_name, name);
    if (flow.extras && !flow.extras->comments.empty()) tell_comments(r, *flow.extras);
}

// A flow has all of them; another record those on packets since the one before, which are the packets that made it.
void Tracker::tell_comments(record::Record& r, Extras& x) {
    const bool all = r.type() == record::RecordType::flow;
    const size_t from = all ? 0 : x.comments_told;
    std::string_view texts[Extras::most_comments];
    const size_t n =
        static_cast<size_t>(std::copy(x.comments.begin() + static_cast<ptrdiff_t>(from), x.comments.end(), texts) - texts);
    if (n > 0) r.texts(Field::packet_comments, {texts, n});
    if (!all) x.comments_told = x.comments.size();
}

void Tracker::report(Flow& flow, bool final, EndReason reason) {
    if (!options_.wanted[static_cast<size_t>(record::RecordType::flow)]) return;
    record::Record& r = record_;
    r.begin(record::RecordType::flow, flow.last);
    add_flow_fields(r, flow);
    const int source = flow.initiator, destination = 1 - source;
    const End &s = flow.ends[source], &d = flow.ends[destination];
    record::Arena& arena = r.arena();
    if (decode::ip_protocol_name(flow.key.protocol).empty())
        r.text(Field::network_iana_number, number_text(flow.key.protocol, arena));
    r.time(Field::event_start, flow.first);
    r.time(Field::event_end, flow.last);
    r.uint(Field::event_duration, static_cast<uint64_t>(flow.last - flow.first));
    r.text(Field::flow_state, final ? "final" : "interim");
    if (final) r.text(Field::flow_reason, end_reasons[static_cast<size_t>(reason)]);
    r.uint(Field::flow_sequence, flow.reports++);
    r.text(Field::flow_initiator_by, initiator_by[static_cast<size_t>(flow.initiator_by)]);
    r.uint(Field::network_packets, s.packets + d.packets);
    r.uint(Field::network_bytes, s.bytes + d.bytes);
    r.uint(Field::source_packets, s.packets);
    r.uint(Field::source_bytes, s.bytes);
    r.uint(Field::source_payload_bytes, s.payload_bytes);
    r.uint(Field::destination_packets, d.packets);
    r.uint(Field::destination_bytes, d.bytes);
    r.uint(Field::destination_payload_bytes, d.payload_bytes);
    if (!flow.host.empty())
        r.text(Field::server_address, flow.host);
    else if (auto name = names_.find(flow.address(destination), flow.first); !name.empty())
        r.copy(Field::server_address, name);
    if (flow.violation_size > 0) r.text(Field::cvf_violation, flow.violation());
    if (flow.live) {
        const int local = (s.cookie != 0) + (d.cookie != 0);
        r.uint(Field::flow_ends, static_cast<uint64_t>(local));
        r.text(Field::network_direction, local == 2 ? "internal" : s.cookie ? "outbound" : "inbound");
    }
    if (flow.has_mac) {
        // Zero: a cooked capture does not know it, loopback has none.
        static constexpr uint8_t none[6] = {};
        if (std::memcmp(flow.mac[source], none, 6) != 0) r.mac(Field::source_mac, flow.mac[source]);
        if (std::memcmp(flow.mac[destination], none, 6) != 0) r.mac(Field::destination_mac, flow.mac[destination]);
    }
    if (flow.is_tcp()) {
        r.text(Field::tcp_state, tcp_states[static_cast<size_t>(flow.tcp)]);
        if (flow.syn_at && flow.syn_ack_at > flow.syn_at)
            r.uint(Field::tcp_connect, static_cast<uint64_t>(flow.syn_ack_at - flow.syn_at));
        if (flow.syn_at && flow.established_at > flow.syn_at)
            r.uint(Field::tcp_handshake, static_cast<uint64_t>(flow.established_at - flow.syn_at));
        auto end_fields = [&](const End& e, auto at) {
            if (e.flags) r.text(at(Field::source_tcp_flags), flags_text(e.flags, arena));
            auto count = [&](Field f, uint64_t v) {
                if (v) r.uint(at(f), v);
            };
            count(Field::source_tcp_retransmits, e.retransmits);
            count(Field::source_tcp_out_of_order, e.out_of_order);
            count(Field::source_tcp_zero_windows, e.zero_windows);
            count(Field::source_tcp_resets, e.resets);
            count(Field::source_tcp_gaps, e.stream.gap_bytes());
            count(Field::source_tcp_mss, e.mss);
            if (e.window_scale >= 0) r.uint(at(Field::source_tcp_window_scale), static_cast<uint64_t>(e.window_scale));
            count(Field::source_tcp_rtt, static_cast<uint64_t>(e.rtt));
            count(Field::source_tcp_rtt_min, static_cast<uint64_t>(e.rtt_min));
        };
        end_fields(s, [](Field f) { return f; });
        end_fields(d, [](Field f) { return record::at_destination(f); });
    }
    if (flow.faults) {
        std::string_view names[4];
        size_t n = 0;
        if (flow.faults & decode::fault_truncated) names[n++] = "truncated";
        if (flow.faults & decode::fault_bad_length) names[n++] = "bad_length";
        if (flow.faults & decode::fault_bad_header) names[n++] = "bad_header";
        if (flow.faults & decode::fault_too_deep) names[n++] = "too_deep";
        r.texts(Field::faults, {names, n});
    }
    if (flow.extras) {
        const Extras& x = *flow.extras;
        if (x.vlan_count) r.text(Field::network_vlan_id, number_text(x.vlans[0], arena));
        if (x.vlan_count > 1) r.text(Field::network_inner_vlan_id, number_text(x.vlans[1], arena));
        if (x.mpls_count) {
            uint64_t labels[4];
            std::copy_n(x.mpls, x.mpls_count, labels);
            r.uints(Field::mpls_labels, {labels, x.mpls_count});
        }
        if (x.tunnel_count) {
            std::string_view types[4];
            uint64_t ids[4];
            std::span<const uint8_t> sources[4], destinations[4];
            for (size_t i = 0; i < x.tunnel_count; i++) {
                const decode::Tunnel& t = x.tunnels[i];
                types[i] = tunnel_names[static_cast<size_t>(t.type)];
                ids[i] = t.has_id ? t.id : 0;
                sources[i] = t.source.view(t.family);
                destinations[i] = t.destination.view(t.family);
            }
            r.texts(Field::tunnel_types, {types, x.tunnel_count});
            r.uints(Field::tunnel_ids, {ids, x.tunnel_count});
            r.ips(Field::tunnel_sources, {sources, x.tunnel_count});
            r.ips(Field::tunnel_destinations, {destinations, x.tunnel_count});
        }
        if (x.fragments) r.uint(Field::fragments, x.fragments);
        if (x.sctp_chunks) {
            const auto all = sctp_chunk_names();
            std::string_view names[32];
            size_t n = 0;
            for (size_t i = 0; i < all.size(); i++)
                if (x.sctp_chunks >> i & 1) names[n++] = all[i];
            r.texts(Field::sctp_chunks, {names, n});
        }
    }
    output_.emit(r, flow);
}

}  // namespace cvf::flow
