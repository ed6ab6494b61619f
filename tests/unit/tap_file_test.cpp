#include "tap/file.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "decode/fragments.h"
#include "pcapng_files.h"

namespace cvf::tap {
namespace {

using pcapng::test::File;
using pcapng::test::Order;
using pcapng::test::pcap_header;
using pcapng::test::pcap_record;

TEST(FileTap, SetsWhatDecodeNeeds) {
    const File file(pcap_header(Order{}, 0xa1b2c3d4, 276) + pcap_record(Order{}, 1, 2, "abc", 9));
    auto tap = FileTap::open(file.path());
    ASSERT_TRUE(tap);
    decode::Packet p;
    ASSERT_TRUE(tap->next(p));
    EXPECT_EQ(p.time, 1'000'002'000);
    EXPECT_EQ(p.wire_length, 9u);
    EXPECT_EQ(p.frame.size(), 3u);
    EXPECT_EQ(p.link, decode::LinkType::linux_sll2);
    EXPECT_FALSE(tap->next(p));
    EXPECT_FALSE(tap->fault());
    EXPECT_EQ(tap->progress().bytes_read, tap->progress().bytes_total);
    EXPECT_EQ(tap->progress().bytes_total, 24 + 16 + 3u);
}

TEST(FileTap, NamesFileOffsetAndFault) {
    const File file(pcap_header(Order{}) + pcap_record(Order{}, 1, 2, "abc") + "rest");
    auto tap = FileTap::open(file.path());
    ASSERT_TRUE(tap);
    decode::Packet p;
    EXPECT_TRUE(tap->next(p));
    EXPECT_FALSE(tap->next(p));
    ASSERT_TRUE(tap->fault());
    EXPECT_EQ(tap->fault()->text(), file.path() + ": byte 43: record header is cut short: 4 bytes of 16");
    EXPECT_FALSE(FileTap::open("/nowhere/at/all"));
}

std::filesystem::path public_capture(const char* file) {
    const char* set = std::getenv("CVF_PCAPS");
    return std::filesystem::path(set ? set : "../shared/pcaps/dev") / file;
}

TEST(FileTap, GivesTunnelsInFragmentsToTheFragmentTable) {
    const auto path = public_capture("zeek__tunnels-gtp-gtp_ext_header.pcap");
    if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there; CVF_PCAPS may name the folder";
    auto tap = FileTap::open(path.string());
    ASSERT_TRUE(tap);
    decode::FragmentTable table;
    decode::Packet p;
    size_t wholes = 0;
    while (tap->next(p)) {
        decode_frame(p);
        ASSERT_TRUE(p.is_fragment);
        const decode::Packet* whole = table.add(p);
        if (whole == nullptr) continue;
        ++wholes;
        EXPECT_EQ(whole->tunnel_count, 1);
        EXPECT_EQ(whole->tunnels[0].type, decode::TunnelType::gtpu);
        EXPECT_EQ(whole->ip_protocol, decode::ip_protocol::tcp);
        EXPECT_EQ(whole->faults, 0);
    }
    EXPECT_EQ(wholes, 1u);
}

// What an independent reader finds in public captures (where they are at hand), as frames with this network layer innermost.
struct Expected {
    const char* file;
    size_t packets, ipv4, ipv6, tunnelled;
};
class PublicCaptures : public testing::TestWithParam<Expected> {};

TEST_P(PublicCaptures, DecodeAsOthersDecodeThem) {
    const auto path = public_capture(GetParam().file);
    if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there; CVF_PCAPS may name the folder";
    auto tap = FileTap::open(path.string());
    ASSERT_TRUE(tap);
    decode::Packet p;
    size_t packets = 0, ipv4 = 0, ipv6 = 0, tunnelled = 0;
    while (tap->next(p)) {
        decode_frame(p);
        ++packets;
        ipv4 += p.network == decode::Network::ipv4;
        ipv6 += p.network == decode::Network::ipv6;
        tunnelled += p.tunnel_count > 0;
    }
    EXPECT_FALSE(tap->fault());
    EXPECT_EQ(packets, GetParam().packets);
    EXPECT_EQ(ipv4, GetParam().ipv4);
    EXPECT_EQ(ipv6, GetParam().ipv6);
    EXPECT_EQ(tunnelled, GetParam().tunnelled);
}

INSTANTIATE_TEST_SUITE_P(
    Dev, PublicCaptures,
    testing::Values(Expected{"zeek__tunnels-vxlan-encapsulated-http.pcap", 12, 12, 0, 12},
                    Expected{"zeek__tunnels-gre-within-gre.pcap", 628, 628, 0, 628}, Expected{"zeek__erspanII.pcap", 4, 4, 0, 4},
                    Expected{"zeek__tunnels-4in6.pcap", 1, 1, 0, 1}, Expected{"arkime__gtp-u.pcap", 102, 102, 0, 102},
                    Expected{"zeek__pppoe.pcap", 65, 0, 25, 0}, Expected{"zeek__mixed-vlan-mpls.pcap", 47, 47, 0, 0},
                    Expected{"zeek__linux_dlt_sll2.pcap", 6, 2, 2, 0}));

}  // namespace
}  // namespace cvf::tap
