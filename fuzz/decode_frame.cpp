// Any bytes as a frame of any link type, then as fragments. The first two bytes choose the link type and how much was cut.
#include <cstdint>
#include <cstdlib>

#include "decode/fragments.h"

using namespace cvf::decode;

static void check(const Packet& p) {
    const auto require = [](bool good) {
        if (!good) std::abort();
    };
    require(p.vlan_count <= 4 && p.mpls_count <= 4 && p.tunnel_count <= 4);
    require(p.payload_length >= p.payload.size());
    for (const Bytes b : {p.payload, p.layer3}) {
        volatile uint8_t sink = 0;
        for (const uint8_t v : b) sink = v;  // every byte handed on must be there
        (void)sink;
    }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    constexpr LinkType links[] = {LinkType::ethernet,   LinkType::null_loopback,
                                  LinkType::ppp,        LinkType::raw_ip,
                                  LinkType::ieee80211,  LinkType::loop,
                                  LinkType::linux_sll,  LinkType::ieee80211_prism,
                                  LinkType::ppp_hdlc,   LinkType::ieee80211_radiotap,
                                  LinkType::pppoe,      LinkType::raw_ipv4,
                                  LinkType::linux_sll2, LinkType::raw_ipv6,
                                  LinkType::cisco_hdlc, LinkType::ieee80211_avs,
                                  LinkType::ppi,        LinkType::ppp_with_direction,
                                  LinkType::atm_llc,    LinkType::nflog};
    if (size < 2) return 0;
    Packet p;
    p.link = links[data[0] % std::size(links)];
    p.frame = {data + 2, size - 2};
    p.wire_length = static_cast<uint32_t>(size - 2 + data[1]);
    decode_frame(p);
    check(p);

    // The rest as a row of short frames through one table: first byte of each says its length.
    FragmentTable table({.datagrams = 8, .bytes = 64 * 1024});
    size_t at = 2;
    while (at < size) {
        const size_t n = std::min<size_t>(data[at], size - at - 1);
        Packet f;
        f.wire_length = static_cast<uint32_t>(n);
        f.time = static_cast<int64_t>(at);
        decode_ip({data + at + 1, n}, f);
        check(f);
        if (f.is_fragment) {
            if (const Packet* whole = table.add(f)) check(*whole);
        }
        at += n + 1;
    }
    return 0;
}
