// A histogram of durations (or any unsigned numbers) that can be merged: OpenTelemetry's exponential histogram.
//
// At scale s, bucket i holds the values v with 2^(i/2^s) < v <= 2^((i+1)/2^s), found by integer arithmetic alone. It begins at
// scale 3, where a number read from it is within 4.5 % of the true one. Values so widely spread that they fill more than
// `max_buckets` buckets halve the scale's fineness (9.1 % at 2, 19 % at 1, which has room for all numbers there are), by joining
// each two neighbours: exactly what the coarser histogram would have counted. 0 and 1 have a count of their own.
//
// Memory: 8 bytes per bucket in use. Thread rule: one thread owns it. Errors: none; a bucket holds up to 2^48 values.
// Source: OpenTelemetry metrics data model 1.3, ExponentialHistogram.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace cvf::metric {

class Histogram {
 public:
    static constexpr unsigned finest_scale = 3;
    static constexpr size_t max_buckets = 160;

    struct Bucket {
        uint32_t index;
        uint64_t count;
    };

    void add(uint64_t value);
    // What the other has counted besides: the same as if this one had counted it.
    void merge(const Histogram& other);

    uint64_t count() const { return count_; }
    uint64_t sum() const { return sum_; }  // stays at its greatest where it would overflow
    uint64_t min() const { return min_; }  // 0 when empty
    uint64_t max() const { return max_; }
    uint64_t zeros() const { return zeros_; }  // values 0 and 1
    unsigned scale() const { return scale_; }
    // Buckets in use, by index; none is empty.
    size_t size() const { return buckets_.size(); }
    Bucket bucket(size_t place) const { return {static_cast<uint32_t>(buckets_[place] >> 48), buckets_[place] & count_mask}; }

    // The number at place floor(q·n) of n in order (as history/percentile.h has it): the middle of its bucket, but the least and
    // the greatest as they were, and none outside them. 0 when empty.
    uint64_t quantile(double q) const;

    // Of a value above 1, at the finest scale.
    static uint32_t index_of(uint64_t value);

 private:
    static constexpr uint64_t count_mask = (UINT64_C(1) << 48) - 1;

    void count(uint32_t finest_index, uint64_t how_many);
    void coarsen();

    std::vector<uint64_t> buckets_;  // index in the upper 16 bits, count in the lower 48: sorted by index
    uint64_t count_ = 0, sum_ = 0, min_ = 0, max_ = 0, zeros_ = 0;
    unsigned scale_ = finest_scale;
};

}  // namespace cvf::metric
