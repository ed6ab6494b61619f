// The exponential histogram: against OpenTelemetry's definition, exact percentiles, and its own parts merged.
#include "metric/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace cvf::metric {
namespace {

constexpr double error_of_scale[] = {0, 0.19, 0.091, 0.045};

TEST(Histogram, a_bucket_holds_what_lies_above_its_lower_bound_up_to_its_upper_one) {
    std::mt19937_64 random(1);
    for (int i = 0; i < 200'000; i++) {
        const uint64_t value = std::max<uint64_t>(2, random() >> (random() % 63));
        const uint32_t index = Histogram::index_of(value);
        const long double log = std::log2(static_cast<long double>(value)) * 8;
        EXPECT_LE(log, index + 1 + 1e-12L) << value;
        EXPECT_GT(log, index - 1e-12L) << value;
    }
    for (unsigned power = 1; power < 64; power++) {
        const uint64_t value = UINT64_C(1) << power;
        EXPECT_EQ(Histogram::index_of(value), power * 8 - 1);
        if (power >= 4) EXPECT_EQ(Histogram::index_of(value + 1), power * 8);  // below, a step of 1 is more than a bucket
        if (value > 2) EXPECT_LE(Histogram::index_of(value - 1), power * 8 - 1);
    }
    EXPECT_EQ(Histogram::index_of(UINT64_MAX), 511u);
}

TEST(Histogram, quantiles_are_as_near_as_the_scale_says) {
    std::mt19937_64 random(2);
    const auto check = [](std::vector<uint64_t> values) {
        Histogram h;
        for (const uint64_t v : values) h.add(v);
        std::ranges::sort(values);
        for (const double q : {0.0, 0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0}) {
            const size_t place = std::min(static_cast<size_t>(q * static_cast<double>(values.size())), values.size() - 1);
            const auto exact = static_cast<double>(values[place]);
            EXPECT_NEAR(static_cast<double>(h.quantile(q)), exact, std::max(1.0, exact * error_of_scale[h.scale()] + 1))
                << "of " << values.size() << " at " << q << ", scale " << h.scale();
        }
        return h.scale();
    };
    std::lognormal_distribution<double> latency(std::log(2e6), 1.5);
    std::vector<uint64_t> values;
    for (int i = 0; i < 50'000; i++) values.push_back(static_cast<uint64_t>(latency(random)));
    EXPECT_EQ(check(values), 3u);
    values.clear();
    for (int i = 0; i < 50'000; i++) values.push_back(random() >> (random() % 30));
    EXPECT_EQ(check(values), 2u);
    values.clear();
    for (int i = 0; i < 50'000; i++) values.push_back(random() >> (random() % 64));
    EXPECT_EQ(check(values), 1u);
    check({7});
    check({0, 0, 1, 1, 1});
    check({0, UINT64_MAX});
}

TEST(Histogram, parts_merged_are_the_whole_however_coarse_each_has_become) {
    std::mt19937_64 random(3);
    for (int round = 0; round < 50; round++) {
        Histogram whole, merged;
        for (int part = 0; part < 5; part++) {
            Histogram h;
            const unsigned spread = static_cast<unsigned>(random() % 64) + 1;
            for (uint64_t i = random() % 3000; i > 0; i--) {
                const uint64_t value = random() >> (63 - random() % spread);
                h.add(value);
                whole.add(value);
            }
            merged.merge(h);
        }
        ASSERT_EQ(merged.scale(), whole.scale());
        ASSERT_EQ(merged.size(), whole.size());
        for (size_t i = 0; i < whole.size(); i++) {
            EXPECT_EQ(merged.bucket(i).index, whole.bucket(i).index);
            EXPECT_EQ(merged.bucket(i).count, whole.bucket(i).count);
        }
        EXPECT_EQ(merged.count(), whole.count());
        EXPECT_EQ(merged.sum(), whole.sum());
        EXPECT_EQ(merged.min(), whole.min());
        EXPECT_EQ(merged.max(), whole.max());
        EXPECT_EQ(merged.zeros(), whole.zeros());
    }
}

TEST(Histogram, holds_its_bound_of_buckets_and_loses_no_count) {
    std::mt19937_64 random(4);
    Histogram h;
    constexpr uint64_t many = 100'000;
    for (uint64_t i = 0; i < many; i++) h.add(random() >> (random() % 64));
    EXPECT_LE(h.size(), Histogram::max_buckets);
    uint64_t sum = h.zeros();
    for (size_t i = 0; i < h.size(); i++) {
        sum += h.bucket(i).count;
        if (i > 0) EXPECT_LT(h.bucket(i - 1).index, h.bucket(i).index);
    }
    EXPECT_EQ(sum, many);
    EXPECT_EQ(h.count(), many);
}

TEST(Histogram, an_empty_one_is_nothing_and_a_sum_beyond_64_bits_stays_at_the_greatest) {
    Histogram h;
    EXPECT_EQ(h.quantile(0.5), 0u);
    EXPECT_EQ(h.min(), 0u);
    h.merge({});
    EXPECT_EQ(h.count(), 0u);
    h.add(UINT64_MAX);
    h.add(5);
    EXPECT_EQ(h.sum(), UINT64_MAX);
    EXPECT_EQ(h.min(), 5u);
    EXPECT_EQ(h.quantile(1), UINT64_MAX) << "the greatest is known exactly";
    EXPECT_EQ(h.quantile(0), 5u);
}

}  // namespace
}  // namespace cvf::metric
