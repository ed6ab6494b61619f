// Tunnels: inner and outer kept, and plain packets where the inside is nothing.
#include <gtest/gtest.h>

#include "decode_frames.h"

namespace cvf::decode::test {
namespace {

const std::string inner_v4 = ipv4(17, udp(7, 8, "in"), {.source = 11, .destination = 12});
const std::string inner_v6 = ipv6(17, udp(7, 8, "in"));

void expect_inside(const Decoded& d, TunnelType type, int64_t id) {
    ASSERT_EQ(d->tunnel_count, 1);
    const Tunnel& t = d->tunnels[0];
    EXPECT_EQ(t.type, type);
    EXPECT_EQ(t.has_id, id >= 0);
    EXPECT_EQ(t.id, id >= 0 ? static_cast<uint32_t>(id) : 0);
    EXPECT_TRUE(d->has_transport);
    EXPECT_EQ(d->source_port, 7);
    EXPECT_EQ(d.payload(), "in");
    EXPECT_EQ(d->faults, 0);
}

TEST(DecodeTunnel, ReadsVxlan) {
    const Decoded d(eth(ipv4(17, udp(50000, 4789, octets({8, 0, 0, 0, 0, 0x12, 0x34, 0}) + eth(inner_v4)))));
    expect_inside(d, TunnelType::vxlan, 0x1234);
    EXPECT_EQ(d->tunnels[0].family, 4);
    EXPECT_EQ(d->tunnels[0].source.bytes[3], 1);
    EXPECT_EQ(d->tunnels[0].destination_port, 4789);
    EXPECT_EQ(d->source.bytes[3], 11);
}

TEST(DecodeTunnel, ReadsGeneveWithOptions) {
    const std::string header = octets({1, 0, 0x65, 0x58, 0, 0, 10, 0, 1, 2, 3, 0});
    expect_inside(Decoded(eth(ipv4(17, udp(50000, 6081, header + eth(inner_v4))))), TunnelType::geneve, 10);
}

TEST(DecodeTunnel, ReadsGreWithAllItsFields) {
    expect_inside(Decoded(eth(ipv4(47, octets({0, 0, 8, 0}) + inner_v4))), TunnelType::gre, -1);
    const std::string header = octets({0xb0, 0, 0x86, 0xdd}) + be32(0) + be32(77) + be32(1);
    expect_inside(Decoded(eth(ipv4(47, header + inner_v6))), TunnelType::gre, 77);
    const std::string routed = octets({0x40, 0, 8, 0}) + be32(0) + octets({8, 0, 0, 4, 1, 2, 3, 4, 0, 0, 0, 0});
    expect_inside(Decoded(eth(ipv4(47, routed + inner_v4))), TunnelType::gre, -1);
}

TEST(DecodeTunnel, TellsNvgreFromBridgedGre) {
    expect_inside(Decoded(eth(ipv4(47, octets({0x20, 0, 0x65, 0x58, 0, 0, 5, 9}) + eth(inner_v4)))), TunnelType::nvgre, 5);
    expect_inside(Decoded(eth(ipv4(47, octets({0, 0, 0x65, 0x58}) + eth(inner_v4)))), TunnelType::gre, -1);
}

TEST(DecodeTunnel, ReadsErspanOfAllTypes) {
    expect_inside(Decoded(eth(ipv4(47, octets({0, 0, 0x88, 0xbe}) + eth(inner_v4)))), TunnelType::erspan, -1);
    const std::string two = octets({0x10, 0, 0x88, 0xbe}) + be32(1) + octets({0x10, 0, 0, 100, 0, 0, 0, 0});
    expect_inside(Decoded(eth(ipv4(47, two + eth(inner_v4)))), TunnelType::erspan, 100);
    const std::string three = octets({0x10, 0, 0x22, 0xeb}) + be32(1) + octets({0x20, 0, 0, 101, 0, 0, 0, 0, 0, 0, 0, 0});
    expect_inside(Decoded(eth(ipv4(47, three + eth(inner_v4)))), TunnelType::erspan, 101);
    const std::string platform =
        octets({0x10, 0, 0x22, 0xeb}) + be32(1) + octets({0x20, 0, 0, 101, 0, 0, 0, 0, 0, 0, 0, 1}) + std::string(8, '\0');
    expect_inside(Decoded(eth(ipv4(47, platform + eth(inner_v4)))), TunnelType::erspan, 101);
}

TEST(DecodeTunnel, ReadsIpInIpOfAllFourKinds) {
    expect_inside(Decoded(eth(ipv4(4, inner_v4))), TunnelType::ipip, -1);
    expect_inside(Decoded(eth(ipv4(41, inner_v6))), TunnelType::sixin4, -1);
    expect_inside(Decoded(eth(ipv6(4, inner_v4), 0x86dd)), TunnelType::fourin6, -1);
    expect_inside(Decoded(eth(ipv6(41, inner_v6), 0x86dd)), TunnelType::sixin6, -1);
}

TEST(DecodeTunnel, ReadsTeredoWithAuthenticationAndOrigin) {
    const std::string authentication = octets({0, 1, 0, 0}) + std::string(9, '\0'), origin = std::string(8, '\0');
    expect_inside(Decoded(eth(ipv4(17, udp(3544, 50000, inner_v6)))), TunnelType::teredo, -1);
    expect_inside(Decoded(eth(ipv4(17, udp(50000, 3544, authentication + origin + inner_v6)))), TunnelType::teredo, -1);
    const std::string teredo_address = ipv6(17, udp(7, 8, "in"), -1, 0x20010000);
    expect_inside(Decoded(eth(ipv4(17, udp(50000, 50001, teredo_address)))), TunnelType::teredo, -1);
    EXPECT_EQ(Decoded(eth(ipv4(17, udp(50000, 50001, inner_v6))))->tunnel_count, 0) << "no Teredo address, no Teredo port";
}

TEST(DecodeTunnel, ReadsGtpWithExtensionHeaders) {
    const auto gtp = [](int flags, const std::string& inside) {
        return octets({flags, 0xff}) + be16(static_cast<unsigned>(inside.size())) + be32(0xabcd) + inside;
    };
    expect_inside(Decoded(eth(ipv4(17, udp(2152, 2152, gtp(0x30, inner_v4))))), TunnelType::gtpu, 0xabcd);
    const std::string extended = octets({0, 0, 0, 0x85, 1, 0x10, 9, 0x85, 2, 0, 0, 0, 0, 0, 0, 0}) + inner_v6;
    expect_inside(Decoded(eth(ipv4(17, udp(2152, 2152, gtp(0x34, extended))))), TunnelType::gtpu, 0xabcd);
    std::string liar = gtp(0x30, inner_v4);
    liar[2] = 9;
    const Decoded long_length(eth(ipv4(17, udp(2152, 2152, liar))));
    EXPECT_EQ(long_length->tunnel_count, 1);
    EXPECT_EQ(long_length->faults, fault_bad_length);
    EXPECT_EQ(long_length.payload(), "in");
    const Decoded loop(eth(ipv4(17, udp(2152, 2152, gtp(0x34, octets({0, 0, 0, 0x85, 0, 0, 0, 0x85}) + inner_v4)))));
    EXPECT_EQ(loop->tunnel_count, 0) << "an extension of no length";
}

TEST(DecodeTunnel, ReadsL2tpAndPptp) {
    const std::string ppp = octets({0xff, 3, 0, 0x21}) + inner_v4;
    const std::string data = be16(0x4002) + be16(static_cast<unsigned>(8 + ppp.size())) + be16(5) + be16(6) + ppp;
    expect_inside(Decoded(eth(ipv4(17, udp(1701, 1701, data)))), TunnelType::l2tp, 5 << 16 | 6);
    const std::string offset = be16(0x0a02) + be16(5) + be16(6) + be32(0) + be16(2) + be16(0) + ppp;
    expect_inside(Decoded(eth(ipv4(17, udp(1701, 1701, offset)))), TunnelType::l2tp, 5 << 16 | 6);
    const std::string three = be32(99) + be32(0) + eth(inner_v4);
    expect_inside(Decoded(eth(ipv4(115, three))), TunnelType::l2tp, 99);
    const Decoded over_udp(eth(ipv4(17, udp(1701, 1701, be32(3u << 16) + three))));
    expect_inside(over_udp, TunnelType::l2tp, 99);
    EXPECT_EQ(over_udp->tunnels[0].source_port, 1701);
    const std::string pptp =
        octets({0x30, 0x81, 0x88, 0x0b}) + be16(static_cast<unsigned>(ppp.size())) + be16(3) + be32(1) + be32(1) + ppp;
    expect_inside(Decoded(eth(ipv4(47, pptp))), TunnelType::gre, 3);
}

TEST(DecodeTunnel, FallsBackToPlainUdpWhenTheInsideIsNothing) {
    for (unsigned port : {4789u, 8472u, 6081u, 2152u, 3544u, 1701u}) {
        const Decoded d(eth(ipv4(17, udp(5000, port, "just some text that is no tunnel, but long enough"))));
        EXPECT_EQ(d->tunnel_count, 0) << port;
        EXPECT_TRUE(d->has_transport);
        EXPECT_EQ(d->destination_port, port);
        EXPECT_EQ(d->source.bytes[3], 1);
        EXPECT_EQ(d->payload.size(), 49u);
        EXPECT_EQ(d->faults, 0);
    }
    const Decoded spanning_tree(eth(ipv4(17, udp(5000, 4789, octets({8, 0, 0, 0, 0, 0, 1, 0}) + eth(std::string(40, 'B'), 38)))));
    EXPECT_EQ(spanning_tree->tunnel_count, 0);
    EXPECT_EQ(spanning_tree->destination_port, 4789);
    const Decoded gre(eth(ipv4(47, octets({0, 0, 0x12, 0x34}) + "xx")));
    EXPECT_EQ(gre->ip_protocol, 47);
    EXPECT_EQ(gre->payload.size(), 6u);
    EXPECT_FALSE(gre->has_transport);
}

TEST(DecodeTunnel, NestsToFourAndSaysWhenThereAreMore) {
    std::string inside = inner_v4;
    for (int i = 0; i < 4; ++i) inside = ipv4(4, inside, {.source = 20 + i});
    const Decoded four(eth(inside));
    EXPECT_EQ(four->tunnel_count, 4);
    EXPECT_EQ(four->tunnels[0].source.bytes[3], 23);
    EXPECT_EQ(four->tunnels[3].source.bytes[3], 20);
    EXPECT_EQ(four->faults, 0);
    EXPECT_EQ(four.payload(), "in");
    const Decoded five(eth(ipv4(4, inside)));
    EXPECT_EQ(five->tunnel_count, 4);
    EXPECT_TRUE(five->faults & fault_too_deep);
    EXPECT_EQ(five->ip_protocol, 4);
}

TEST(DecodeTunnel, BoundsFramesWithinFrames) {
    std::string inside = eth(inner_v4);
    for (int i = 0; i < 300; ++i) inside = eth(be32(0) + inside, 0x88e7);
    EXPECT_TRUE(Decoded(inside)->faults & fault_too_deep);
}

TEST(DecodeTunnel, KeepsTagsOfAllLayers) {
    const Decoded d(
        eth(vlan(1, ipv4(17, udp(5, 4789, octets({8, 0, 0, 0, 0, 0, 1, 0}) + eth(vlan(2, inner_v4), 0x8100)))), 0x8100));
    ASSERT_EQ(d->vlan_count, 2);
    EXPECT_EQ(d->vlans[0], 1);
    EXPECT_EQ(d->vlans[1], 2);
}

}  // namespace
}  // namespace cvf::decode::test
