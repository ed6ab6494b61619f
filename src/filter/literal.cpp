#include "filter/literal.h"

#include <array>
#include <chrono>
#include <cstring>

namespace cvf::filter {

namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

int hex_digit(char c) {
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

record::Value make_ip(const uint8_t* bytes, uint8_t size) {
    record::Value v{};
    v.kind = record::Kind::ip;
    v.short_size = size;
    std::memcpy(v.inline_bytes, bytes, size);
    return v;
}

// Four decimal numbers up to 255 without leading zeros.
bool parse_v4(std::string_view text, uint8_t* out) {
    for (int i = 0; i < 4; ++i) {
        if (i > 0) {
            if (text.empty() || text[0] != '.') return false;
            text.remove_prefix(1);
        }
        size_t n = 0;
        unsigned value = 0;
        while (n < text.size() && n < 3 && is_digit(text[n])) value = value * 10 + static_cast<unsigned>(text[n++] - '0');
        if (n == 0 || value > 255 || (n > 1 && text[0] == '0')) return false;
        out[i] = static_cast<uint8_t>(value);
        text.remove_prefix(n);
    }
    return text.empty();
}

bool parse_v6(std::string_view text, uint8_t* out) {
    std::array<uint8_t, 16> head{}, tail{};
    size_t head_size = 0, tail_size = 0;
    bool gap = false;
    if (text.starts_with("::")) {
        gap = true;
        text.remove_prefix(2);
    }
    while (!text.empty()) {
        auto& part = gap ? tail : head;
        size_t& size = gap ? tail_size : head_size;
        const size_t group = text.find(':');
        const std::string_view word = text.substr(0, group);
        if (group == std::string_view::npos && word.find('.') != std::string_view::npos) {
            if (size + 4 > 16 || !parse_v4(word, part.data() + size)) return false;
            size += 4;
            break;
        }
        if (word.empty() || word.size() > 4 || size + 2 > 16) return false;
        unsigned value = 0;
        for (char c : word) {
            const int digit = hex_digit(c);
            if (digit < 0) return false;
            value = value << 4 | static_cast<unsigned>(digit);
        }
        part[size++] = static_cast<uint8_t>(value >> 8);
        part[size++] = static_cast<uint8_t>(value);
        if (group == std::string_view::npos) break;
        text.remove_prefix(group + 1);
        if (text.empty()) return false;  // a single colon at the end
        if (text[0] == ':') {
            if (gap) return false;
            gap = true;
            text.remove_prefix(1);
        }
    }
    const size_t total = head_size + tail_size;
    if (gap ? total > 14 : total != 16) return false;
    std::memset(out, 0, 16);
    std::memcpy(out, head.data(), head_size);
    std::memcpy(out + 16 - tail_size, tail.data(), tail_size);
    return true;
}

// Digits, exactly `count` of them.
std::optional<int> take_digits(std::string_view& text, size_t count) {
    if (text.size() < count) return std::nullopt;
    int value = 0;
    for (size_t i = 0; i < count; ++i) {
        if (!is_digit(text[i])) return std::nullopt;
        value = value * 10 + (text[i] - '0');
    }
    text.remove_prefix(count);
    return value;
}

bool take(std::string_view& text, char c) {
    if (text.empty() || text[0] != c) return false;
    text.remove_prefix(1);
    return true;
}

}  // namespace

std::optional<record::Value> parse_ip(std::string_view text) {
    uint8_t bytes[16];
    if (parse_v4(text, bytes)) return make_ip(bytes, 4);
    if (text.size() <= 45 && text.find(':') != std::string_view::npos && parse_v6(text, bytes)) return make_ip(bytes, 16);
    return std::nullopt;
}

std::optional<record::Value> parse_cidr(std::string_view text) {
    const size_t slash = text.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    std::optional<record::Value> ip = parse_ip(text.substr(0, slash));
    std::string_view digits = text.substr(slash + 1);
    if (!ip || digits.empty() || digits.size() > 3 || (digits.size() > 1 && digits[0] == '0')) return std::nullopt;
    const std::optional<int> length = take_digits(digits, digits.size());
    if (!length || *length > ip->short_size * 8) return std::nullopt;
    ip->size = static_cast<uint32_t>(*length);
    return ip;
}

bool is_mapped(const record::Value& ip) {
    static constexpr uint8_t prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return ip.short_size == 16 && std::memcmp(ip.inline_bytes, prefix, sizeof prefix) == 0;
}

bool same_network(const record::Value& a, const record::Value& b, uint32_t prefix) {
    if (a.short_size != b.short_size) return false;
    const uint32_t bytes = prefix / 8, bits = prefix % 8;
    if (std::memcmp(a.inline_bytes, b.inline_bytes, bytes) != 0) return false;
    return bits == 0 || ((a.inline_bytes[bytes] ^ b.inline_bytes[bytes]) >> (8 - bits)) == 0;
}

std::optional<record::Value> parse_mac(std::string_view text) {
    if (text.size() != 17) return std::nullopt;
    record::Value v{};
    v.kind = record::Kind::mac;
    for (size_t i = 0; i < 6; ++i) {
        const int high = hex_digit(text[i * 3]), low = hex_digit(text[i * 3 + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        if (i < 5 && text[i * 3 + 2] != '-' && text[i * 3 + 2] != ':') return std::nullopt;
        v.inline_bytes[i] = static_cast<uint8_t>(high << 4 | low);
    }
    return v;
}

std::optional<int64_t> parse_duration(std::string_view text) {
    struct Unit {
        std::string_view name;
        int64_t ns;
    };
    // Two-letter units first, so that "m" does not take the first letter of "ms".
    static constexpr Unit units[] = {{"ns", 1},         {"us", 1'000},        {"\u00b5s", 1'000},    {"\u03bcs", 1'000},
                                     {"ms", 1'000'000}, {"s", 1'000'000'000}, {"m", 60'000'000'000}, {"h", 3'600'000'000'000}};
    const bool negative = text.starts_with('-');
    if (negative || text.starts_with('+')) text.remove_prefix(1);
    if (text == "0") return 0;
    if (text.empty()) return std::nullopt;
    int64_t total = 0;
    while (!text.empty()) {
        int64_t whole = 0, fraction = 0, scale = 1;
        size_t digits = 0;
        for (; !text.empty() && is_digit(text[0]); text.remove_prefix(1), ++digits)
            if (__builtin_mul_overflow(whole, int64_t{10}, &whole) || __builtin_add_overflow(whole, text[0] - '0', &whole))
                return std::nullopt;
        if (take(text, '.')) {
            // Fifteen places of an hour are a fraction of a nanosecond; what follows cannot count.
            for (; !text.empty() && is_digit(text[0]); text.remove_prefix(1), ++digits) {
                if (scale == 1'000'000'000'000'000) continue;
                fraction = fraction * 10 + (text[0] - '0');
                scale *= 10;
            }
        }
        if (digits == 0) return std::nullopt;
        const Unit* unit = nullptr;
        for (const Unit& u : units)
            if (text.starts_with(u.name)) {
                unit = &u;
                break;
            }
        if (!unit) return std::nullopt;
        text.remove_prefix(unit->name.size());
        const auto part = static_cast<int64_t>(static_cast<__int128>(fraction) * unit->ns / scale);
        if (__builtin_mul_overflow(whole, unit->ns, &whole) || __builtin_add_overflow(total, whole, &total) ||
            __builtin_add_overflow(total, part, &total))
            return std::nullopt;
    }
    return negative ? -total : total;
}

std::optional<int64_t> parse_timestamp(std::string_view text) {
    const auto year = take_digits(text, 4);
    if (!year || !take(text, '-')) return std::nullopt;
    const auto month = take_digits(text, 2);
    if (!month || !take(text, '-')) return std::nullopt;
    const auto day = take_digits(text, 2);
    if (!day || !(take(text, 'T') || take(text, 't'))) return std::nullopt;
    const auto hour = take_digits(text, 2);
    if (!hour || !take(text, ':')) return std::nullopt;
    const auto minute = take_digits(text, 2);
    if (!minute || !take(text, ':')) return std::nullopt;
    const auto second = take_digits(text, 2);
    if (!second || *hour > 23 || *minute > 59 || *second > 59) return std::nullopt;

    int64_t nanos = 0;
    if (take(text, '.')) {
        int64_t place = 100'000'000;
        size_t digits = 0;
        for (; !text.empty() && is_digit(text[0]); text.remove_prefix(1), ++digits, place /= 10) nanos += (text[0] - '0') * place;
        if (digits == 0 || digits > 9) return std::nullopt;
    }
    int64_t offset = 0;
    if (!take(text, 'Z') && !take(text, 'z')) {
        const bool west = take(text, '-');
        if (!west && !take(text, '+')) return std::nullopt;
        const auto hours = take_digits(text, 2);
        if (!hours || !take(text, ':')) return std::nullopt;
        const auto minutes = take_digits(text, 2);
        if (!minutes || *hours > 23 || *minutes > 59) return std::nullopt;
        offset = (*hours * 60 + *minutes) * (west ? -60 : 60);
    }
    if (!text.empty()) return std::nullopt;

    const std::chrono::year_month_day date{std::chrono::year{*year}, std::chrono::month{static_cast<unsigned>(*month)},
                                           std::chrono::day{static_cast<unsigned>(*day)}};
    if (!date.ok()) return std::nullopt;
    const int64_t days = std::chrono::sys_days{date}.time_since_epoch().count();
    int64_t result = days * 86'400 + *hour * 3'600 + *minute * 60 + *second - offset;
    if (__builtin_mul_overflow(result, int64_t{1'000'000'000}, &result) || __builtin_add_overflow(result, nanos, &result))
        return std::nullopt;
    return result;
}

}  // namespace cvf::filter
