#include "filter/literal.h"

#include <gtest/gtest.h>

#include <string>

#include "record/text.h"

namespace {

using namespace cvf::filter;

std::string canonical(std::string_view text) {
    const auto ip = parse_ip(text);
    if (!ip) return "invalid";
    char out[64];
    const char* end = cvf::record::write_ip(out, {ip->inline_bytes, ip->short_size});
    return {out, static_cast<size_t>(end - out)};
}

TEST(FilterLiterals, addresses_are_read_in_every_valid_notation) {
    EXPECT_EQ(canonical("10.0.0.1"), "10.0.0.1");
    EXPECT_EQ(canonical("255.255.255.255"), "255.255.255.255");
    EXPECT_EQ(canonical("::"), "::");
    EXPECT_EQ(canonical("::1"), "::1");
    EXPECT_EQ(canonical("1::"), "1::");
    EXPECT_EQ(canonical("2001:DB8:0:0:0:0:0:1"), "2001:db8::1");
    EXPECT_EQ(canonical("1:2:3:4:5:6:7::"), "1:2:3:4:5:6:7:0");
    EXPECT_EQ(canonical("64:ff9b::192.0.2.1"), "64:ff9b::c000:201");
}

TEST(FilterLiterals, what_is_no_address_is_refused) {
    for (const char* text : {"",
                             "1",
                             "1.2.3",
                             "1.2.3.4.5",
                             "256.1.1.1",
                             "01.2.3.4",
                             "1.2.3.4 ",
                             " 1.2.3.4",
                             "1.2.3.",
                             ":",
                             ":::",
                             "1:2",
                             "1::2::3",
                             "12345::",
                             "g::",
                             "1:2:3:4:5:6:7:8:9",
                             "1:2:3:4:5:6:7:8::",
                             "::1:2:3:4:5:6:7:8",
                             "1:",
                             "::1.2.3",
                             "fe80::1%eth0",
                             "1.2.3.4/8",
                             "::1.2.3.4:5"})
        EXPECT_EQ(canonical(text), "invalid") << text;
}

TEST(FilterLiterals, networks_need_a_prefix_length_that_fits) {
    for (const char* text : {"10.0.0.0/8", "10.0.0.5/0", "0.0.0.0/32", "2001:db8::/128"}) EXPECT_TRUE(parse_cidr(text)) << text;
    for (const char* text :
         {"10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/08", "10.0.0.0/-1", "10.0.0.0/8/8", "/8"})
        EXPECT_FALSE(parse_cidr(text)) << text;
}

TEST(FilterLiterals, durations_are_sums_of_numbers_with_units) {
    EXPECT_EQ(parse_duration("1h30m"), 5'400'000'000'000);
    EXPECT_EQ(parse_duration("1.5s"), 1'500'000'000);
    EXPECT_EQ(parse_duration("-100ms"), -100'000'000);
    EXPECT_EQ(parse_duration("+2us3ns"), 2'003);
    EXPECT_EQ(parse_duration("7µs"), 7'000);
    EXPECT_EQ(parse_duration("0"), 0);
    EXPECT_EQ(parse_duration(".5s"), 500'000'000);
    for (const char* text : {"", "1", "s", "1 s", "1d", "-", "1.s.", "9999999999999h", "99999999999999999999s", "1s-"})
        EXPECT_FALSE(parse_duration(text)) << text;
}

TEST(FilterLiterals, times_are_rfc_3339) {
    EXPECT_EQ(parse_timestamp("1970-01-01T00:00:00Z"), 0);
    EXPECT_EQ(parse_timestamp("1969-12-31T23:59:59.5Z"), -500'000'000);
    EXPECT_EQ(parse_timestamp("2026-01-02T03:04:05.000000001Z"), 1'767'323'045'000'000'001);
    EXPECT_EQ(parse_timestamp("2026-01-02T05:34:05+02:30"), parse_timestamp("2026-01-02T03:04:05Z"));
    for (const char* text :
         {"", "2026", "2026-01-02", "2026-13-02T03:04:05Z", "2026-02-30T03:04:05Z", "2026-01-02T24:00:00Z", "2026-01-02T03:04:05",
          "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05.1234567890Z", "2026-01-02T03:04:05Zx", "9999-01-02T03:04:05Z"})
        EXPECT_FALSE(parse_timestamp(text)) << text;
}

TEST(FilterLiterals, hardware_addresses_take_both_separators) {
    EXPECT_TRUE(parse_mac("00-1B-21-3c-4d-5e"));
    EXPECT_TRUE(parse_mac("00:1b:21:3c:4d:5e"));
    for (const char* text : {"", "00-1B-21-3c-4d", "00-1B-21-3c-4d-5g", "001B213C4D5E", "00.1b.21.3c.4d.5e"})
        EXPECT_FALSE(parse_mac(text)) << text;
}

}  // namespace
