// PPP (RFC 1661, framing as RFC 1662) and PPPoE sessions (RFC 2516).
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

}  // namespace cvf::decode
