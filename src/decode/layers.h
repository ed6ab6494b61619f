// How the layers call each other. Private to the room: outside, packet.h is all there is.
//
// Each function reads one layer from a Part and goes on to the next by a tail call. The way Ethernet, IPv4, TCP or UDP is the one
// that must be cheap; everything else may cost a little more.
#pragma once

#include <algorithm>

#include "decode/packet.h"

namespace cvf::decode {

// Some bytes of a layer: `captured` of them are there, `length` were on the wire by the header around it. captured <= length,
// always. Sixteen bytes, so that it travels in two registers.
struct Part {
    const uint8_t* at;
    uint32_t captured;
    uint32_t length;

    Bytes bytes() const { return {at, captured}; }
};

// What follows the first n bytes, which must be captured.
inline Part behind(Part x, uint32_t n) {
    return {x.at + n, x.captured - n, x.length - n};
}

// True when n bytes are captured; else says why not.
inline bool have(Packet& p, Part x, uint32_t n) {
    if (x.captured >= n) [[likely]]
        return true;
    p.faults |= x.length >= n ? fault_truncated : fault_bad_length;
    return false;
}

// The first n bytes, n being what a length field says.
inline Part limited(Packet& p, Part x, uint32_t n) {
    if (n <= x.captured) [[likely]]
        return {x.at, n, n};
    if (n <= x.length) {
        p.faults |= fault_truncated;
        return {x.at, x.captured, n};
    }
    p.faults |= fault_bad_length;
    if (x.length > x.captured) p.faults |= fault_truncated;
    return x;
}

// Ready for another frame inside or instead of the one read so far: all but tunnels, tags and what concerns the outermost frame.
inline void clear_network(Packet& p) {
    p.ether_type = 0;
    p.network = Network::none;
    p.ip_protocol = 0;
    p.is_fragment = p.more_fragments = p.has_transport = false;
    p.fragment_offset = p.fragment_count = 0;
    p.source_port = p.destination_port = 0;
    p.ip_length = p.payload_length = 0;
    p.layer3 = p.payload = {};
}

// Counts a step that nests; false when there have been too many in this packet. Never given back, not even when a guess fails, so
// that it bounds all work on one packet.
inline constexpr uint8_t max_nesting = 24;
inline bool nest(Packet& p) {
    if (p.nesting < max_nesting) {
        ++p.nesting;
        return true;
    }
    p.faults |= fault_too_deep;
    return false;
}

// Link and what stands between link and network (frame.cpp, ppp.cpp, mpls.cpp, ieee80211.cpp).
void ethernet(Packet& p, Part x);                        // inner frames: destination, source, type
void ether_type(Packet& p, Part x, uint16_t type);       // what follows an EtherType
void llc(Packet& p, Part x);                             // IEEE 802.2 header
void ppp(Packet& p, Part x);                             // RFC 1661, with or without RFC 1662 address and control
void pppoe_session(Packet& p, Part x);                   // RFC 2516
void mpls(Packet& p, Part x);                            // RFC 3032
void ieee80211(Packet& p, Part x, bool padded = false);  // from the frame control field on
void ieee80211_radiotap(Packet& p, Part x);
void ieee80211_prism(Packet& p, Part x);  // or AVS, which tells itself by a number

// Network (ip.cpp). Network::other with a fault when the bytes are no such packet.
void ipv4(Packet& p, Part x);
void ipv6(Packet& p, Part x);
void ip_by_version(Packet& p, Part x);

// RFC 4302, in IPv4 and IPv6 alike (transport.cpp): takes off the header and sets ip_protocol to what it guards. False when it is
// cut.
bool skip_authentication(Packet& p, Part& x);

// Transport (transport.cpp): p.ip_protocol says which.
void transport(Packet& p, Part x);

// Tunnels. They return with the packet as it was but for faults when the inside cannot be read.
void ip_tunnel(Packet& p,
               Part x);  // tunnel_ip.cpp: p.ip_protocol is one that is_tunnel_protocol() names; x is what follows the IP headers
void udp_tunnel(Packet& p, Part x);  // tunnel_udp.cpp: x is the UDP payload

// Worth a look by udp_tunnel(). The ports are only where to look: the inside decides. Teredo peers may use any port (RFC
// 4380, 5.2).
inline bool is_tunnel_port(uint16_t port) {
    switch (port) {
        case 1701:
        case 2152:
        case 3544:
        case 4789:
        case 6081:
        case 8472:
            return true;
        default:
            return false;
    }
}

// Puts the packet's network layer on the list of tunnels, lets `parse` read the inside, and takes all back when that gives no
// network layer.
template <class Parse>
bool enter(Packet& p, TunnelType type, bool has_id, uint32_t id, Parse parse) {
    if (p.tunnel_count == std::size(p.tunnels)) {
        p.faults |= fault_too_deep;
        return false;
    }
    if (!nest(p)) return false;
    const Packet saved = p;
    Tunnel& t = p.tunnels[p.tunnel_count++];
    t.type = type;
    t.family = family(p);
    t.has_id = has_id;
    t.id = id;
    t.source_port = p.source_port;
    t.destination_port = p.destination_port;
    t.source = p.source;
    t.destination = p.destination;
    clear_network(p);
    parse(p);
    switch (p.network) {
        case Network::ipv4:
        case Network::ipv6:
        case Network::arp:
        case Network::lldp:
            return true;
        case Network::none:
        case Network::other:
            break;
    }
    const uint8_t nesting = p.nesting;
    const uint16_t too_deep = p.faults & fault_too_deep;
    p = saved;
    p.nesting = nesting;
    p.faults |= too_deep;
    return false;
}

}  // namespace cvf::decode
