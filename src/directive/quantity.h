// Quantities as a directive writes them: config's, with "/s" behind them, and samples. The way out is exact: what is written
// reads as the same value. Pure functions.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "directive/directive.h"

namespace cvf::directive {

std::expected<uint64_t, std::string> parse_rate(std::string_view text);       // "1MiB/s", bytes per second
std::expected<uint64_t, std::string> parse_frequency(std::string_view text);  // "1000/s"
std::expected<Sample, std::string> parse_sample(std::string_view text);       // "1/10", "500/s"
std::expected<int64_t, std::string> parse_time(std::string_view text);        // "2026-01-02T03:04:05Z"

std::string format_duration(std::chrono::nanoseconds value);  // "1h30m"
std::string format_size(uint64_t bytes);                      // "64MiB", "200MB", "1500B"
std::string format_sample(const Sample& sample);
std::string format_time(int64_t unix_ns);  // in whole seconds

}  // namespace cvf::directive
