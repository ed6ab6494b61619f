// Link layers: which one, its header, its tags, and on to what it carries.
#include "decode/layers.h"

namespace cvf::decode {
namespace {

namespace type {
constexpr uint16_t ipv4 = 0x0800, arp = 0x0806, vlan = 0x8100, qinq = 0x88a8, qinq_old = 0x9100, ipv6 = 0x86dd, mpls = 0x8847,
                   mpls_multicast = 0x8848, pppoe_session = 0x8864, cisco_metadata = 0x8909, vntag = 0x8926, lldp = 0x88cc,
                   fabric_path = 0x8903, provider_backbone = 0x88e7, first = 0x0600;
}

// Linux cooked captures (LINKTYPE_LINUX_SLL and _SLL2 of libpcap). The EtherType field has other meanings for some hardware
// types.
void cooked(Packet& p, Part x, uint16_t hardware, uint16_t address_length, const uint8_t* address, uint16_t protocol) {
    constexpr uint16_t ethernet_hardware = 1, netlink = 824;
    if (hardware == ethernet_hardware && address_length == 6) {
        p.has_mac = true;
        std::memcpy(p.source_mac, address, 6);
        std::memset(p.destination_mac, 0, 6);
    }
    if (hardware == netlink) {
        p.network = Network::other;
        return;
    }
    if (protocol >= type::first) return ether_type(p, x, protocol);
    if (protocol == 4) return llc(p, x);
    p.network = Network::other;
}

void linux_sll(Packet& p, Part x) {
    if (!have(p, x, 16)) return;
    cooked(p, behind(x, 16), load_be16(x.at + 2), load_be16(x.at + 4), x.at + 6, load_be16(x.at + 14));
}

void linux_sll2(Packet& p, Part x) {
    if (!have(p, x, 20)) return;
    cooked(p, behind(x, 20), load_be16(x.at + 8), x.at[11], x.at + 12, load_be16(x.at));
}

// BSD loopback: an address family in the byte order of the machine that captured (NULL) or big-endian (LOOP). AF_INET is 2
// everywhere, AF_INET6 is 10, 24, 28 or 30.
void loopback(Packet& p, Part x) {
    if (!have(p, x, 4)) return;
    uint32_t address_family = load_be32(x.at);
    if (address_family > 0xffff) address_family = load_le32(x.at);
    switch (address_family) {
        case 2:
            return ipv4(p, behind(x, 4));
        case 10:
        case 24:
        case 28:
        case 30:
            return ipv6(p, behind(x, 4));
        default:
            p.network = Network::other;
    }
}

// Address, control, an EtherType.
void cisco_hdlc(Packet& p, Part x) {
    if (have(p, x, 4)) ether_type(p, behind(x, 4), load_be16(x.at + 2));
}

// LINKTYPE_PPP_HDLC: PPP, or Cisco HDLC, whose address is 0x0f or 0x8f.
void ppp_hdlc(Packet& p, Part x) {
    if (!have(p, x, 4)) return;
    if (x.at[0] == 0x0f || x.at[0] == 0x8f) return cisco_hdlc(p, x);
    ppp(p, x);
}

// What netfilter logs (LINKTYPE_NFLOG): address family, version, resource; then attributes, one of which is the packet. Each has
// a length, its four bytes of header included, and a type, in the byte order of the machine that captured, and is padded to four
// bytes. No type is above 255.
void nflog(Packet& p, Part x) {
    constexpr uint16_t payload = 9;
    if (!have(p, x, 4)) return;
    p.network = Network::other;
    for (x = behind(x, 4); have(p, x, 4);) {
        const bool big_endian = x.at[2] == 0;
        const uint32_t size = big_endian ? load_be16(x.at) : load_le16(x.at);
        const uint8_t type = x.at[big_endian ? 3 : 2];
        if (size < 4) {
            p.faults |= fault_bad_length;
            return;
        }
        if (type == payload) return ip_by_version(p, limited(p, behind(x, 4), size - 4));
        const uint32_t padded = (size + 3) / 4 * 4;
        if (!have(p, x, padded)) return;
        x = behind(x, padded);
    }
}

void add_vlan(Packet& p, uint16_t tag) {
    if (p.vlan_count < std::size(p.vlans))
        p.vlans[p.vlan_count++] = tag & 0x0fff;
    else
        p.faults |= fault_too_deep;
}

// Everything but IPv4. Tags are taken off in a loop; their number is bounded by the frame.
void uncommon_type(Packet& p, Part x, uint16_t ether) {
    for (;;) {
        p.ether_type = ether;
        switch (ether) {
            case type::ipv4:
                return ipv4(p, x);
            case type::ipv6:
                return ipv6(p, x);
            case type::vlan:
            case type::qinq:
            case type::qinq_old:
                if (!have(p, x, 4)) break;
                add_vlan(p, load_be16(x.at));
                ether = load_be16(x.at + 2);
                x = behind(x, 4);
                if (ether < type::first) return p.ether_type = 0, llc(p, limited(p, x, ether));
                continue;
            case type::vntag:  // IEEE 802.1BR, as VMware and Cisco send it: four bytes, then an EtherType
                if (!have(p, x, 6)) break;
                ether = load_be16(x.at + 4);
                x = behind(x, 6);
                continue;
            case type::cisco_metadata:  // security group tag: version, length, option, tag, then an EtherType
                if (!have(p, x, 8)) break;
                ether = load_be16(x.at + 6);
                x = behind(x, 8);
                continue;
            case type::arp:
            case type::lldp:
                p.network = ether == type::arp ? Network::arp : Network::lldp;
                p.layer3 = x.bytes();
                p.payload_length = x.length;
                if (x.captured < x.length) p.faults |= fault_truncated;
                return;
            case type::mpls:
            case type::mpls_multicast:
                return mpls(p, x);
            case type::pppoe_session:
                return pppoe_session(p, x);
            case type::fabric_path:  // Cisco: tag and hops, then a whole frame
                if (!have(p, x, 2)) break;
                return ethernet(p, behind(x, 2));
            case type::provider_backbone:  // IEEE 802.1ah I-TAG: flags and service id, then a whole frame
                if (!have(p, x, 4)) break;
                return ethernet(p, behind(x, 4));
            default:
                break;
        }
        p.network = Network::other;
        return;
    }
}

}  // namespace

void ether_type(Packet& p, Part x, uint16_t ether) {
    if (ether == type::ipv4) [[likely]] {
        p.ether_type = ether;
        return ipv4(p, x);
    }
    if (ether == type::ipv6) [[likely]] {
        p.ether_type = ether;
        return ipv6(p, x);
    }
    uncommon_type(p, x, ether);
}

void ethernet(Packet& p, Part x) {
    p.network = Network::other;
    if (!nest(p) || !have(p, x, 14)) return;
    const uint16_t ether = load_be16(x.at + 12);
    x = behind(x, 14);
    if (ether >= type::first) return ether_type(p, x, ether);
    if (ether <= 1500) return llc(p, limited(p, x, ether));
}

void llc(Packet& p, Part x) {
    p.network = Network::other;
    if (!have(p, x, 3)) return;
    const uint8_t dsap = x.at[0], ssap = x.at[1], control = x.at[2];
    if (dsap == 0x06 && ssap == 0x06 && control == 3) return ipv4(p, behind(x, 3));
    if (dsap != 0xaa || ssap != 0xaa || control != 3 || !have(p, x, 8)) return;
    // SNAP (IEEE 802). RFC 1042 and, for bridges (802.1H), 00-00-F8 carry EtherTypes; other organisations number as they like.
    const uint32_t organisation = load_be24(x.at + 3);
    if (organisation == 0 || organisation == 0x0000f8) return ether_type(p, behind(x, 8), load_be16(x.at + 6));
}

namespace {

void decode_link(Packet& p, Part x, LinkType link);

// Per-packet information (CACE Technologies): version, flags, length and link type of what follows, all little-endian.
void ppi(Packet& p, Part x) {
    if (!nest(p) || !have(p, x, 8)) return;
    const uint32_t size = load_le16(x.at + 2), link = load_le32(x.at + 4);
    if (size < 8) {
        p.faults |= fault_bad_length;
        return;
    }
    if (!have(p, x, size)) return;
    decode_link(p, behind(x, size), static_cast<LinkType>(std::min(link, 0xffffu)));
}

void decode_link(Packet& p, Part x, LinkType link) {
    switch (link) {
        case LinkType::ethernet:
            return ethernet(p, x);
        case LinkType::null_loopback:
        case LinkType::loop:
            return loopback(p, x);
        case LinkType::raw_ip:
            return ip_by_version(p, x);
        case LinkType::raw_ipv4:
            return ipv4(p, x);
        case LinkType::raw_ipv6:
            return ipv6(p, x);
        case LinkType::linux_sll:
            return linux_sll(p, x);
        case LinkType::linux_sll2:
            return linux_sll2(p, x);
        case LinkType::ppp:
            return ppp(p, x);
        case LinkType::ppp_hdlc:
            return ppp_hdlc(p, x);
        case LinkType::pppoe:
            return pppoe_session(p, x);
        case LinkType::ieee80211:
            return ieee80211(p, x);
        case LinkType::ieee80211_radiotap:
            return ieee80211_radiotap(p, x);
        case LinkType::ieee80211_prism:
        case LinkType::ieee80211_avs:
            return ieee80211_prism(p, x);
        case LinkType::ppi:
            return ppi(p, x);
        case LinkType::cisco_hdlc:
            return cisco_hdlc(p, x);
        case LinkType::ppp_with_direction:
            if (have(p, x, 1)) ppp(p, behind(x, 1));
            return;
        case LinkType::atm_llc:
            return llc(p, x);
        case LinkType::nflog:
            return nflog(p, x);
    }
    p.faults |= fault_unknown_link;
}

}  // namespace

void decode_frame(Packet& p) {
    clear_network(p);
    p.faults = 0;
    p.has_mac = false;
    p.vlan_count = p.mpls_count = p.tunnel_count = p.nesting = 0;
    const auto captured = static_cast<uint32_t>(p.frame.size());
    Part x{p.frame.data(), captured, std::max(p.wire_length, captured)};
    if (p.link != LinkType::ethernet) [[unlikely]]
        return decode_link(p, x, p.link);
    if (!have(p, x, 14)) [[unlikely]]
        return;
    p.has_mac = true;
    static_assert(offsetof(Packet, source_mac) == offsetof(Packet, destination_mac) + 6);
    std::memcpy(p.destination_mac, x.at, 6);
    std::memcpy(p.source_mac, x.at + 6, 6);
    const uint16_t ether = load_be16(x.at + 12);
    x = behind(x, 14);
    if (ether >= type::first) [[likely]]
        return ether_type(p, x, ether);
    p.network = Network::other;
    if (ether <= 1500) return llc(p, limited(p, x, ether));
}

}  // namespace cvf::decode
