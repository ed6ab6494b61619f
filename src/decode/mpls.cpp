// MPLS label stacks (RFC 3032) and what stands behind them, pseudowires (RFC 4385, 4448) among it.
#include "decode/layers.h"

namespace cvf::decode {
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
