#include "cli/columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <ctime>

namespace cvf::cli {

namespace {

size_t width(const std::string& text) {
    return static_cast<size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

}  // namespace

std::string printable(std::string_view text) {
    std::string out;
    for (size_t i = 0; i < text.size(); i++) {
        const auto c = static_cast<unsigned char>(text[i]);
        // The second set of control characters is C2 80 to C2 9F.
        const bool second = c == 0xc2 && i + 1 < text.size() && (static_cast<unsigned char>(text[i + 1]) & 0xe0) == 0x80;
        if (second) i++;
        out += second || c < ' ' || c == 0x7f ? ' ' : text[i];
    }
    return out;
}

void Columns::print() const {
    std::vector<size_t> widths(rows_.front().size());
    for (const auto& row : rows_)
        for (size_t i = 0; i < row.size() && i < widths.size(); i++) widths[i] = std::max(widths[i], width(row[i]));
    std::string out;
    for (const auto& row : rows_) {
        for (size_t i = 0; i < row.size(); i++) {
            out += printable(row[i]);
            if (i + 1 < row.size()) out.append(widths[i] + 3 - width(row[i]), ' ');
        }
        out += '\n';
    }
    std::fwrite(out.data(), 1, out.size(), stdout);
    std::fflush(stdout);
}

std::string human_bytes(uint64_t bytes) {
    static constexpr const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    auto value = static_cast<double>(bytes);
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < std::size(units)) value /= 1024, unit++;
    return value < 10 && unit > 0 ? fmt::format("{:.1f}{}", value, units[unit]) : fmt::format("{:.0f}{}", value, units[unit]);
}

std::string human_duration(int64_t ns) {
    const bool negative = ns < 0;
    const auto value = static_cast<double>(negative ? -ns : ns);
    const char* sign = negative ? "-" : "";
    if (value < 1e3) return fmt::format("{}{:.0f}ns", sign, value);
    if (value < 1e6) return fmt::format("{}{:.0f}us", sign, value / 1e3);
    if (value < 1e9) return fmt::format("{}{:.0f}ms", sign, value / 1e6);
    if (value < 120e9) return fmt::format("{}{:.0f}s", sign, value / 1e9);
    if (value < 7200e9) return fmt::format("{}{:.0f}m", sign, value / 60e9);
    if (value < 48 * 3600e9) return fmt::format("{}{:.0f}h", sign, value / 3600e9);
    return fmt::format("{}{:.0f}d", sign, value / 86400e9);
}

std::string human_count(uint64_t count) {
    std::string text = std::to_string(count);
    for (auto at = static_cast<ptrdiff_t>(text.size()) - 3; at > 0; at -= 3) text.insert(static_cast<size_t>(at), ",");
    return text;
}

std::string human_time(int64_t unix_ns) {
    const time_t seconds = unix_ns / 1'000'000'000;
    tm utc{};
    gmtime_r(&seconds, &utc);
    char text[32];
    return {text, strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

}  // namespace cvf::cli
