// IPv4 (RFC 791) and IPv6 with its extension headers (RFC 8200).
#include "decode/layers.h"

namespace cvf::decode {
namespace {

namespace extension {
constexpr uint8_t hop_by_hop = 0, routing = 43, fragment = 44, destination_options = 60, mobility = 135, hip = 139, shim6 = 140;
}
constexpr uint8_t no_next_header = 59;
constexpr int max_extensions = 16;

[[gnu::noinline]] void not_ip(Packet& p, uint16_t fault) {
    p.faults |= fault;
    p.network = Network::other;
}

void no_transport(Packet& p, Part x) {
    p.payload = x.bytes();
    p.payload_length = x.length;
}

// RFC 2675: the length of a jumbogram, 0 when the hop-by-hop header has none.
[[gnu::noinline]] uint32_t jumbo_length(Bytes header) {
    Reader r(header);
    r.skip(2);
    while (r.left() > 0) {
        const uint8_t kind = r.u8();
        if (kind == 0) continue;
        const uint8_t size = r.u8();
        if (kind == 0xc2 && size == 4) return r.u32();
        r.skip(size);
    }
    return 0;
}

// Is it one that the chain goes on behind? The others end it.
constexpr bool is_extension(uint8_t protocol) {
    switch (protocol) {
        case extension::hop_by_hop:
        case extension::routing:
        case extension::fragment:
        case ip_protocol::authentication:
        case extension::destination_options:
        case extension::mobility:
        case extension::hip:
        case extension::shim6:
            return true;
        default:
            return false;
    }
}

// Walks from the first header behind the fixed one to the transport.
[[gnu::noinline]] void extensions(Packet& p, Part x) {
    for (int i = 0; i < max_extensions; ++i) {
        switch (p.ip_protocol) {
            case extension::hop_by_hop:
            case extension::routing:
            case extension::destination_options:
            case extension::mobility:
            case extension::hip:
            case extension::shim6: {
                if (!have(p, x, 8)) return no_transport(p, x);
                const uint32_t size = (x.at[1] + 1u) * 8;
                if (!have(p, x, size)) return no_transport(p, x);
                // Mobility, HIP and Shim6 control messages normally end the chain (next header 59).
                p.ip_protocol = x.at[0];
                x = behind(x, size);
                break;
            }
            case ip_protocol::authentication:
                if (!skip_authentication(p, x)) return no_transport(p, x);
                break;
            case extension::fragment: {
                if (!have(p, x, 8)) return no_transport(p, x);
                const uint16_t field = load_be16(x.at + 2);
                p.ip_protocol = x.at[0];
                p.fragment_id = load_be32(x.at + 4);
                p.fragment_offset = field & 0xfff8;
                p.more_fragments = field & 1;
                p.is_fragment = p.fragment_offset != 0 || p.more_fragments;  // else atomic, RFC 6946
                x = behind(x, 8);
                if (p.fragment_offset != 0) return no_transport(p, x);
                break;
            }
            default:
                return transport(p, x);
        }
    }
    p.faults |= fault_too_deep;
    no_transport(p, x);
}

}  // namespace

void ipv4(Packet& p, Part x) {
    if (x.captured < 20) [[unlikely]]
        return have(p, x, 20), not_ip(p, 0);
    const uint8_t version_and_length = x.at[0];
    const uint32_t header = (version_and_length & 15u) * 4;
    if (version_and_length >> 4 != 4 || header < 20) [[unlikely]]
        return not_ip(p, fault_bad_header);
    p.network = Network::ipv4;
    p.dscp_ecn = x.at[1];
    p.ttl = x.at[8];
    p.ip_protocol = x.at[9];
    p.source = Address::v4(x.at + 12);
    p.destination = Address::v4(x.at + 16);
    uint32_t total = load_be16(x.at + 2);
    if (total == 0) [[unlikely]]
        total = x.length;  // captured before segmentation offload wrote the length
    p.ip_length = total;
    if (total < header) [[unlikely]] {
        p.faults |= fault_bad_length;
        p.layer3 = {x.at, std::min(x.captured, header)};
        return;
    }
    x = limited(p, x, total);
    p.layer3 = x.bytes();
    if (!have(p, x, header)) [[unlikely]]
        return;
    const uint16_t fragment = load_be16(x.at + 6);
    if ((fragment & 0x3fff) != 0) [[unlikely]] {
        p.fragment_id = load_be16(x.at + 4);
        p.fragment_offset = static_cast<uint16_t>((fragment & 0x1fff) * 8);
        p.more_fragments = fragment & 0x2000;
        p.is_fragment = true;
        if (p.fragment_offset != 0) return no_transport(p, behind(x, header));
    }
    x = behind(x, header);
    transport(p, x);
}

void ipv6(Packet& p, Part x) {
    constexpr uint32_t fixed = 40;
    if (x.captured < fixed) [[unlikely]]
        return have(p, x, fixed), not_ip(p, 0);
    if (x.at[0] >> 4 != 6) [[unlikely]]
        return not_ip(p, fault_bad_header);
    p.network = Network::ipv6;
    p.dscp_ecn = static_cast<uint8_t>(load_be16(x.at) >> 4);
    p.ttl = x.at[7];
    p.ip_protocol = x.at[6];
    p.source = Address::v6(x.at + 8);
    p.destination = Address::v6(x.at + 24);
    uint32_t length = load_be16(x.at + 4);
    if (length == 0 && p.ip_protocol != no_next_header) [[unlikely]] {
        // A jumbogram says its length in an option; a packet captured before segmentation offload says none.
        if (p.ip_protocol == extension::hop_by_hop && x.captured >= fixed + 8)
            length = jumbo_length({x.at + fixed, std::min(x.captured - fixed, (x.at[fixed + 1] + 1u) * 8)});
        if (length == 0) length = x.length - fixed;
    }
    // Longer than any frame is no length; and the sum below must not wrap.
    if (length > UINT32_MAX - fixed) {
        p.faults |= fault_bad_length;
        length = x.length - fixed;
    }
    p.ip_length = length + fixed;
    x = limited(p, x, length + fixed);
    p.layer3 = x.bytes();
    x = behind(x, fixed);
    if (is_extension(p.ip_protocol)) [[unlikely]]
        return extensions(p, x);
    transport(p, x);
}

void ip_by_version(Packet& p, Part x) {
    if (!have(p, x, 1)) return;
    switch (x.at[0] >> 4) {
        case 4:
            return ipv4(p, x);
        case 6:
            return ipv6(p, x);
        default:
            not_ip(p, fault_bad_header);
    }
}

void decode_ip(Bytes packet, Packet& p) {
    clear_network(p);
    p.faults = 0;
    p.has_mac = false;
    p.vlan_count = p.mpls_count = p.tunnel_count = p.nesting = 0;
    const auto captured = static_cast<uint32_t>(packet.size());
    ip_by_version(p, {packet.data(), captured, std::max(p.wire_length, captured)});
}

}  // namespace cvf::decode
