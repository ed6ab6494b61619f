// A histogram of non-negative numbers that can be merged: buckets grow by a factor of 2^(1/4), so a quantile read from it is
// within 10 % of the true one, whatever the range.
//
// Bucket i holds values v with floor(4 * log2(v)) == i, exactly by integer arithmetic; 0 has a count of its own. The scheme is
// OpenTelemetry's exponential histogram of scale 2. Memory: only buckets in use (16 bytes each), at most 256. Not thread-safe.
#pragma once

#include <cstdint>
#include <vector>

namespace cvf::metric {

class Histogram {
 public:
    struct Bucket {
        uint8_t index;
        uint64_t count;
    };

    void add(uint64_t value);
    void merge(const Histogram& other);

    uint64_t count() const { return count_; }
    uint64_t sum() const { return sum_; }  // stays at its greatest when it would overflow
    uint64_t min() const { return min_; }  // 0 when empty
    uint64_t max() const { return max_; }
    uint64_t zeros() const { return zeros_; }
    const std::vector<Bucket>& buckets() const { return buckets_; }  // by index, none empty
    // The value below which a share of all lies (0.99), to the middle of its bucket and within min and max. 0 when empty.
    uint64_t quantile(double share) const;

    static uint8_t index_of(uint64_t value);   // of a value above 0
    static double lower_bound(uint8_t index);  // of the bucket

 private:
    void add_to(uint8_t index, uint64_t count);

    std::vector<Bucket> buckets_;
    uint64_t count_ = 0, sum_ = 0, min_ = 0, max_ = 0, zeros_ = 0;
};

}  // namespace cvf::metric
