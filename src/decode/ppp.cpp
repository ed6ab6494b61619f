// PPP (RFC 1661, framing as RFC 1662), PPPoE sessions (RFC 2516) and MPLS (RFC 3032, pseudowires RFC 4385 and 4448).
#include "decode/layers.h"

namespace cvf::decode {

void ppp(Packet& p, Part x) {
    p.network = Network::other;
    // Address and control may be left out by agreement, and so may the protocol's first byte when it is zero.
    if (x.captured >= 2 && x.at[0] == 0xff && x.at[1] == 0x03) x = behind(x, 2);
    if (!have(p, x, 1)) return;
    uint32_t protocol = x.at[0], size = 1;
    if ((protocol & 1) == 0) {
        if (!have(p, x, 2)) return;
        protocol = load_be16(x.at);
        size = 2;
    }
    x = behind(x, size);
    switch (protocol) {
        case 0x0021:
            return ipv4(p, x);
        case 0x0057:
            return ipv6(p, x);
        case 0x0281:
        case 0x0283:
            return mpls(p, x);
        default:
            return;
    }
}

void pppoe_session(Packet& p, Part x) {
    p.network = Network::other;
    if (!have(p, x, 6)) return;
    if (x.at[0] != 0x11 || x.at[1] != 0) {
        // A capture of link type PPPoE has discovery packets, too; they have a code.
        if (x.at[0] != 0x11) p.faults |= fault_bad_header;
        return;
    }
    const uint32_t length = load_be16(x.at + 4);
    ppp(p, limited(p, behind(x, 6), length));
}

namespace {

// Does an Ethernet header stand here, to go by the type it names?
bool looks_like_ethernet(Part x) {
    if (x.captured < 14) return false;
    switch (load_be16(x.at + 12)) {
        case 0x0800:
        case 0x0806:
        case 0x86dd:
        case 0x8100:
        case 0x88a8:
        case 0x8847:
        case 0x8864:
        case 0x88cc:
            return true;
        default:
            return false;
    }
}

bool looks_like_ipv4(Part x) {
    return x.captured >= 20 && x.at[0] >> 4 == 4 && (x.at[0] & 15) >= 5 && load_be16(x.at + 2) <= x.length;
}

bool looks_like_ipv6(Part x) {
    return x.captured >= 40 && x.at[0] >> 4 == 6 && load_be16(x.at + 4) + 40u <= x.length;
}

}  // namespace

void mpls(Packet& p, Part x) {
    p.network = Network::other;
    if (!nest(p)) return;
    for (bool bottom = false; !bottom;) {
        if (!have(p, x, 4)) return;
        const uint32_t entry = load_be32(x.at);
        if (p.mpls_count < std::size(p.mpls))
            p.mpls[p.mpls_count++] = entry >> 12;
        else
            p.faults |= fault_too_deep;
        bottom = entry & 0x100;
        x = behind(x, 4);
    }
    // Nothing says what follows; routers look at the first nibble (RFC 4928), and so do we, with more care.
    if (looks_like_ipv4(x)) return ipv4(p, x);
    if (looks_like_ipv6(x)) return ipv6(p, x);
    if (x.captured >= 4 && x.at[0] >> 4 == 0) {
        const Part after_control_word = behind(x, 4);
        if (looks_like_ethernet(after_control_word)) return ethernet(p, after_control_word);
        if (looks_like_ipv4(after_control_word)) return ipv4(p, after_control_word);
    }
    if (looks_like_ethernet(x)) return ethernet(p, x);
    if (x.captured > 0 && x.captured < x.length) return ip_by_version(p, x);
}

}  // namespace cvf::decode
