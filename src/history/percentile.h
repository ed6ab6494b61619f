// Percentiles of numbers as they come: exact while the numbers are kept, from a histogram when there are too many.
//
// The percentile q of n numbers is the one at place floor(q·n) of the sorted row, as ClickHouse's quantileExact has it. The
// histogram's steps are 1/128 of a power of two, so that a number taken from it is within 0.4 % of the exact one. Thread rule:
// one thread owns it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace cvf::history {

class Percentiles {
 public:
    void add(double value) {
        if (counts_.empty()) return values_.push_back(value);
        count(value);
    }
    // Goes over to the histogram and gives the numbers' memory back.
    void condense();
    bool exact() const { return counts_.empty(); }
    size_t kept() const { return values_.size(); }
    // Nothing must be asked of an empty one.
    double at(double quantile) const;

 private:
    void count(double value);

    mutable std::vector<double> values_;
    std::vector<std::pair<int32_t, uint64_t>> counts_;  // step and how many, by step
    uint64_t total_ = 0;
};

}  // namespace cvf::history
