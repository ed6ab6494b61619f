#include "history/percentile.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "history/aggregate.h"

namespace cvf::history {
namespace {

TEST(Percentiles, are_exact_while_the_numbers_are_kept) {
    Percentiles p;
    for (int i = 100; i > 0; --i) p.add(i);
    EXPECT_EQ(p.at(0.5), 51);
    EXPECT_EQ(p.at(0.99), 100);
    EXPECT_EQ(p.at(0), 1);
    EXPECT_TRUE(p.exact());
}

TEST(Percentiles, from_a_histogram_are_near) {
    std::mt19937_64 random(3);
    std::vector<double> numbers;
    Percentiles p;
    for (int i = 0; i < 20'000; ++i) {
        const double value = std::exp(static_cast<double>(random() % 4000) / 100) * (i % 5 ? 1 : -1);
        numbers.push_back(value);
        p.add(value);
        if (i == 5000) p.condense();
    }
    numbers.insert(numbers.end(), 100, 0.0);
    for (int i = 0; i < 100; ++i) p.add(0);
    std::ranges::sort(numbers);
    EXPECT_FALSE(p.exact());
    EXPECT_EQ(p.kept(), 0u);
    for (const double q : {0.001, 0.1, 0.2, 0.5, 0.95, 0.99, 0.999}) {
        const double exact = numbers[static_cast<size_t>(q * static_cast<double>(numbers.size()))];
        EXPECT_NEAR(p.at(q), exact, std::abs(exact) * 0.004) << q;
    }
}

TEST(Aggregate, says_when_percentiles_are_from_histograms_and_what_was_left_out) {
    const auto query = parse_query({.by = {"source.port"}, .measures = {"p50 event.duration", "count"}}, 0);
    ASSERT_TRUE(query);
    Aggregate aggregate(*query);
    Number numbers[max_measures];
    for (uint64_t i = 0; i < max_exact_numbers + 1000; ++i) {
        const uint32_t id = aggregate.key_id(0, i % 3);
        numbers[0] = Number(1000 + i % 100);
        aggregate.add(0, &id, numbers);
    }
    Table table = aggregate.table();
    EXPECT_TRUE(table.approximate);
    EXPECT_EQ(table.left_out, 0u);
    ASSERT_EQ(table.rows.size(), 3u);
    EXPECT_NEAR(static_cast<double>(std::get<uint64_t>(table.rows[0][1])), 1050, 1050 * 0.004);
}

TEST(Aggregate, keeps_its_bound_of_groups) {
    const auto query = parse_query({.by = {"source.port"}, .top = "1"}, 0);
    ASSERT_TRUE(query);
    Aggregate aggregate(*query);
    Number numbers[max_measures];
    for (uint64_t i = 0; i < max_groups + 500; ++i) {
        const uint32_t id = aggregate.key_id(0, i);
        aggregate.add(0, &id, numbers);
    }
    EXPECT_EQ(aggregate.table().left_out, 500u);
    EXPECT_EQ(aggregate.table().rows.size(), 1u);
}

}  // namespace
}  // namespace cvf::history
