#include "record/text.h"

#include <array>
#include <cstring>

namespace cvf::record {

namespace {

constexpr auto two_digits = [] {
    std::array<char, 200> t{};
    for (size_t i = 0; i < 100; i++) {
        t[2 * i] = static_cast<char>('0' + i / 10);
        t[2 * i + 1] = static_cast<char>('0' + i % 10);
    }
    return t;
}();

// Text of each byte value with a dot behind it, and its length with the dot, for IPv4. Copied as one word.
struct Octet {
    char text[4];
    uint32_t size;
};
constexpr auto octets = [] {
    std::array<Octet, 256> t{};
    for (int i = 0; i < 256; i++) {
        Octet& o = t[static_cast<size_t>(i)];
        if (i >= 100) o.text[o.size++] = static_cast<char>('0' + i / 100);
        if (i >= 10) o.text[o.size++] = static_cast<char>('0' + i / 10 % 10);
        o.text[o.size++] = static_cast<char>('0' + i % 10);
        o.text[o.size++] = '.';
    }
    return t;
}();

constexpr auto powers_of_ten = [] {
    std::array<uint64_t, 20> t{};
    uint64_t p = 1;
    for (auto& x : t) {
        x = p;
        p *= 10;
    }
    return t;
}();

inline char* pair(char* out, uint64_t v) {
    std::memcpy(out, &two_digits[2 * v], 2);
    return out + 2;
}

char* write_ipv4(char* out, const uint8_t* b) {
    for (int i = 0; i < 4; i++) {
        const Octet& o = octets[b[i]];
        std::memcpy(out, o.text, 4);
        out += o.size;
    }
    return out - 1;
}

char* write_group(char* out, unsigned v) {
    constexpr char hex[] = "0123456789abcdef";
    if (v >= 0x1000) *out++ = hex[v >> 12];
    if (v >= 0x100) *out++ = hex[v >> 8 & 15];
    if (v >= 0x10) *out++ = hex[v >> 4 & 15];
    *out++ = hex[v & 15];
    return out;
}

char* write_ipv6(char* out, const uint8_t* b) {
    static constexpr uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (std::memcmp(b, mapped, 12) == 0) {
        std::memcpy(out, "::ffff:", 7);
        return write_ipv4(out + 7, b + 12);
    }
    unsigned groups[8];
    unsigned zero = 0;  // a bit for each group that is zero
    for (unsigned i = 0; i < 8; i++) {
        groups[i] = static_cast<unsigned>(b[2 * i] << 8 | b[2 * i + 1]);
        zero |= static_cast<unsigned>(groups[i] == 0) << i;
    }
    // The longest run of two or more zero groups, the first of equals, is "::" (RFC 5952, section 4.2). With each step, a bit
    // stays where a run one group longer begins.
    unsigned from = 8, length = 0;
    for (unsigned runs = zero & zero >> 1, n = 2; runs; runs &= zero >> n, n++) {
        from = static_cast<unsigned>(__builtin_ctz(runs));
        length = n;
    }
    for (unsigned i = 0; i < from; i++) {
        out = write_group(out, groups[i]);
        *out++ = ':';
    }
    if (from == 8) return out - 1;
    if (from == 0) *out++ = ':';
    *out++ = ':';
    for (unsigned i = from + length; i < 8; i++) {
        out = write_group(out, groups[i]);
        *out++ = ':';
    }
    return from + length == 8 ? out : out - 1;
}

// Days since 1970-01-01 to a date of the proleptic Gregorian calendar, counted in years that begin in March.
void write_date(char* out, int64_t days) {
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    auto day_of_era = static_cast<uint64_t>(z - era * 146097);
    uint64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint64_t m = (5 * day_of_year + 2) / 153;
    uint64_t day = day_of_year - (153 * m + 2) / 5 + 1;
    uint64_t month = m < 10 ? m + 3 : m - 9;
    auto year = static_cast<uint64_t>(era * 400 + static_cast<int64_t>(year_of_era) + (month <= 2));
    pair(pair(out, year / 100 % 100), year % 100);
    out[4] = out[7] = '-';
    pair(out + 5, month);
    pair(out + 8, day);
}

}  // namespace

char* write_uint(char* out, uint64_t v) {
    if (v < 10) {
        *out = static_cast<char>('0' + v);
        return out + 1;
    }
    if (v < 100) return pair(out, v);
    // Digits from the bit length: log10(2) is about 1233/4096, corrected by one comparison.
    const auto guess = static_cast<unsigned>((64 - __builtin_clzll(v)) * 1233 >> 12);
    const unsigned digits = guess + (v >= powers_of_ten[guess]);
    char* p = out + digits;
    while (v >= 100) {
        p -= 2;
        pair(p, v % 100);
        v /= 100;
    }
    if (v >= 10)
        pair(p - 2, v);
    else
        p[-1] = static_cast<char>('0' + v);
    return out + digits;
}

char* write_ip(char* out, std::span<const uint8_t> bytes) {
    return bytes.size() == 4 ? write_ipv4(out, bytes.data()) : write_ipv6(out, bytes.data());
}

char* write_mac(char* out, const uint8_t* six) {
    constexpr char hex[] = "0123456789ABCDEF";
    for (int i = 0; i < 6; i++) {
        if (i) *out++ = '-';
        *out++ = hex[six[i] >> 4];
        *out++ = hex[six[i] & 15];
    }
    return out;
}

char* write_time(char* out, int64_t unix_ns) {
    int64_t seconds = unix_ns / 1'000'000'000;
    int64_t rest = unix_ns % 1'000'000'000;
    if (rest < 0) rest += 1'000'000'000, seconds--;
    // Neighbouring records share the day and mostly the second: their text is kept per thread.
    thread_local int64_t kept_second = INT64_MIN, kept_day = INT64_MIN;
    thread_local char kept[20];
    if (seconds != kept_second) {
        int64_t days = seconds / 86400, of_day = seconds % 86400;
        if (of_day < 0) of_day += 86400, days--;
        if (days != kept_day) {
            write_date(kept, days);
            kept_day = days;
            kept[10] = 'T';
            kept[13] = kept[16] = ':';
            kept[19] = '.';
        }
        const auto s = static_cast<uint32_t>(of_day);
        pair(kept + 11, s / 3600);
        pair(kept + 14, s / 60 % 60);
        pair(kept + 17, s % 60);
        kept_second = seconds;
    }
    std::memcpy(out, kept, 20);
    const auto ns = static_cast<uint32_t>(rest);
    const uint32_t high = ns / 10'000, low = ns % 10'000, middle = high / 100;
    out[20] = static_cast<char>('0' + middle / 100);
    pair(out + 21, middle % 100);
    pair(out + 23, high % 100);
    pair(out + 25, low / 100);
    pair(out + 27, low % 100);
    out[29] = 'Z';
    return out + 30;
}

}  // namespace cvf::record
