// What is taken for a pcap-filter expression.
#include "agent/pcap_filter.h"

#include <gtest/gtest.h>

#include <string>

namespace cvf::agent {
namespace {

std::string wrong(std::string_view text) {
    return wrong_with_pcap_filter(text).value_or("");
}

TEST(PcapFilter, what_libpcap_takes_is_right) {
    for (const char* text : {"",
                             "tcp",
                             "tcp port 443",
                             "port http or https",
                             "tcp dst port (ftp or ftp-data) and not host 10.0.0.1",
                             "portrange 6000-6008",
                             "net 10.0.0.0/8",
                             "net 192.168",
                             "host 2001:db8::1",
                             "host fe80::1 or abcd:ef01::",
                             "ether host 00:11:22:aa:bb:cc",
                             "ether host aabb.ccdd.eeff",
                             "ether host aabbccddeeff",
                             "ether host aa-bb-cc-dd-ee-ff",
                             "ip proto \\tcp",
                             "ether proto \\arp",
                             "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0 and not src and dst net 10.0.0.0/8",
                             "icmp[icmptype] != icmp-echo",
                             "icmp6[icmp6type] = icmp6-neighborsolicit",
                             "ip[2:2] > 0x40",
                             "vlan 5 and ip",
                             "greater 100",
                             "len <= 60 || arp",
                             "ip6 protochain 6",
                             "not broadcast and !multicast"})
        EXPECT_EQ(wrong(text), "") << text;
}

TEST(PcapFilter, what_is_wrong_is_told_in_libpcaps_words) {
    EXPECT_EQ(wrong("tcp prot 443"), "can't parse filter expression: syntax error; for 'prot', did you mean port?");
    EXPECT_EQ(wrong("tcp port"), "can't parse filter expression: syntax error");
    EXPECT_NE(wrong("port nosuchport").find("nosuchport"), std::string::npos);
    EXPECT_NE(wrong("tcp port 70000").find("70000"), std::string::npos);
    EXPECT_NE(wrong("host 10.0.0.1.2"), "");
    EXPECT_NE(wrong("\\"), "");
    EXPECT_NE(wrong("tcp \\"), "");
    EXPECT_NE(wrong("host \x01\xff"), "");
}

TEST(PcapFilter, names_of_hosts_are_refused_and_not_looked_up) {
    for (const char* text :
         {"host example.com", "src example.com", "net example.com", "host \\example.com", "tcp port 80 and host example.com",
          "host 10.0.0.1 or example.com", "host (10.0.0.1 or example.com)"})
        EXPECT_NE(wrong(text).find("example.com"), std::string::npos) << text << ": " << wrong(text);
    EXPECT_NE(wrong("host 3com"), "");
    EXPECT_NE(wrong("host cafe"), "");
}

TEST(PcapFilter, what_is_long_or_deep_ends) {
    std::string deep, many;
    for (int i = 0; i < 2000; i++) deep += "(";
    deep += "tcp";
    EXPECT_NE(wrong(deep), "");
    for (int i = 0; i < 300; i++) many += "tcp port 1 or ";
    EXPECT_EQ(wrong(many + "udp"), "");
    EXPECT_NE(wrong(std::string(4096, '!')), "");
}

}  // namespace
}  // namespace cvf::agent
