// Quantities for people: "845 ns", "12.3 ms", "1.2 kB". At most four digits, decimal multiples. No state, any thread.
#pragma once

#include <cstdint>
#include <string>

namespace cvf::sink {

std::string show_duration(uint64_t nanoseconds);  // "2m03s", "3h20m" beyond a minute
std::string show_bytes(uint64_t bytes);
std::string show_count(uint64_t n);  // thousands apart: "1,234,567"

}  // namespace cvf::sink
