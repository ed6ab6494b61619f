#include "config/quantity.h"

#include <gtest/gtest.h>

namespace {

using namespace cvf::config;
using namespace std::chrono_literals;

template <typename T>
std::string error_of(const std::expected<T, std::string>& e) {
    return e ? "accepted" : e.error();
}

TEST(Quantities, sizes_take_decimal_and_binary_units) {
    EXPECT_EQ(parse_size("0"), 0u);
    EXPECT_EQ(parse_size("512"), 512u);
    EXPECT_EQ(parse_size("512B"), 512u);
    EXPECT_EQ(parse_size("64MiB"), 64u << 20);
    EXPECT_EQ(parse_size("1GB"), 1'000'000'000u);
    EXPECT_EQ(parse_size("1.5 GiB"), 3u << 29);
    EXPECT_EQ(parse_size("2tib"), 2ull << 40);
    EXPECT_EQ(parse_size("10kB"), 10'000u);
}

TEST(Quantities, wrong_sizes_are_explained) {
    EXPECT_EQ(error_of(parse_size("big")), "'big' is not a size; write a number and a unit, as 64MiB or 1GB");
    EXPECT_EQ(error_of(parse_size("")), "'' is not a size; write a number and a unit, as 64MiB or 1GB");
    EXPECT_EQ(error_of(parse_size("-1MB")), "'-1MB' is not a size; write a number and a unit, as 64MiB or 1GB");
    EXPECT_EQ(error_of(parse_size("10M")), "'10M' can mean two things; write 10MB (1000s) or 10MiB (1024s)");
    EXPECT_EQ(error_of(parse_size("10k")), "'10k' can mean two things; write 10kB (1000s) or 10KiB (1024s)");
    EXPECT_EQ(error_of(parse_size("10 Mbit")),
              "'Mbit' is not a unit of size; there are B, kB, MB, GB, TB and KiB, MiB, GiB, TiB");
    EXPECT_EQ(error_of(parse_size("99999999TiB")), "'99999999TiB' is more than a disk can hold");
}

TEST(Quantities, durations_add_up) {
    EXPECT_EQ(parse_duration("10s"), 10s);
    EXPECT_EQ(parse_duration("5m"), 5min);
    EXPECT_EQ(parse_duration("5min"), 5min);
    EXPECT_EQ(parse_duration("1h30m"), 90min);
    EXPECT_EQ(parse_duration("1.5s"), 1500ms);
    EXPECT_EQ(parse_duration("7d"), 168h);
    EXPECT_EQ(parse_duration("1 h 30 m"), 90min);
    EXPECT_EQ(parse_duration("0"), 0s);
}

TEST(Quantities, wrong_durations_are_explained) {
    EXPECT_EQ(error_of(parse_duration("soon")), "'soon' is not a duration; write numbers with units, as 10s, 5m or 1h30m");
    EXPECT_EQ(error_of(parse_duration("5")), "'5' has no unit; write 5s for seconds, or ms, m, h, d");
    EXPECT_EQ(error_of(parse_duration("5 fortnights")),
              "'fortnights' is not a unit of time; there are ns, us, ms, s, m, h and d");
    EXPECT_EQ(error_of(parse_duration("5weeks")), "'weeks' is not a unit of time; there are ns, us, ms, s, m, h and d");
    EXPECT_EQ(error_of(parse_duration("")), "a duration is missing; write it as 10s, 5m or 1h30m");
    EXPECT_EQ(error_of(parse_duration("999999d")), "'999999d' is longer than 292 years");
}

TEST(Quantities, counts_and_switches_are_read_or_explained) {
    EXPECT_EQ(parse_count("200,000"), 200'000u);
    EXPECT_EQ(error_of(parse_count("many")), "'many' is not a whole number");
    EXPECT_EQ(error_of(parse_count("-1")), "'-1' is not a whole number");
    EXPECT_EQ(error_of(parse_count("1.5")), "'1.5' is not a whole number");
    EXPECT_EQ(error_of(parse_count("99999999999999999999")), "'99999999999999999999' is too large");
    EXPECT_EQ(parse_switch("Yes"), true);
    EXPECT_EQ(parse_switch("off"), false);
    EXPECT_EQ(error_of(parse_switch("maybe")), "'maybe' is neither true nor false");
}

}  // namespace
