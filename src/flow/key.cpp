#include "flow/key.h"

namespace cvf::flow {

namespace {

// ICMP types that come in pairs: the request's type, which stands for both; 0xffff for all others.
uint16_t icmp_exchange(uint8_t protocol, uint8_t type) {
    if (protocol == decode::ip_protocol::icmp) switch (type) {
            case 0:
            case 8:
                return 8;  // echo
            case 13:
            case 14:
                return 13;  // timestamp
            case 15:
            case 16:
                return 15;  // information
            case 17:
            case 18:
                return 17;  // address mask
        }
    else if (type == 128 || type == 129)
        return 128;
    return 0xffff;
}

}  // namespace

bool make_key(const decode::Packet& p, Key& key) {
    uint16_t source_port = p.source_port, destination_port = p.destination_port;
    key.extra = 0;
    if (p.ip_protocol == decode::ip_protocol::icmp || p.ip_protocol == decode::ip_protocol::icmpv6) {
        source_port = destination_port = 0;
        if (p.payload.size() >= 2) {
            key.extra = icmp_exchange(p.ip_protocol, p.payload[0]);
            if (key.extra == 0xffff)
                source_port = destination_port = static_cast<uint16_t>(p.payload[0] << 8 | p.payload[1]);
            else if (p.payload.size() >= 6)
                source_port = destination_port = decode::load_be16(&p.payload[4]);
        }
    }
    key.protocol = p.ip_protocol;
    key.family = decode::family(p);
    key.zero = 0;
    key.scope = 0;
    // Tenants of an overlay may use the same addresses. Both directions of a VXLAN or NVGRE segment carry the same id; a TEID,
    // GRE key or Geneve VNI may differ by direction, and so may a VLAN.
    for (int i = 0; i < p.tunnel_count; i++) {
        const decode::Tunnel& t = p.tunnels[i];
        if (t.type == decode::TunnelType::vxlan || t.type == decode::TunnelType::nvgre) key.scope = key.scope * 31 + t.id + 1;
    }
    const uint64_t source_high = decode::load_be64(p.source.bytes.data()),
                   destination_high = decode::load_be64(p.destination.bytes.data());
    bool forward = source_high < destination_high;
    if (source_high == destination_high) {
        const uint64_t source_low = decode::load_be64(p.source.bytes.data() + 8),
                       destination_low = decode::load_be64(p.destination.bytes.data() + 8);
        forward = source_low != destination_low ? source_low < destination_low : source_port <= destination_port;
    }
    if (forward) {
        key.a = p.source, key.b = p.destination;
        key.a_port = source_port, key.b_port = destination_port;
    } else {
        key.a = p.destination, key.b = p.source;
        key.a_port = destination_port, key.b_port = source_port;
    }
    return forward;
}

}  // namespace cvf::flow
