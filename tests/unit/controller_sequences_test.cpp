// Which batches are new, when they come in any order.
#include "controller/sequences.h"

#include <gtest/gtest.h>

#include "bus/subjects.h"

namespace cvf::controller {
namespace {

bool note(Sequences& s, uint64_t first, uint64_t last) {
    const std::string a = std::to_string(first), b = std::to_string(last);
    const bus::Header headers[] = {{bus::header::agent, "n/1/0"}, {bus::header::first, a}, {bus::header::last, b}};
    return s.note("cvf.v1.records.dns.n", headers);
}

TEST(Sequences, what_comes_behind_newer_ones_is_new_though_we_began_with_those) {
    Sequences s;
    EXPECT_TRUE(note(s, 101, 200));
    EXPECT_EQ(s.totals().missing, 0u);
    EXPECT_TRUE(note(s, 1, 50));
    EXPECT_TRUE(note(s, 81, 100));
    EXPECT_TRUE(note(s, 51, 80));
    EXPECT_EQ(s.totals().records, 200u);
    EXPECT_EQ(s.totals().duplicates, 0u);
    EXPECT_EQ(s.totals().missing, 0u);
    EXPECT_FALSE(note(s, 1, 50));
    EXPECT_FALSE(note(s, 101, 200));
    EXPECT_EQ(s.totals().duplicates, 150u);
}

TEST(Sequences, many_gaps_do_not_make_one_forget_what_was_before) {
    Sequences s;
    EXPECT_TRUE(note(s, 1000, 1000));
    for (uint64_t n = 1; n <= 200; n++) EXPECT_TRUE(note(s, 1000 + 2 * n, 1000 + 2 * n));
    EXPECT_EQ(s.totals().missing, 200u);
    EXPECT_TRUE(note(s, 1, 999));
    EXPECT_EQ(s.totals().missing, 200u);
    EXPECT_EQ(s.totals().duplicates, 0u);
}

}  // namespace
}  // namespace cvf::controller
