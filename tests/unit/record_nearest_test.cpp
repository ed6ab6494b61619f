#include "record/nearest.h"

#include <gtest/gtest.h>

#include <string>

namespace {

using cvf::record::nearest;
using cvf::record::nearest_key;

constexpr std::string_view verbs[] = {"read", "watch", "doctor", "version"};

TEST(Nearest, a_slip_of_the_keyboard_finds_the_word) {
    EXPECT_EQ(nearest("wacth", verbs), "watch");
    EXPECT_EQ(nearest("doktor", verbs), "doctor");
    EXPECT_EQ(nearest("Read", verbs), "read");
    EXPECT_EQ(nearest("versoin", verbs), "version");
}

TEST(Nearest, what_is_far_from_all_has_no_answer) {
    EXPECT_EQ(nearest("elephant", verbs), "");
    EXPECT_EQ(nearest("", verbs), "");
    EXPECT_EQ(nearest("xy", verbs), "");
    EXPECT_EQ(nearest("watch", {}), "");
    EXPECT_EQ(nearest(std::string(100'000, 'a'), verbs), "");
}

TEST(Nearest, a_key_is_found_by_its_parts) {
    EXPECT_EQ(nearest_key("dns.name"), "dns.question.name");
    EXPECT_EQ(nearest_key("dns.qestion.name"), "dns.question.name");
    EXPECT_EQ(nearest_key("source.process.nme"), "source.process.executable.name");
    EXPECT_EQ(nearest_key("sorce.port"), "source.port");
}

}  // namespace
