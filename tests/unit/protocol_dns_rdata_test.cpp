// The text form of record data, type by type.
#include <gtest/gtest.h>

#include "dns_messages.h"
#include "fake_context.h"
#include "protocol/dns_rdata.h"

namespace {

using namespace cvf;
using namespace cvf::protocol;
using namespace std::string_literals;
using test::be16;
using test::be32;

struct Text {
    std::string text;
    bool known;
};

Text write(uint16_t type, std::string_view data, uint16_t klass = 1) {
    // Something in front, so that offsets matter.
    const std::string message = test::header(1, 0x8180, 0, 1) + std::string(data);
    record::Arena arena;
    DnsText text(arena);
    std::string_view out;
    const bool known = write_dns_rdata(test::as_bytes(message), {type, klass, 0, 12, data.size()}, NameForm::as_sent, text, out);
    return {std::string(out), known};
}

TEST(DnsRdata, common_types_read_as_in_a_zone_file) {
    const std::string host = test::wire_name("mx.Example");
    EXPECT_EQ(write(1, "\xc0\x00\x02\x01"s).text, "192.0.2.1");
    EXPECT_EQ(write(28, "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x01").text, "2001:db8::1");
    EXPECT_EQ(write(5, host).text, "mx.Example");
    EXPECT_EQ(write(15, be16(10) + host).text, "10 mx.Example");
    EXPECT_EQ(write(16,
                    "\x04"
                    "a\"b\\"
                    "\x00\x02"
                    "\xc3z"s)
                  .text,
              R"("a\"b\\" "" "\195z")");
    EXPECT_EQ(write(6, host + host + be32(1) + be32(2) + be32(3) + be32(4) + be32(5)).text, "mx.Example mx.Example 1 2 3 4 5");
    EXPECT_EQ(write(33, be16(1) + be16(2) + be16(443) + host).text, "1 2 443 mx.Example");
    EXPECT_EQ(write(13,
                    "\x03"
                    "CPU"
                    "\x02"
                    "OS")
                  .text,
              R"("CPU" "OS")");
    EXPECT_EQ(write(35, be16(1) + be16(2) +
                            "\x01u\x07"
                            "E2U+sip"
                            "\x00"s +
                            "\0"s)
                  .text,
              R"(1 2 "u" "E2U+sip" "" .)");
    EXPECT_EQ(write(256, be16(1) + be16(2) + "http://h/").text, R"(1 2 "http://h/")");
    EXPECT_EQ(write(257, "\x80\x05issueca.example").text, R"(128 issue "ca.example")");
}

TEST(DnsRdata, rare_types_read_as_in_a_zone_file) {
    const std::string host = test::wire_name("h.Example");
    EXPECT_EQ(write(11, "\xc0\x00\x02\x01\x06\x00\x00\x04\x40"s).text, "192.0.2.1 6 21 25");
    EXPECT_EQ(write(19,
                    "\x03"
                    "311"s)
                  .text,
              R"("311")");
    EXPECT_EQ(write(20,
                    "\x03"
                    "150\x03"
                    "004"s)
                  .text,
              R"("150" "004")");
    EXPECT_EQ(write(20,
                    "\x03"
                    "150"s)
                  .text,
              R"("150")");
    EXPECT_EQ(write(26, be16(10) + host + host).text, "10 h.Example h.Example");
    EXPECT_EQ(write(27,
                    "\x03-32\x03"
                    "116\x02"
                    "10"s)
                  .text,
              R"("-32" "116" "10")");
    EXPECT_EQ(write(42, be16(1) + "\x15\x03\xc0\x00\x20"s + be16(2) + "\x08\x81\xff"s).text, "1:192.0.32.0/21 !2:ff00::/8");
    EXPECT_FALSE(write(42, be16(1) + "\x21\x00"s).known) << "a prefix longer than the address";
    EXPECT_EQ(write(66, be16(59) + "\x01"s + be16(5300) + host).text, "CDS 1 5300 h.Example");
    EXPECT_EQ(write(104, be16(10) + "\x00\x14\x4f\xff\xff\x20\xee\x64"s).text, "10 0014:4fff:ff20:ee64");
    EXPECT_FALSE(write(104, be16(10) + "\x00\x14\x4f"s).known);
    const Text ports = write(11, "\xc0\x00\x02\x01\x06"s + std::string(8192, '\xff'));
    EXPECT_TRUE(ports.known);
    EXPECT_TRUE(ports.text.ends_with(" 254 255 ...")) << ports.text;
}

TEST(DnsRdata, security_types_read_as_in_a_zone_file) {
    EXPECT_EQ(write(43, be16(60485) + "\x05\x01\x2b\xb1").text, "60485 5 1 2BB1");
    EXPECT_EQ(write(48, be16(256) + "\x03\x05"
                                    "key!")
                  .text,
              "256 3 5 a2V5IQ==");
    EXPECT_EQ(write(46, be16(1) + "\x05\x03"s + be32(86400) + be32(1048354263) + be32(1045762263) + be16(2642) +
                            test::wire_name("example.com") + "sig")
                  .text,
              "A 5 3 86400 20030322173103 20030220173103 2642 example.com c2ln");
    // RFC 4034 4.3: A MX RRSIG NSEC TYPE1234.
    EXPECT_EQ(write(47, test::wire_name("host.example.com") + "\x00\x06\x40\x01\x00\x00\x00\x03\x04\x1b"s +
                            std::string(26, '\0') + "\x20")
                  .text,
              "host.example.com A MX RRSIG NSEC TYPE1234");
    EXPECT_EQ(write(50, "\x01\x01"s + be16(12) + "\x04\xaa\xbb\xcc\xdd" +
                            "\x05"
                            "fooba" +
                            "\x00\x01\x40"s)
                  .text,
              "1 1 12 AABBCCDD CPNMUOJ1 A");
    EXPECT_EQ(write(51, "\x01\x00"s + be16(0) + "\x00"s).text, "1 0 0 -");
    EXPECT_EQ(write(52, "\x03\x01\x01\xab").text, "3 1 1 AB");
    EXPECT_EQ(write(44, "\x02\x01\x12\x34").text, "2 1 1234");
}

TEST(DnsRdata, service_parameters_have_their_names) {
    const auto parameter = [](uint16_t key, std::string_view value) {
        return be16(key) + be16(static_cast<uint32_t>(value.size())) + std::string(value);
    };
    EXPECT_EQ(
        write(65, be16(1) + "\0"s + parameter(1, "\x02h2\x02h3") + parameter(3, be16(8443)) + parameter(4, "\x01\x02\x03\x04") +
                      parameter(5, "ech") + parameter(6, std::string(15, '\0') + "\x01") + parameter(667, "hi"))
            .text,
        R"(1 . alpn="h2,h3" port=8443 ipv4hint=1.2.3.4 ech=ZWNo ipv6hint=::1 key667="hi")");
    EXPECT_EQ(write(64, be16(0) + test::wire_name("svc.test")).text, "0 svc.test");
    EXPECT_EQ(write(65, be16(1) + "\0"s + parameter(0, be16(1) + be16(3)) + parameter(2, "")).text,
              "1 . mandatory=alpn,port no-default-alpn");
    EXPECT_FALSE(write(65, be16(1) + "\0"s + parameter(3, "x")).known);
}

TEST(DnsRdata, locations_read_as_degrees) {
    // RFC 1876 4: 42 21 54 N 71 06 18 W -24m 30m 10m 10m.
    EXPECT_EQ(
        write(29, "\x00\x33\x13\x13"s + be32(0x80000000u + 152514000) + be32(0x80000000u - 255978000) + be32(10000000 - 2400))
            .text,
        "42 21 54.000 N 71 6 18.000 W -24.00m 30m 10m 10m");
}

TEST(DnsRdata, unknown_and_unfitting_data_is_hex) {
    const Text unknown = write(65280, "\x0a\xff");
    EXPECT_EQ(unknown.text, "\\# 2 0aff");
    EXPECT_TRUE(unknown.known);
    const Text unfitting = write(1, "\x0a\xff");
    EXPECT_EQ(unfitting.text, "\\# 2 0aff");
    EXPECT_FALSE(unfitting.known);
    EXPECT_FALSE(write(1, "\x01\x02\x03\x04\x05").known) << "bytes behind the address";
    EXPECT_FALSE(write(15, be16(1)).known);
    EXPECT_FALSE(write(15, be16(1) + "\x05"
                                     "ab")
                     .known);
    EXPECT_FALSE(write(16,
                       "\x05"
                       "ab")
                     .known);
    EXPECT_EQ(write(1, "\x01\x02\x03\x04", 3).text, "\\# 4 01020304") << "a Chaosnet A is no IPv4 address";
    EXPECT_EQ(write(1, "").text, "");
}

TEST(DnsRdata, a_text_longer_than_the_stack_buffer_is_whole) {
    std::string strings;
    for (int i = 0; i < 200; ++i) strings += "\xff" + std::string(255, '\x01');
    EXPECT_EQ(write(16, strings).text.size(), 200u * (255 * 4 + 2) + 199);
}

TEST(DnsRdata, windows_of_type_bits_come_in_order_and_once) {
    const std::string next = test::wire_name("b.example");
    const std::string low = "\x00\x01\x40"s, high = "\x01\x01\x40"s;
    EXPECT_EQ(write(47, next + low + high).text, "b.example A CAA");
    EXPECT_TRUE(write(47, next + low + high).known);
    for (const std::string& windows : {low + low, high + low}) EXPECT_FALSE(write(47, next + windows).known);
}

TEST(DnsRdata, of_many_types_in_a_bit_map_256_are_written) {
    std::string data = test::wire_name("b.example");
    for (int window = 1; window < 40; ++window) data += static_cast<char>(window) + "\x20"s + std::string(32, '\xff');
    const Text out = write(47, data);
    EXPECT_TRUE(out.known);
    EXPECT_EQ(std::count(out.text.begin(), out.text.end(), ' '), 257);
    EXPECT_TRUE(out.text.ends_with(" TYPE511 ...")) << out.text.substr(out.text.size() - 20);
}

TEST(DnsRdata, times_have_no_clock_of_their_own) {
    const auto signature = [](uint32_t expires) {
        return write(46, be16(1) + "\x08\x02"s + be32(300) + be32(expires) + be32(0) + be16(1) + test::wire_name("e") + "k").text;
    };
    EXPECT_NE(signature(0xffffffff).find(" 21060207062815 19700101000000 "), std::string::npos) << signature(0xffffffff);
    EXPECT_NE(signature(1709164799).find(" 20240228235959 "), std::string::npos) << signature(1709164799);
}

}  // namespace
