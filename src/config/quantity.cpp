#include "config/quantity.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include <fmt/format.h>

namespace cvf::config {

namespace {

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    return out;
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// Takes "12" or "1.5" from the front.
bool take_number(std::string_view& text, long double& out) {
    size_t n = 0, digits = 0;
    bool point = false;
    while (n < text.size() && (is_digit(text[n]) || (text[n] == '.' && !point))) {
        if (text[n] == '.')
            point = true;
        else
            ++digits;
        ++n;
    }
    if (digits == 0 || digits > 20) return false;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + n, out);
    if (failure != std::errc{} || end != text.data() + n) return false;
    text.remove_prefix(n);
    return true;
}

std::string_view take_letters(std::string_view& text) {
    size_t n = 0;
    while (n < text.size() && !is_digit(text[n]) && text[n] != '.' && text[n] != ' ') ++n;
    const std::string_view word = text.substr(0, n);
    text.remove_prefix(n);
    return word;
}

std::string_view trim(std::string_view text) {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    return text;
}

}  // namespace

std::expected<uint64_t, std::string> parse_size(std::string_view text) {
    struct Unit {
        std::string_view name;
        uint64_t bytes;
    };
    static constexpr Unit units[] = {{"", 1},
                                     {"b", 1},
                                     {"kb", 1'000},
                                     {"mb", 1'000'000},
                                     {"gb", 1'000'000'000},
                                     {"tb", 1'000'000'000'000},
                                     {"kib", 1u << 10},
                                     {"mib", 1u << 20},
                                     {"gib", 1u << 30},
                                     {"tib", 1ull << 40}};
    std::string_view rest = trim(text);
    long double number = 0;
    if (!take_number(rest, number))
        return std::unexpected(fmt::format("'{}' is not a size; write a number and a unit, as 64MiB or 1GB", text));
    const std::string unit = lower(trim(rest));
    for (const Unit& u : units) {
        if (u.name != unit) continue;
        const long double bytes = number * static_cast<long double>(u.bytes);
        if (bytes >= 0x1p63L) return std::unexpected(fmt::format("'{}' is more than a disk can hold", text));
        return static_cast<uint64_t>(std::llround(bytes));
    }
    if (unit.size() == 1 && std::string_view("kmgt").find(unit[0]) != std::string_view::npos) {
        const char letter = static_cast<char>(unit[0] - 32);
        const std::string digits = std::string(trim(text.substr(0, text.find_first_not_of("0123456789. "))));
        return std::unexpected(fmt::format("'{}' can mean two things; write {}{}B (1000s) or {}{}iB (1024s)", text, digits,
                                           letter == 'K' ? 'k' : letter, digits, letter));
    }
    return std::unexpected(
        fmt::format("'{}' is not a unit of size; there are B, kB, MB, GB, TB and KiB, MiB, GiB, TiB", trim(rest)));
}

std::expected<std::chrono::nanoseconds, std::string> parse_duration(std::string_view text) {
    struct Unit {
        std::string_view name;
        int64_t ns;
    };
    static constexpr Unit units[] = {{"ns", 1},
                                     {"us", 1'000},
                                     {"ms", 1'000'000},
                                     {"s", 1'000'000'000},
                                     {"m", 60'000'000'000},
                                     {"min", 60'000'000'000},
                                     {"h", 3'600'000'000'000},
                                     {"d", 86'400'000'000'000}};
    std::string_view rest = trim(text);
    if (rest == "0") return std::chrono::nanoseconds(0);
    long double total = 0;
    bool any = false;
    while (!rest.empty()) {
        long double number = 0;
        if (!take_number(rest, number))
            return std::unexpected(fmt::format("'{}' is not a duration; write numbers with units, as 10s, 5m or 1h30m", text));
        rest = trim(rest);
        const std::string_view word = take_letters(rest);
        rest = trim(rest);
        if (word.empty())
            return std::unexpected(fmt::format("'{}' has no unit; write {}s for seconds, or ms, m, h, d", text, trim(text)));
        const auto* unit = std::ranges::find(units, lower(word), &Unit::name);
        if (unit == std::end(units))
            return std::unexpected(fmt::format("'{}' is not a unit of time; there are ns, us, ms, s, m, h and d", word));
        total += number * static_cast<long double>(unit->ns);
        any = true;
    }
    if (!any) return std::unexpected("a duration is missing; write it as 10s, 5m or 1h30m");
    if (total >= 0x1p63L) return std::unexpected(fmt::format("'{}' is longer than 292 years", text));
    return std::chrono::nanoseconds(std::llround(total));
}

std::expected<uint64_t, std::string> parse_count(std::string_view text) {
    std::string digits;
    for (char c : trim(text))
        if (c != '_' && c != ',') digits.push_back(c);
    uint64_t value = 0;
    const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (digits.empty() || failure == std::errc::invalid_argument || end != digits.data() + digits.size())
        return std::unexpected(fmt::format("'{}' is not a whole number", text));
    if (failure == std::errc::result_out_of_range) return std::unexpected(fmt::format("'{}' is too large", text));
    return value;
}

std::expected<bool, std::string> parse_switch(std::string_view text) {
    const std::string word = lower(trim(text));
    if (word == "true" || word == "yes" || word == "on" || word == "1") return true;
    if (word == "false" || word == "no" || word == "off" || word == "0") return false;
    return std::unexpected(fmt::format("'{}' is neither true nor false", text));
}

}  // namespace cvf::config
