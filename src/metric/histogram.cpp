#include "metric/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace cvf::metric {

namespace {

uint64_t saturating_add(uint64_t a, uint64_t b) {
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

}  // namespace

uint8_t Histogram::index_of(uint64_t value) {
    const auto octave = static_cast<unsigned>(63 - std::countl_zero(value));
    // The leading bits of the value against 2^(1/4), 2^(2/4), 2^(3/4), as fractions of 2^63.
    constexpr uint64_t steps[] = {0x9837f0518db8a96fULL, 0xb504f333f9de6484ULL, 0xd744fccad69d6af4ULL};
    const uint64_t mantissa = value << (63 - octave);
    unsigned quarter = 0;
    for (const uint64_t step : steps) quarter += mantissa >= step;
    return static_cast<uint8_t>(octave * 4 + quarter);
}

double Histogram::lower_bound(uint8_t index) {
    return std::exp2(static_cast<double>(index) / 4);
}

void Histogram::add_to(uint8_t index, uint64_t count) {
    const auto at = std::ranges::lower_bound(buckets_, index, {}, &Bucket::index);
    if (at != buckets_.end() && at->index == index)
        at->count += count;
    else
        buckets_.insert(at, {index, count});
}

void Histogram::add(uint64_t value) {
    min_ = count_ == 0 ? value : std::min(min_, value);
    max_ = std::max(max_, value);
    sum_ = saturating_add(sum_, value);
    count_++;
    if (value == 0)
        zeros_++;
    else
        add_to(index_of(value), 1);
}

void Histogram::merge(const Histogram& other) {
    if (other.count_ == 0) return;
    min_ = count_ == 0 ? other.min_ : std::min(min_, other.min_);
    max_ = std::max(max_, other.max_);
    sum_ = saturating_add(sum_, other.sum_);
    count_ += other.count_;
    zeros_ += other.zeros_;
    for (const Bucket& bucket : other.buckets_) add_to(bucket.index, bucket.count);
}

uint64_t Histogram::quantile(double share) const {
    if (count_ == 0) return 0;
    const double rank = std::clamp(share, 0.0, 1.0) * static_cast<double>(count_);
    double seen = static_cast<double>(zeros_);
    if (zeros_ > 0 && seen >= rank) return 0;
    for (const Bucket& bucket : buckets_) {
        seen += static_cast<double>(bucket.count);
        if (seen < rank) continue;
        const double middle = lower_bound(bucket.index) * std::exp2(0.125);
        return static_cast<uint64_t>(std::clamp(middle, static_cast<double>(min_), static_cast<double>(max_)));
    }
    return max_;
}

}  // namespace cvf::metric
