// Tunnels that stand on UDP: VXLAN (RFC 7348), Geneve (8926), GTP-U (3GPP TS 29.281), Teredo (RFC 4380), L2TP (2661, 3931). A
// port only says where to look. Each header has to follow its specification and the inside has to be a packet, or it was plain
// UDP.
#include "decode/layers.h"

namespace cvf::decode {
namespace {

bool vxlan(Packet& p, Part x) {
    if (x.captured < 8) return false;
    constexpr uint8_t valid_id = 0x08, group_policy = 0x80;
    const uint8_t flags = x.at[0];
    // Group policy (draft-smith-vxlan-group-policy) uses the second to fourth byte; without it they are reserved and zero.
    if (!(flags & valid_id) || x.at[7] != 0 || (flags & ~(valid_id | group_policy)) != 0) return false;
    if (!(flags & group_policy) && (load_be32(x.at) & 0xffffff) != 0) return false;
    return enter(p, TunnelType::vxlan, true, load_be24(x.at + 4), [&](Packet& in) { ethernet(in, behind(x, 8)); });
}

bool geneve(Packet& p, Part x) {
    if (x.captured < 8 || x.at[0] >> 6 != 0) return false;
    const uint32_t header = 8 + (x.at[0] & 63u) * 4;
    const uint16_t protocol = load_be16(x.at + 2);
    if (x.captured < header || (x.at[1] & 0x80)) return false;  // O: a control packet
    return enter(p, TunnelType::geneve, true, load_be24(x.at + 4), [&](Packet& in) {
        if (protocol == 0x6558) return ethernet(in, behind(x, header));
        ether_type(in, behind(x, header), protocol);
    });
}

// An IP packet that fits what is left, with nothing behind it: what the tunnels without an inner type need for proof.
bool whole_ip(Part x) {
    if (x.captured < 20) return false;
    if (x.at[0] >> 4 == 4) return (x.at[0] & 15) >= 5 && load_be16(x.at + 2) >= 20 && load_be16(x.at + 2) <= x.length;
    return x.at[0] >> 4 == 6 && x.captured >= 40 && load_be16(x.at + 4) + 40u <= x.length;
}

bool gtp_u(Packet& p, Part x) {
    if (x.captured < 8) return false;
    const uint8_t flags = x.at[0];
    constexpr uint8_t user_data = 0xff, extension = 4, optional_fields = 7;
    if (flags >> 5 != 1 || !(flags & 0x10) || x.at[1] != user_data) return false;  // version 1, GTP rather than GTP'
    const uint32_t length = load_be16(x.at + 2), tunnel = load_be32(x.at + 4);
    // A length that goes beyond the datagram is a writer's error, not proof against GTP: the packet inside has its own.
    const bool lies = length + 8 > x.length;
    if (!lies) x = Part{x.at, std::min(x.captured, length + 8), length + 8};
    uint32_t header = 8;
    if (flags & optional_fields) {
        if (x.captured < 12) return false;
        header = 12;
        uint8_t next = (flags & extension) ? x.at[11] : 0;
        while (next != 0) {
            if (x.captured < header + 4) return false;
            const uint32_t size = x.at[header] * 4u;
            if (size == 0 || x.captured < header + size) return false;
            header += size;
            next = x.at[header - 1];
        }
    }
    const Part inside = behind(x, header);
    if (!whole_ip(inside)) return false;
    return enter(p, TunnelType::gtpu, true, tunnel, [&](Packet& in) {
        if (lies) in.faults |= fault_bad_length;
        ip_by_version(in, inside);
    });
}

bool teredo(Packet& p, Part x, bool known_port) {
    if (known_port) {
        // Authentication (5.1.1 of the RFC), then origin indication, each optional.
        if (x.captured >= 4 && load_be16(x.at) == 1) {
            const uint32_t size = 4u + x.at[2] + x.at[3] + 8 + 1;
            if (x.captured < size) return false;
            x = behind(x, size);
        }
        if (x.captured >= 8 && load_be16(x.at) == 0) x = behind(x, 8);
        // Trailers (RFC 6081) may follow the packet.
        if (!whole_ip(x) || x.at[0] >> 4 != 6) return false;
    } else {
        // Peers talk between any ports: an exact length, and a Teredo address (2001::/32) at one end.
        constexpr uint32_t prefix = 0x20010000;
        if (load_be16(x.at + 4) + 40u != x.length) return false;
        if (load_be32(x.at + 8) != prefix && load_be32(x.at + 24) != prefix) return false;
    }
    return enter(p, TunnelType::teredo, false, 0, [&](Packet& in) { ipv6(in, x); });
}

bool l2tp(Packet& p, Part x) {
    if (x.captured < 6) return false;
    const uint16_t flags = load_be16(x.at);
    constexpr uint16_t control = 0x8000, has_length = 0x4000, has_sequence = 0x0800, has_offset = 0x0200, reserved = 0x34f0;
    if (flags & control) return false;
    if ((flags & 15) == 3) {
        // L2TPv3 over UDP (RFC 3931, 4.1.2): the session id comes after four bytes; then as over IP.
        Packet before = p;
        p.ip_protocol = ip_protocol::l2tp;
        ip_tunnel(p, behind(x, 4));
        const bool found = p.tunnel_count != before.tunnel_count;
        if (found)
            p.tunnels[before.tunnel_count].source_port = before.source_port,
            p.tunnels[before.tunnel_count].destination_port = before.destination_port;
        else
            p.ip_protocol = before.ip_protocol;
        return found;
    }
    if ((flags & 15) != 2 || (flags & reserved)) return false;
    Reader r(x.bytes());
    r.skip(2);
    const uint32_t length = (flags & has_length) ? r.u16() : x.length;
    const uint32_t tunnel = r.u16(), session = r.u16();
    if (flags & has_sequence) r.skip(4);
    if (flags & has_offset) r.skip(r.u16());
    const uint32_t header = x.captured - static_cast<uint32_t>(r.left());
    if (r.failed() || length > x.length || length < header) return false;
    const Part inside = behind(Part{x.at, std::min(x.captured, length), length}, header);
    return enter(p, TunnelType::l2tp, true, tunnel << 16 | session, [&](Packet& in) { ppp(in, inside); });
}

}  // namespace

void udp_tunnel(Packet& p, Part x) {
    const uint16_t to = p.destination_port, from = p.source_port;
    const auto either = [&](uint16_t port) { return to == port || from == port; };
    // VXLAN and Geneve choose the source port by a hash of the inside: only the destination counts.
    if ((to == 4789 || to == 8472) && vxlan(p, x)) return;
    if (to == 6081 && geneve(p, x)) return;
    if (either(2152) && gtp_u(p, x)) return;
    if (either(1701) && l2tp(p, x)) return;
    if (either(3544)) {
        if (teredo(p, x, true)) return;
    } else if (x.captured >= 40 && x.at[0] >> 4 == 6) {
        teredo(p, x, false);
    }
}

}  // namespace cvf::decode
