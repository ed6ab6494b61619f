// What one frame turned out to be. Filled by decode_frame(); a plain value that borrows the frame's bytes.
//
// Never an error: what could not be read is a flag in `faults`, and everything up to there is filled in.
#pragma once

#include <cstdint>

#include "decode/address.h"
#include "decode/bytes.h"

namespace cvf::decode {

// Link types as libpcap numbers them (DLT/LINKTYPE); only those that decode_frame() reads.
enum class LinkType : uint16_t {
    null_loopback = 0,
    ethernet = 1,
    ppp = 9,
    atm_llc = 100,
    raw_ip = 101,
    cisco_hdlc = 104,
    ieee80211 = 105,
    loop = 108,
    linux_sll = 113,
    ieee80211_prism = 119,
    ieee80211_radiotap = 127,
    ieee80211_avs = 163,
    ppi = 192,
    ppp_with_direction = 204,
    ppp_hdlc = 50,
    pppoe = 51,
    raw_ipv4 = 228,
    raw_ipv6 = 229,
    nflog = 239,
    linux_sll2 = 276,
};

enum class TunnelType : uint8_t { none, vxlan, geneve, gre, nvgre, erspan, ipip, sixin4, fourin6, sixin6, teredo, gtpu, l2tp };

// One layer of encapsulation, outermost first in Packet::tunnels.
struct Tunnel {
    TunnelType type = TunnelType::none;
    uint8_t family = 0;  // of the outer addresses, 4 or 6
    bool has_id = false;
    uint32_t id = 0;  // VNI, GRE key, VSID, ERSPAN session, TEID, L2TP tunnel<<16|session
    uint16_t source_port = 0, destination_port = 0;
    Address source, destination;
};

// Facts about a damaged or partial packet.
enum Fault : uint16_t {
    fault_none = 0,
    fault_truncated = 1 << 0,   // the capture's snap length cut it
    fault_bad_length = 1 << 1,  // a header's length does not fit its packet
    fault_bad_header = 1 << 2,  // a header breaks its protocol's rules
    fault_too_deep = 1 << 3,    // more nested tunnels or headers than the limit
    fault_unknown_link = 1 << 4,
};

enum class Network : uint8_t { none, ipv4, ipv6, arp, lldp, other };

// TCP flags as in the header.
enum TcpFlag : uint8_t {
    tcp_fin = 1,
    tcp_syn = 2,
    tcp_rst = 4,
    tcp_psh = 8,
    tcp_ack = 16,
    tcp_urg = 32,
    tcp_ece = 64,
    tcp_cwr = 128
};

struct TcpHeader {
    uint32_t sequence, acknowledgment;
    uint16_t window;
    uint8_t flags;
    // From the options of SYN segments only; zero elsewhere.
    uint8_t window_scale;  // valid when has_window_scale
    bool has_window_scale, sack_permitted, mptcp;
    uint16_t mss;  // 0: none
};

// One object is meant to be used for packet after packet: decode_frame() and decode_ip() clear what must be cleared and no more.
// Arrays and lists are valid up to their count; what stands under a condition below is valid only when the condition holds.
struct Packet {
    // Set by the caller of decode_frame().
    int64_t time = 0;          // ns since 1970 UTC
    uint32_t wire_length = 0;  // bytes on the wire
    uint32_t interface = 0;    // as the tracker numbers interfaces (Tracker::interface); 0: not known
    Bytes frame;               // bytes captured
    LinkType link = LinkType::ethernet;

    // From here to `payload`: cleared for each packet.
    uint16_t faults = 0;
    uint16_t ether_type = 0;  // of the innermost frame, 0 when there was none
    Network network = Network::none;
    bool has_mac = false;
    uint8_t vlan_count = 0, mpls_count = 0, tunnel_count = 0;
    uint8_t nesting = 0;  // headers entered beyond the plain path: decode's own bound

    // Innermost network layer.
    uint8_t ip_protocol = 0;   // after extension headers
    bool is_fragment = false;  // part of a fragmented datagram that is not complete: ports may be missing
    bool more_fragments = false;
    // Innermost transport layer. True: a whole header was there. False with non-zero ports: the header is cut, the ports are not.
    bool has_transport = false;
    uint16_t fragment_offset = 0;                    // bytes, when is_fragment
    uint16_t fragment_count = 0;                     // frames this datagram was put together from; 0: it came in one
    uint16_t source_port = 0, destination_port = 0;  // TCP, UDP, UDP-Lite, SCTP. ICMP: type and code are in `payload`
    uint32_t ip_length = 0;       // by its own header; of offloaded packets without a length there, what was on the wire
    uint32_t payload_length = 0;  // what the headers say; more than payload.size() when truncated
    Bytes layer3;                 // the network layer's whole packet as far as captured (ARP and LLDP: their payload)
    // Captured bytes behind the transport header; ICMP, IGMP: the whole message; SCTP: the chunks; other protocols and later
    // fragments: what stands behind the IP headers.
    Bytes payload;

    // When network is ipv4 or ipv6.
    Address source, destination;
    uint32_t fragment_id = 0;  // when is_fragment
    uint8_t ttl = 0;
    uint8_t dscp_ecn = 0;

    TcpHeader tcp{};  // when has_transport and ip_protocol is 6
    uint8_t destination_mac[6] = {},
            source_mac[6] = {};  // of the outermost frame, when has_mac; SLL: source only, the other zero
    uint16_t vlans[4] = {};      // ids, outermost first, over all layers
    uint32_t mpls[4] = {};       // labels, outermost first
    Tunnel tunnels[4];
};

inline uint8_t family(const Packet& p) {
    return p.network == Network::ipv4 ? 4 : p.network == Network::ipv6 ? 6 : 0;
}

namespace ip_protocol {
inline constexpr uint8_t icmp = 1, igmp = 2, ipip = 4, tcp = 6, udp = 17, ipv6 = 41, gre = 47, authentication = 51, icmpv6 = 58,
                         l2tp = 115, sctp = 132, udplite = 136;
}

// Reads `frame` into `out`, whose time, wire_length, frame, link and interface the caller has set. Fragments: the caller hands
// packets with is_fragment to a FragmentTable (fragments.h), which gives back whole datagrams.
void decode_frame(Packet& out);

// The same for bytes that begin with an IP header; used for the endpoint tap. The caller has set time, interface and wire_length,
// here the length of the whole packet from its IP header on (not less than packet.size()). `frame` and `link` are neither read
// nor written.
void decode_ip(Bytes packet, Packet& out);

}  // namespace cvf::decode
