#include "history/percentile.h"

#include <algorithm>
#include <bit>

namespace cvf::history {
namespace {

// The upper bits of a double order positive numbers by size: exponent, then the first 7 bits behind the point.
constexpr int dropped = 52 - 7;

int32_t step_of(double value) {
    const auto bits = std::bit_cast<uint64_t>(value < 0 ? -value : value + 0.0);
    const auto step = static_cast<int32_t>(bits >> dropped) + 1;
    return value < 0 ? -step : step;
}

double middle_of(int32_t step) {
    const auto size = static_cast<uint64_t>((step < 0 ? -step : step) - 1);
    if (size == 0) return 0;
    const double value = std::bit_cast<double>(size << dropped | UINT64_C(1) << (dropped - 1));
    return step < 0 ? -value : value;
}

}  // namespace

void Percentiles::condense() {
    if (!exact() || values_.empty()) return;
    std::vector<double> values;
    values.swap(values_);
    for (const double value : values) count(value);
}

void Percentiles::count(double value) {
    const int32_t step = step_of(value);
    const auto at = std::ranges::lower_bound(counts_, step, {}, &std::pair<int32_t, uint64_t>::first);
    if (at != counts_.end() && at->first == step)
        ++at->second;
    else
        counts_.insert(at, {step, 1});
    ++total_;
}

double Percentiles::at(double quantile) const {
    if (exact()) {
        const auto place = static_cast<size_t>(quantile * static_cast<double>(values_.size()));
        const auto nth = values_.begin() + static_cast<ptrdiff_t>(std::min(place, values_.size() - 1));
        std::nth_element(values_.begin(), nth, values_.end());
        return *nth;
    }
    uint64_t left = std::min(static_cast<uint64_t>(quantile * static_cast<double>(total_)), total_ - 1);
    for (const auto& [step, n] : counts_) {
        if (left < n) return middle_of(step);
        left -= n;
    }
    return 0;
}

}  // namespace cvf::history
