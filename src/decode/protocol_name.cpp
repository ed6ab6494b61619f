#include "decode/protocol_name.h"

namespace cvf::decode {

std::string_view ip_protocol_name(uint8_t protocol) {
    switch (protocol) {
        case 1:
            return "icmp";
        case 2:
            return "igmp";
        case 4:
            return "ipv4";
        case 6:
            return "tcp";
        case 17:
            return "udp";
        case 33:
            return "dccp";
        case 41:
            return "ipv6";
        case 47:
            return "gre";
        case 50:
            return "esp";
        case 51:
            return "ah";
        case 58:
            return "ipv6-icmp";
        case 88:
            return "eigrp";
        case 89:
            return "ospf";
        case 103:
            return "pim";
        case 112:
            return "vrrp";
        case 115:
            return "l2tp";
        case 132:
            return "sctp";
        case 136:
            return "udplite";
        default:
            return {};
    }
}

}  // namespace cvf::decode
