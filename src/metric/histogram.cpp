#include "metric/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace cvf::metric {

namespace {

uint64_t saturating_add(uint64_t a, uint64_t b) {
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

// 2^(k/8) for k from 1 to 7, times 2^63, rounded down: no number with 64 bits lies between one of these and the true bound.
constexpr uint64_t eighths[] = {0x8b95c1e3ea8bd6e6, 0x9837f0518db8a96f, 0xa5fed6a9b15138ea, 0xb504f333f9de6484,
                                0xc5672a115506dadd, 0xd744fccad69d6af4, 0xeac0c6e7dd24392e};

}  // namespace

uint32_t Histogram::index_of(uint64_t value) {
    const auto octave = static_cast<uint32_t>(63 - std::countl_zero(value));
    const uint64_t mantissa = value << (63 - octave);
    if (mantissa == UINT64_C(1) << 63) return octave * 8 - 1;  // a power of two is the last of its bucket
    uint32_t eighth = 0;
    for (const uint64_t bound : eighths) eighth += mantissa > bound;
    return octave * 8 + eighth;
}

void Histogram::coarsen() {
    scale_--;
    size_t kept = 0;
    for (const uint64_t bucket : buckets_) {
        const uint64_t index = bucket >> 49;
        if (kept > 0 && buckets_[kept - 1] >> 48 == index)
            buckets_[kept - 1] += bucket & count_mask;
        else
            buckets_[kept++] = index << 48 | (bucket & count_mask);
    }
    buckets_.resize(kept);
}

void Histogram::count(uint32_t finest_index, uint64_t how_many) {
    for (;;) {
        const uint64_t index = finest_index >> (finest_scale - scale_);
        const auto at = std::ranges::lower_bound(buckets_, index << 48);
        if (at != buckets_.end() && *at >> 48 == index) {
            *at += how_many;
            return;
        }
        if (buckets_.size() < max_buckets) {
            buckets_.insert(at, index << 48 | how_many);
            return;
        }
        coarsen();  // ends at scale 1, whose indices are below 128
    }
}

void Histogram::add(uint64_t value) {
    min_ = count_ == 0 ? value : std::min(min_, value);
    max_ = std::max(max_, value);
    sum_ = saturating_add(sum_, value);
    count_++;
    if (value <= 1)
        zeros_++;
    else
        count(index_of(value), 1);
}

void Histogram::merge(const Histogram& other) {
    if (other.count_ == 0) return;
    min_ = count_ == 0 ? other.min_ : std::min(min_, other.min_);
    max_ = std::max(max_, other.max_);
    sum_ = saturating_add(sum_, other.sum_);
    count_ += other.count_;
    zeros_ += other.zeros_;
    while (scale_ > other.scale_) coarsen();
    for (size_t i = 0; i < other.size(); i++) {
        const Bucket bucket = other.bucket(i);
        count(bucket.index << (finest_scale - other.scale_), bucket.count);
    }
}

uint64_t Histogram::quantile(double q) const {
    if (count_ == 0) return 0;
    uint64_t left = std::min(static_cast<uint64_t>(std::clamp(q, 0.0, 1.0) * static_cast<double>(count_)), count_ - 1);
    if (left == 0) return min_;
    if (left == count_ - 1) return max_;
    if (left < zeros_) return min_;
    left -= zeros_;
    for (size_t i = 0; i < size(); i++) {
        const Bucket one = bucket(i);
        if (left < one.count) {
            const double middle = std::exp2((one.index + 0.5) / static_cast<double>(1u << scale_));
            if (middle >= static_cast<double>(max_)) return max_;  // before the cast: it may be beyond 64 bits
            return std::max(min_, static_cast<uint64_t>(middle));
        }
        left -= one.count;
    }
    return max_;
}

}  // namespace cvf::metric
