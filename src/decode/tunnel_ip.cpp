// Tunnels that stand right on IP: IP in IP (RFC 2003), 6in4 (4213), 4in6 and 6in6 (2473), GRE (2784, 2890; source routes 1701),
// NVGRE (7637), PPTP's GRE (2637), ERSPAN types I to III (draft-foschiano-erspan), L2TPv3 (3931).
#include "decode/layers.h"

namespace cvf::decode {
namespace {

void erspan_ii(Packet& p, Part x) {
    // Version 1: vlan, session, index. A frame without the header is type I.
    if (!have(p, x, 8)) return;
    const uint32_t session = load_be16(x.at + 2) & 0x3ff;
    enter(p, TunnelType::erspan, true, session, [&](Packet& in) { ethernet(in, behind(x, 8)); });
}

void erspan_iii(Packet& p, Part x) {
    if (!have(p, x, 12) || x.at[0] >> 4 != 2) return;
    const uint32_t session = load_be16(x.at + 2) & 0x3ff;
    const uint16_t facts = load_be16(x.at + 10);
    const bool platform_header = facts & 1;
    const unsigned frame_type = facts >> 10 & 31;
    const uint32_t size = platform_header ? 20 : 12;
    if (!have(p, x, size)) return;
    enter(p, TunnelType::erspan, true, session, [&](Packet& in) {
        if (frame_type == 2) return ip_by_version(in, behind(x, size));
        ethernet(in, behind(x, size));
    });
}

// Aruba's access points carry 802.11 frames (type 0x9000 and, by access category, from 0x8200); some of these types carry
// Ethernet.
void wireless_in_gre(Packet& p, Part x, bool has_key, uint32_t key) {
    if (!enter(p, TunnelType::gre, has_key, key, [&](Packet& in) { ieee80211(in, x); }))
        enter(p, TunnelType::gre, has_key, key, [&](Packet& in) { ethernet(in, x); });
}

struct Gre {
    uint16_t flags;
    uint16_t protocol;
    bool has_key, has_sequence;
    uint32_t key;
};

void gre_payload(Packet& p, Part x, const Gre& gre) {
    const auto plain = [&](auto parse) { enter(p, TunnelType::gre, gre.has_key, gre.key, parse); };
    switch (gre.protocol) {
        case 0x6558:  // transparent Ethernet bridging; with a key and nothing else it is NVGRE
            if (gre.has_key && !gre.has_sequence && !(gre.flags & 0x8000)) {
                enter(p, TunnelType::nvgre, true, gre.key >> 8, [&](Packet& in) { ethernet(in, x); });
                return;
            }
            return plain([&](Packet& in) { ethernet(in, x); });
        case 0x88be:
            if (gre.has_sequence) return erspan_ii(p, x);
            enter(p, TunnelType::erspan, false, 0, [&](Packet& in) { ethernet(in, x); });
            return;
        case 0x22eb:
            return erspan_iii(p, x);
        case 0x880b:
            return plain([&](Packet& in) { ppp(in, x); });
        case 0x883e:  // WCCP: the second version has a redirect header before the packet
            if (x.captured >= 4 && x.at[0] >> 4 != 4) x = behind(x, 4);
            return plain([&](Packet& in) { ip_by_version(in, x); });
        case 0x8909:  // Cisco metadata; here, unlike on Ethernet, the type of what is tagged comes first
            if (x.captured < 8) return;
            return plain([&](Packet& in) { ether_type(in, behind(x, 8), load_be16(x.at)); });
        case 0x9000:
            return wireless_in_gre(p, x, gre.has_key, gre.key);
        default:
            if (gre.protocol >= 0x8200 && gre.protocol <= 0x8210) return wireless_in_gre(p, x, gre.has_key, gre.key);
            return plain([&](Packet& in) { ether_type(in, x, gre.protocol); });
    }
}

void gre(Packet& p, Part x) {
    if (!have(p, x, 4)) return;
    constexpr uint16_t checksum = 0x8000, routing = 0x4000, key = 0x2000, sequence = 0x1000, acknowledgment = 0x0080;
    Gre g{load_be16(x.at), load_be16(x.at + 2), false, false, 0};
    const unsigned version = g.flags & 7;
    if (version > 1) return;
    Reader r(x.bytes());
    r.skip(4);
    if (version == 0 && (g.flags & (checksum | routing))) r.skip(4);
    if (g.flags & key) {
        g.has_key = true;
        g.key = r.u32();
    }
    if (g.flags & sequence) {
        g.has_sequence = true;
        r.skip(4);
    }
    if (version == 1) {
        // PPTP: the key is payload length and call id.
        if (!g.has_key || g.protocol != 0x880b) return;
        if (g.flags & acknowledgment) r.skip(4);
    } else if (g.flags & routing) {
        // Source route entries: family, offset, length; an empty one of family 0 ends them.
        for (;;) {
            const uint16_t address_family = r.u16();
            r.skip(1);
            const uint8_t length = r.u8();
            r.skip(length);
            if (r.failed() || (address_family == 0 && length == 0)) break;
        }
    }
    if (r.failed()) {
        have(p, x, x.captured + 1);
        return;
    }
    const Part inside = behind(x, x.captured - static_cast<uint32_t>(r.left()));
    if (version == 1) {
        const uint32_t length = g.key >> 16;
        if (length == 0 || length > inside.length) return;
        const Part payload{inside.at, std::min(inside.captured, length), length};
        enter(p, TunnelType::gre, true, g.key & 0xffff, [&](Packet& in) { ppp(in, payload); });
        return;
    }
    gre_payload(p, inside, g);
}

// A session id, then a cookie of 0, 4 or 8 bytes and perhaps a sublayer of 4, as the two ends agreed; Ethernet inside, the one
// kind that shows.
void l2tp_v3(Packet& p, Part x) {
    if (!have(p, x, 4)) return;
    const uint32_t session = load_be32(x.at);
    if (session == 0) return;  // a control message
    for (uint32_t skip = 4; skip <= 16; skip += 4) {
        if (x.captured < skip + 14 || load_be16(x.at + skip + 12) < 0x0600) continue;
        if (enter(p, TunnelType::l2tp, true, session, [&](Packet& in) { ethernet(in, behind(x, skip)); })) return;
    }
}

}  // namespace

void ip_tunnel(Packet& p, Part x) {
    const bool outer_is_v4 = p.network == Network::ipv4;
    switch (p.ip_protocol) {
        case ip_protocol::ipip:
            enter(p, outer_is_v4 ? TunnelType::ipip : TunnelType::fourin6, false, 0, [&](Packet& in) { ipv4(in, x); });
            return;
        case ip_protocol::ipv6:
            enter(p, outer_is_v4 ? TunnelType::sixin4 : TunnelType::sixin6, false, 0, [&](Packet& in) { ipv6(in, x); });
            return;
        case ip_protocol::gre:
            return gre(p, x);
        case ip_protocol::l2tp:
            return l2tp_v3(p, x);
        default:
            return;
    }
}

}  // namespace cvf::decode
