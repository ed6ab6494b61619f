// Sizes, durations and whole numbers as people write them. Pure functions; an error says what is wrong and what would be right.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace cvf::config {

// "512", "64MiB", "1.5GB": B; kB MB GB TB (powers of 1000); KiB MiB GiB TiB (powers of 1024). Case of the letters does not count.
// Bytes.
std::expected<uint64_t, std::string> parse_size(std::string_view text);

// "10s", "5m", "1h30m", "1.5s", "250ms", "7d", or "0".
std::expected<std::chrono::nanoseconds, std::string> parse_duration(std::string_view text);

// Decimal digits; '_' and ',' between them are left out ("200,000").
std::expected<uint64_t, std::string> parse_count(std::string_view text);

// true false yes no on off 1 0, in any case.
std::expected<bool, std::string> parse_switch(std::string_view text);

}  // namespace cvf::config
