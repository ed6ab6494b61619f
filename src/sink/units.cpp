#include "sink/units.h"

#include <fmt/format.h>

namespace cvf::sink {
namespace {

// Three digits that mean something: 1.23, 12.3, 123. `value` is below 1000 after rounding as the caller chose the unit.
std::string three_digits(double value) {
    if (value < 9.995) return fmt::format("{:.2f}", value);
    if (value < 99.95) return fmt::format("{:.1f}", value);
    return fmt::format("{:.0f}", value);
}

}  // namespace

std::string show_duration(uint64_t ns) {
    if (ns < 1000) return fmt::format("{} ns", ns);
    const auto v = static_cast<double>(ns);
    if (v < 999.5e3) return three_digits(v / 1e3) + " µs";
    if (v < 999.5e6) return three_digits(v / 1e6) + " ms";
    if (v < 59.95e9) return three_digits(v / 1e9) + " s";
    const uint64_t seconds = ns / 1'000'000'000 + (ns % 1'000'000'000 >= 500'000'000 ? 1 : 0);
    if (seconds < 3600) return fmt::format("{}m{:02}s", seconds / 60, seconds % 60);
    if (seconds < 86400) return fmt::format("{}h{:02}m", seconds / 3600, seconds / 60 % 60);
    return fmt::format("{}d{:02}h", seconds / 86400, seconds / 3600 % 24);
}

std::string show_bytes(uint64_t bytes) {
    if (bytes < 1000) return fmt::format("{} B", bytes);
    double v = static_cast<double>(bytes) / 1000;
    for (const char* unit : {"kB", "MB", "GB", "TB", "PB"}) {
        if (v < 999.95) return v < 99.95 ? fmt::format("{:.1f} {}", v, unit) : fmt::format("{:.0f} {}", v, unit);
        v /= 1000;
    }
    return fmt::format("{:.0f} EB", v);
}

std::string show_count(uint64_t n) {
    const std::string digits = std::to_string(n);
    std::string out;
    for (size_t i = 0; i < digits.size(); ++i) {
        if (i > 0 && (digits.size() - i) % 3 == 0) out += ',';
        out += digits[i];
    }
    return out;
}

}  // namespace cvf::sink
