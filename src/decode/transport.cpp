// TCP (RFC 9293), UDP (768), UDP-Lite (3828), SCTP (9260), ICMP (792), ICMPv6 (4443), IGMP (3376); the rest is handed to the
// tunnels or left.
#include "decode/layers.h"

namespace cvf::decode {
namespace {

// The ports stand first in all four, and in the part of a cut packet that is most likely there.
void ports(Packet& p, const uint8_t* at) {
    p.source_port = load_be16(at);
    p.destination_port = load_be16(at + 2);
}

void rest(Packet& p, Part x) {
    p.payload = x.bytes();
    p.payload_length = x.length;
}

// A header of `size` bytes that begins with ports. What cannot be read whole still gives its ports. In a first fragment a header
// that ends early is no fault: the other fragments have it.
[[gnu::noinline]] void cut_header(Packet& p, Part x, uint32_t size) {
    if (!p.is_fragment) have(p, x, size);
    if (x.captured >= 4) ports(p, x.at);
}

[[gnu::noinline]] void tcp_options(TcpHeader& tcp, Bytes options) {
    Reader r(options);
    while (r.left() > 0) {
        const uint8_t kind = r.u8();
        if (kind == 0) return;
        if (kind == 1) continue;
        const uint8_t size = r.u8();
        if (size < 2) return;
        Reader value = r.sub(size - 2u);
        if (r.failed()) return;
        switch (kind) {
            case 2:
                tcp.mss = value.u16();
                break;
            case 3:
                if (size == 3) {
                    tcp.has_window_scale = true;
                    tcp.window_scale = std::min<uint8_t>(value.u8(), 14);  // RFC 7323, 2.3
                }
                break;
            case 4:
                tcp.sack_permitted = true;
                break;
            case 30:
                tcp.mptcp = true;
                break;
            default:
                break;
        }
    }
}

void tcp(Packet& p, Part x) {
    constexpr uint32_t fixed = 20;
    if (x.captured < fixed) [[unlikely]]
        return cut_header(p, x, fixed);
    ports(p, x.at);
    const uint32_t header = (x.at[12] >> 4) * 4u;
    const uint8_t flags = x.at[13];
    if (header < fixed) [[unlikely]] {
        p.faults |= fault_bad_header;
        return;
    }
    if (header > x.length) [[unlikely]] {
        if (!p.is_fragment) p.faults |= fault_bad_length;
        return;
    }
    p.has_transport = true;
    p.tcp = TcpHeader{load_be32(x.at + 4), load_be32(x.at + 8), load_be16(x.at + 14), flags, 0, false, false, false, 0};
    p.payload_length = x.length - header;
    if (x.captured >= header) [[likely]]
        p.payload = {x.at + header, x.captured - header};
    else
        p.faults |= fault_truncated;
    if (flags & tcp_syn) [[unlikely]]
        tcp_options(p.tcp, {x.at + fixed, std::min(x.captured, header) - fixed});
}

void udp(Packet& p, Part x) {
    constexpr uint32_t header = 8;
    if (x.captured < header) [[unlikely]]
        return cut_header(p, x, header);
    ports(p, x.at);
    p.has_transport = true;
    const uint32_t length = load_be16(x.at + 4);
    if (p.is_fragment) [[unlikely]]
        return rest(p, behind(x, header));
    if (length >= header) [[likely]]
        x = limited(p, x, length);
    else if (length != 0)  // 0: a jumbogram (RFC 2675), or captured before offload wrote it; the packet's length holds
        p.faults |= fault_bad_length;
    x = behind(x, header);
    rest(p, x);
    const bool tunnel = is_tunnel_port(p.destination_port) || is_tunnel_port(p.source_port) ||
                        (x.captured >= 40 && x.at[0] >> 4 == 6);  // Teredo between any ports
    if (tunnel) [[unlikely]]
        udp_tunnel(p, x);
}

// All but TCP and UDP.
[[gnu::noinline]] void uncommon(Packet& p, Part x) {
    switch (p.ip_protocol) {
        case ip_protocol::udplite:  // has a checksum coverage where UDP has a length
            if (x.captured < 8) return cut_header(p, x, 8);
            ports(p, x.at);
            p.has_transport = true;
            return rest(p, behind(x, 8));
        case ip_protocol::sctp:
            if (x.captured < 12) return cut_header(p, x, 12);
            ports(p, x.at);
            p.has_transport = true;
            return rest(p, behind(x, 12));
        case ip_protocol::icmp:
        case ip_protocol::icmpv6:
        case ip_protocol::igmp:
            rest(p, x);
            p.has_transport = x.captured >= 4 || (!p.is_fragment && have(p, x, 4));
            return;
        case ip_protocol::ipip:
        case ip_protocol::ipv6:
        case ip_protocol::gre:
        case ip_protocol::l2tp:
            rest(p, x);
            if (!p.is_fragment) ip_tunnel(p, x);
            return;
        case ip_protocol::authentication:
            if (!nest(p) || !skip_authentication(p, x)) return rest(p, x);
            return transport(p, x);
        default:
            return rest(p, x);
    }
}

}  // namespace

bool skip_authentication(Packet& p, Part& x) {
    if (!have(p, x, 8)) return false;
    const uint32_t size = (x.at[1] + 2u) * 4;
    if (!have(p, x, size)) return false;
    p.ip_protocol = x.at[0];
    x = behind(x, size);
    return true;
}

void transport(Packet& p, Part x) {
    if (p.ip_protocol == ip_protocol::tcp) [[likely]]
        return tcp(p, x);
    if (p.ip_protocol == ip_protocol::udp) [[likely]]
        return udp(p, x);
    uncommon(p, x);
}

}  // namespace cvf::decode
