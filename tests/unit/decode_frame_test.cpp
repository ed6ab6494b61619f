// Link, network and transport layers.
#include <gtest/gtest.h>

#include "decode_frames.h"

namespace cvf::decode::test {
namespace {

Address host(int last) {
    const uint8_t bytes[] = {10, 0, 0, static_cast<uint8_t>(last)};
    return Address::v4(bytes);
}

TEST(DecodeFrame, ReadsEthernetIpv4Udp) {
    const Decoded d(eth(ipv4(17, udp(1234, 53, "hello"))));
    EXPECT_EQ(d->faults, 0);
    EXPECT_TRUE(d->has_mac);
    EXPECT_EQ(d->source_mac[5], 1);
    EXPECT_EQ(d->destination_mac[5], 2);
    EXPECT_EQ(d->ether_type, 0x0800);
    EXPECT_EQ(d->network, Network::ipv4);
    EXPECT_EQ(d->source, host(1));
    EXPECT_EQ(d->destination, host(2));
    EXPECT_EQ(d->ip_length, 33u);
    EXPECT_FALSE(d->is_fragment);
    EXPECT_TRUE(d->has_transport);
    EXPECT_EQ(d->source_port, 1234);
    EXPECT_EQ(d->destination_port, 53);
    EXPECT_EQ(d.payload(), "hello");
    EXPECT_EQ(d->payload_length, 5u);
    EXPECT_EQ(d->tunnel_count + d->vlan_count + d->mpls_count, 0);
}

TEST(DecodeFrame, DropsEthernetPaddingByTheIpLength) {
    const Decoded d(eth(ipv4(6, tcp(1, 2, tcp_ack, "")) + std::string(6, '\0')));
    EXPECT_EQ(d->faults, 0);
    EXPECT_TRUE(d->payload.empty());
    EXPECT_EQ(d->payload_length, 0u);
}

TEST(DecodeFrame, ReadsTcpOptionsOfSynOnly) {
    const std::string options = octets({2, 4, 5, 0xb4, 4, 2, 1, 3, 3, 7, 30, 4, 0, 0x81, 1, 1});
    const Decoded syn(eth(ipv4(6, tcp(40000, 80, tcp_syn, "", options))));
    EXPECT_EQ(syn->tcp.mss, 1460);
    EXPECT_TRUE(syn->tcp.sack_permitted);
    EXPECT_TRUE(syn->tcp.has_window_scale);
    EXPECT_EQ(syn->tcp.window_scale, 7);
    EXPECT_TRUE(syn->tcp.mptcp);
    EXPECT_EQ(syn->tcp.sequence, 1000u);
    EXPECT_EQ(syn->tcp.acknowledgment, 2000u);
    EXPECT_EQ(syn->tcp.window, 512);
    const Decoded data(eth(ipv4(6, tcp(40000, 80, tcp_ack | tcp_psh, "x", options))));
    EXPECT_EQ(data->tcp.mss, 0);
    EXPECT_FALSE(data->tcp.has_window_scale);
    EXPECT_FALSE(data->tcp.sack_permitted);
    EXPECT_EQ(data->tcp.flags, tcp_ack | tcp_psh);
    EXPECT_EQ(data.payload(), "x");
}

TEST(DecodeFrame, SurvivesBrokenTcpOptions) {
    for (const std::string& options : {octets({2, 0, 0, 0}), octets({2, 1, 0, 0}), octets({2, 40, 1, 1}), octets({1, 1, 1, 3})}) {
        const Decoded d(eth(ipv4(6, tcp(1, 2, tcp_syn, "", options))));
        EXPECT_TRUE(d->has_transport);
        EXPECT_EQ(d->tcp.mss, 0);
    }
}

TEST(DecodeFrame, TakesOffVlanTagsOutermostFirst) {
    const Decoded d(eth(vlan(0x2064, vlan(7, ipv4(17, udp(1, 2, "x")), 0x0800), 0x8100), 0x88a8));
    ASSERT_EQ(d->vlan_count, 2);
    EXPECT_EQ(d->vlans[0], 0x064);
    EXPECT_EQ(d->vlans[1], 7);
    EXPECT_EQ(d->ether_type, 0x0800);
    EXPECT_EQ(d.payload(), "x");
}

TEST(DecodeFrame, CountsNoMoreVlansThanItKeeps) {
    std::string inside = ipv4(17, udp(1, 2, "x"));
    unsigned type = 0x0800;
    for (int i = 0; i < 6; ++i) inside = vlan(static_cast<unsigned>(i), inside, type), type = 0x8100;
    const Decoded d(eth(inside, type));
    EXPECT_EQ(d->vlan_count, 4);
    EXPECT_TRUE(d->faults & fault_too_deep);
    EXPECT_EQ(d.payload(), "x");
}

TEST(DecodeFrame, ReadsMplsLabelsAndGuessesWhatFollows) {
    const std::string labels = be32(100u << 12 | 64) + be32(200u << 12 | 0x100 | 64);
    const Decoded ip(eth(labels + ipv4(17, udp(1, 2, "x")), 0x8847));
    ASSERT_EQ(ip->mpls_count, 2);
    EXPECT_EQ(ip->mpls[0], 100u);
    EXPECT_EQ(ip->mpls[1], 200u);
    EXPECT_EQ(ip.payload(), "x");
    const Decoded wire(eth(labels + be32(0) + eth(ipv4(17, udp(1, 2, "y"))), 0x8847));
    EXPECT_EQ(wire.payload(), "y");
    EXPECT_EQ(wire->source_mac[5], 1) << "of the outermost frame";
}

TEST(DecodeFrame, ReadsPppoeSessions) {
    const std::string inside = octets({0, 0x21}) + ipv4(17, udp(1, 2, "x"));
    const Decoded d(eth(octets({0x11, 0, 0, 9}) + be16(static_cast<unsigned>(inside.size())) + inside, 0x8864));
    EXPECT_EQ(d->network, Network::ipv4);
    EXPECT_EQ(d.payload(), "x");
}

TEST(DecodeFrame, ReadsLlcSnapAndLeavesOtherLlc) {
    const std::string snap = octets({0xaa, 0xaa, 3, 0, 0, 0, 8, 0}) + ipv4(17, udp(1, 2, "x"));
    EXPECT_EQ(Decoded(eth(snap, static_cast<unsigned>(snap.size()))).payload(), "x");
    const Decoded stp(eth(octets({0x42, 0x42, 3}) + std::string(35, '\0'), 38));
    EXPECT_EQ(stp->network, Network::other);
    EXPECT_EQ(stp->faults, 0);
}

TEST(DecodeFrame, ReadsEachLinkType) {
    const std::string v4 = ipv4(17, udp(1, 2, "x"));
    const auto is_read = [&](const std::string& before, LinkType link) {
        const Decoded d(before + v4, link);
        return d->network == Network::ipv4 && d.payload() == "x" && d->faults == 0;
    };
    EXPECT_TRUE(is_read("", LinkType::raw_ip));
    EXPECT_TRUE(is_read("", LinkType::raw_ipv4));
    EXPECT_TRUE(is_read(octets({2, 0, 0, 0}), LinkType::null_loopback));
    EXPECT_TRUE(is_read(octets({0, 0, 0, 2}), LinkType::null_loopback));
    EXPECT_TRUE(is_read(octets({0, 0, 0, 2}), LinkType::loop));
    EXPECT_TRUE(is_read(octets({0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0}), LinkType::linux_sll));
    EXPECT_TRUE(is_read(octets({8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0}), LinkType::linux_sll2));
    EXPECT_TRUE(is_read(octets({0xff, 3, 0, 0x21}), LinkType::ppp));
    EXPECT_TRUE(is_read(octets({0x21}), LinkType::ppp));
    EXPECT_TRUE(is_read(octets({0x0f, 0, 8, 0}), LinkType::ppp_hdlc));
    EXPECT_TRUE(is_read(octets({0xff, 3, 0, 0x21}), LinkType::ppp_hdlc));
    EXPECT_TRUE(is_read(octets({0x0f, 0, 8, 0}), LinkType::cisco_hdlc));
    EXPECT_TRUE(is_read(octets({1, 0xff, 3, 0, 0x21}), LinkType::ppp_with_direction));
    EXPECT_TRUE(is_read(octets({0xaa, 0xaa, 3, 0, 0, 0, 8, 0}), LinkType::atm_llc));
    EXPECT_TRUE(is_read(octets({0, 0, 12, 0, 101, 0, 0, 0, 1, 2, 3, 4}), LinkType::ppi));
    EXPECT_EQ(Decoded(ipv6(17, udp(1, 2, "x")), LinkType::raw_ipv6).payload(), "x");
    EXPECT_TRUE(Decoded(v4, static_cast<LinkType>(9999))->faults & fault_unknown_link);
}

// Attributes before the packet, of a machine of either byte order; a prefix of five bytes is padded to eight.
TEST(DecodeFrame, ReadsWhatNetfilterLogs) {
    const std::string v4 = ipv4(17, udp(1, 2, "x"));
    const auto size = static_cast<int>(v4.size() + 4);
    const Decoded little(octets({2, 0, 0, 7, 9, 0, 10, 0, 'a', 'b', 'c', 'd', 0, 0, 0, 0, size, 0, 9, 0}) + v4, LinkType::nflog);
    EXPECT_EQ(little.payload(), "x");
    EXPECT_EQ(little->faults, 0);
    const Decoded big(octets({2, 0, 0, 7, 0, 9, 0, 10, 'a', 'b', 'c', 'd', 0, 0, 0, 0, 0, size, 0, 9}) + v4, LinkType::nflog);
    EXPECT_EQ(big.payload(), "x");
    EXPECT_TRUE(Decoded(octets({2, 0, 0, 7, 2, 0, 9, 0}), LinkType::nflog)->faults & fault_bad_length);
    EXPECT_EQ(Decoded(octets({2, 0, 0, 7, 8, 0, 10, 0, 'a', 'b', 'c', 'd'}), LinkType::nflog)->network, Network::other);
}

TEST(DecodeFrame, FollowsCiscoFabricPath) {
    const std::string inner = eth(ipv4(17, udp(1, 2, "x")));
    const Decoded d(eth(octets({0, 1}) + inner, 0x8903));
    EXPECT_EQ(d.payload(), "x");
    EXPECT_EQ(d->faults, 0);
}

// Frame control, duration, three addresses, sequence.
std::string wireless(int control, int flags) {
    return octets({control, flags, 0, 0, 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 0xbb, 2, 0, 0, 0, 0, 1, 0, 0});
}
const std::string snap_v4 = octets({0xaa, 0xaa, 3, 0, 0, 0, 8, 0});

TEST(DecodeFrame, ReadsWirelessDataFrames) {
    const std::string inside = snap_v4 + ipv4(17, udp(1, 2, "x"));
    const Decoded from_ap(wireless(0x08, 2) + inside, LinkType::ieee80211);
    EXPECT_EQ(from_ap.payload(), "x");
    EXPECT_EQ(from_ap->source_mac[5], 1);
    EXPECT_EQ(from_ap->destination_mac[5], 2);
    const Decoded qos(wireless(0x88, 2) + be16(0) + inside, LinkType::ieee80211);
    EXPECT_EQ(qos.payload(), "x");
    const Decoded four(wireless(0x08, 3) + std::string(6, '\7') + inside, LinkType::ieee80211);
    EXPECT_EQ(four.payload(), "x");
    EXPECT_EQ(four->source_mac[5], 7);
    const Decoded aggregate(
        wireless(0x88, 2) + octets({0x80, 0}) + std::string(12, '\1') + be16(static_cast<unsigned>(inside.size())) + inside,
        LinkType::ieee80211);
    EXPECT_EQ(aggregate.payload(), "x");
}

TEST(DecodeFrame, ReadsWirelessFramesBehindTheHeadersOfMonitors) {
    const std::string frame = wireless(0x08, 2) + snap_v4 + ipv4(17, udp(1, 2, "x"));
    const std::string avs = octets({0x80, 0x21, 0x10, 1, 0, 0, 0, 64}) + std::string(56, '\0');
    EXPECT_EQ(Decoded(avs + frame, LinkType::ieee80211_avs).payload(), "x");
    EXPECT_EQ(Decoded(avs + frame, LinkType::ieee80211_prism).payload(), "x");
    EXPECT_EQ(Decoded(octets({0, 0, 8, 0, 105, 0, 0, 0}) + frame, LinkType::ppi).payload(), "x");
    // A header within a header within …: bounded.
    std::string nested;
    for (int i = 0; i < 1000; i++) nested += octets({0, 0, 8, 0, 192, 0, 0, 0});
    EXPECT_TRUE(Decoded(nested, LinkType::ppi)->faults & fault_too_deep);
}

TEST(DecodeFrame, LeavesEncryptedAndManagementFrames) {
    const Decoded encrypted(wireless(0x08, 0x42) + snap_v4 + ipv4(17, udp(1, 2, "x")), LinkType::ieee80211);
    EXPECT_EQ(encrypted->network, Network::other);
    const Decoded beacon(wireless(0x80, 0) + std::string(40, '\0'), LinkType::ieee80211);
    EXPECT_EQ(beacon->network, Network::other);
}

TEST(DecodeFrame, ReadsRadiotapFlagsBehindTheTimeStamp) {
    // Two bitmap words, a time stamp aligned to eight, flags saying: check sequence at the end, header padded.
    const std::string radiotap =
        octets({0, 0, 25, 0, 3, 0, 0, 0x80, 0, 0, 0, 0}) + std::string(4, '\0') + std::string(8, '\0') + octets({0x30});
    const Decoded d(radiotap + wireless(0x88, 2) + be16(0) + be16(0) + snap_v4 + ipv4(17, udp(1, 2, "x")) + be32(0xdeadbeef),
                    LinkType::ieee80211_radiotap);
    EXPECT_EQ(d.payload(), "x");
    EXPECT_EQ(d->faults, 0);
}

TEST(DecodeFrame, GivesArpAndLldpAsPayloadOfTheLink) {
    const Decoded arp(eth(std::string(28, '\1'), 0x0806));
    EXPECT_EQ(arp->network, Network::arp);
    EXPECT_EQ(arp->layer3.size(), 28u);
    EXPECT_FALSE(arp->has_transport);
    EXPECT_EQ(Decoded(eth(std::string(30, '\1'), 0x88cc))->network, Network::lldp);
}

TEST(DecodeFrame, SaysTruncatedWhenTheSnapLengthCutIt) {
    const std::string whole = eth(ipv4(17, udp(1, 2, std::string(100, 'x'))));
    const Decoded d(whole.substr(0, 60), LinkType::ethernet, static_cast<uint32_t>(whole.size()));
    EXPECT_EQ(d->faults, fault_truncated);
    EXPECT_EQ(d->payload.size(), 18u);
    EXPECT_EQ(d->payload_length, 100u);
    // Cut in the transport header: the ports are there, the header is not.
    const Decoded header(whole.substr(0, 40), LinkType::ethernet, static_cast<uint32_t>(whole.size()));
    EXPECT_FALSE(header->has_transport);
    EXPECT_EQ(header->source_port, 1);
    EXPECT_EQ(header->faults, fault_truncated);
}

TEST(DecodeFrame, SaysBadLengthWhenTheHeaderLies) {
    const Decoded longer(eth(ipv4(17, udp(1, 2, "x"), {.length = 500})));
    EXPECT_EQ(longer->faults, fault_bad_length);
    EXPECT_EQ(longer.payload(), "x");
    const Decoded shorter(eth(ipv4(17, udp(1, 2, "x"), {.length = 10})));
    EXPECT_TRUE(shorter->faults & fault_bad_length);
    EXPECT_FALSE(shorter->has_transport);
    const Decoded datagram(eth(ipv4(17, udp(1, 2, "x", 4))));
    EXPECT_EQ(datagram->faults, fault_bad_length);
    EXPECT_EQ(datagram.payload(), "x");
}

TEST(DecodeFrame, SaysBadHeaderWhenItIsNoIpOrTcp) {
    std::string wrong = ipv4(17, udp(1, 2, "x"));
    wrong[0] = 0x44;
    const Decoded ip(eth(wrong));
    EXPECT_EQ(ip->network, Network::other);
    EXPECT_EQ(ip->faults, fault_bad_header);
    std::string segment = tcp(1, 2, 0, "");
    segment[12] = 0x10;
    const Decoded d(eth(ipv4(6, segment)));
    EXPECT_EQ(d->faults, fault_bad_header);
    EXPECT_FALSE(d->has_transport);
}

TEST(DecodeFrame, TakesTheFrameLengthWhereOffloadLeftNone) {
    const Decoded v4(eth(ipv4(6, tcp(1, 2, tcp_ack, std::string(3000, 'x')), {.length = 0})));
    EXPECT_EQ(v4->faults, 0);
    EXPECT_EQ(v4->payload_length, 3000u);
    const Decoded v6(eth(ipv6(6, tcp(1, 2, tcp_ack, std::string(3000, 'x')), 0), 0x86dd));
    EXPECT_EQ(v6->payload_length, 3000u);
}

TEST(DecodeFrame, SkipsIpv4OptionsAndAuthentication) {
    EXPECT_EQ(Decoded(eth(ipv4(17, udp(1, 2, "x"), {.options = std::string(8, '\1')}))).payload(), "x");
    const Decoded d(eth(ipv4(51, octets({17, 4}) + std::string(22, '\0') + udp(1, 2, "x"))));
    EXPECT_EQ(d->ip_protocol, 17);
    EXPECT_EQ(d.payload(), "x");
}

TEST(DecodeFrame, WalksIpv6ExtensionHeaders) {
    const std::string transport = udp(1, 2, "x");
    const std::string chain = octets({43, 0}) + std::string(6, '\0') +    // hop-by-hop
                              octets({60, 0}) + std::string(6, '\0') +    // routing
                              octets({135, 1}) + std::string(14, '\0') +  // destination options
                              octets({51, 0}) + std::string(6, '\0') +    // mobility
                              octets({44, 4}) + std::string(22, '\0') +   // authentication
                              octets({17, 0, 0, 0, 0, 0, 0, 1});          // atomic fragment
    const Decoded d(eth(ipv6(0, chain + transport), 0x86dd));
    EXPECT_EQ(d->ip_protocol, 17);
    EXPECT_FALSE(d->is_fragment);
    EXPECT_EQ(d.payload(), "x");
    EXPECT_EQ(d->faults, 0);
    const Decoded esp(eth(ipv6(50, "secret"), 0x86dd));
    EXPECT_EQ(esp->ip_protocol, 50);
    EXPECT_FALSE(esp->has_transport);
    EXPECT_EQ(esp.payload(), "secret");
}

TEST(DecodeFrame, StopsAtAnEndlessChainOfExtensions) {
    std::string chain;
    for (int i = 0; i < 40; ++i) chain += octets({60, 0}) + std::string(6, '\0');
    EXPECT_TRUE(Decoded(eth(ipv6(60, chain), 0x86dd))->faults & fault_too_deep);
}

TEST(DecodeFrame, ReadsJumbogramLength) {
    const std::string options = octets({17, 0, 0xc2, 4}) + be32(70000 + 8 + 8);
    const Decoded d(eth(ipv6(0, options + udp(1, 2, std::string(70000, 'x'), 0), 0), 0x86dd));
    EXPECT_EQ(d->faults, 0);
    EXPECT_EQ(d->payload_length, 70000u);
}

TEST(DecodeFrame, GivesSctpChunksAndIcmpMessages) {
    const Decoded sctp(eth(ipv4(132, be16(3868) + be16(4000) + be32(0) + be32(0) + "chunks")));
    EXPECT_EQ(sctp->source_port, 3868);
    EXPECT_EQ(sctp.payload(), "chunks");
    const Decoded icmp(eth(ipv4(1, octets({8, 0, 0, 0, 0, 1, 0, 1}))));
    EXPECT_TRUE(icmp->has_transport);
    EXPECT_EQ(icmp->payload.size(), 8u);
    EXPECT_EQ(icmp->source_port, 0);
    const Decoded lite(eth(ipv4(136, udp(5, 6, "x", 8))));
    EXPECT_EQ(lite->destination_port, 6);
    EXPECT_EQ(lite.payload(), "x");
}

TEST(DecodeFrame, ReadsAnyPrefixOfAFrameWithoutHarm) {
    const std::string whole =
        eth(vlan(1, ipv6(0, octets({6, 0, 0, 0, 0, 0, 0, 0}) + tcp(1, 2, tcp_syn, "hello", octets({2, 4, 5, 0xb4}))), 0x86dd),
            0x8100);
    for (size_t n = 0; n < whole.size(); ++n) {
        const Decoded d(whole.substr(0, n), LinkType::ethernet, static_cast<uint32_t>(whole.size()));
        EXPECT_EQ(d->faults, fault_truncated) << n;
        EXPECT_EQ(d->has_transport, n >= whole.size() - 9) << "a whole TCP header before its options, at " << n;
    }
}

TEST(DecodeIp, ReadsFromTheIpHeaderOn) {
    const std::string bytes = ipv4(6, tcp(1, 2, tcp_ack, "abc"));
    Packet p;
    p.wire_length = static_cast<uint32_t>(bytes.size()) + 4000;
    decode_ip({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, p);
    EXPECT_EQ(as_text(p.payload), "abc");
    EXPECT_FALSE(p.has_mac);
}

}  // namespace
}  // namespace cvf::decode::test
