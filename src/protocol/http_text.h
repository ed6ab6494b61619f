// Text comparisons the HTTP files share. All are ASCII, as HTTP's grammar is (RFC 9110 section 5.6).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace cvf::protocol::http1 {

inline uint64_t load_word(const char* p, size_t n) {
    uint64_t v = 0;
    std::memcpy(&v, p, n);
    return v;
}

// True when the N-1 characters at `p` are `lower`, in either case. `lower` must be lower-case letters, digits and '-'. Bit 5 is
// set on both sides before comparing, so a control character may pass for a digit or '-': such bytes are no header name anyway.
template <size_t N>
inline bool same_ignoring_case(const char* p, const char (&lower)[N]) {
    constexpr size_t n = N - 1;
    constexpr uint64_t bit5 = 0x2020202020202020;
    if constexpr (n >= 8) {
        size_t at = 0;
        for (; at + 8 <= n; at += 8)
            if ((load_word(p + at, 8) | bit5) != (load_word(lower + at, 8) | bit5)) return false;
        if constexpr (n % 8 != 0) return (load_word(p + n - 8, 8) | bit5) == (load_word(lower + n - 8, 8) | bit5);
        return true;
    } else {
        return (load_word(p, n) | bit5) == (load_word(lower, n) | bit5);
    }
}

template <size_t N>
inline bool is_ignoring_case(std::string_view text, const char (&lower)[N]) {
    return text.size() == N - 1 && same_ignoring_case(text.data(), lower);
}

inline char to_lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

inline bool equal_ignoring_case(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); ++i)
        if (to_lower(a[i]) != to_lower(b[i])) return false;
    return true;
}

inline bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

inline std::string_view trim(std::string_view text) {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}

inline bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// The value of a hexadecimal digit, or -1.
inline int hex_value(char c) {
    if (is_digit(c)) return c - '0';
    c = static_cast<char>(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// A character of a token: method, header name (RFC 9110 section 5.6.2).
inline constexpr std::array<bool, 256> token_chars = [] {
    std::array<bool, 256> is{};
    for (unsigned c = '0'; c <= '9'; ++c) is[c] = true;
    for (unsigned c = 'a'; c <= 'z'; ++c) is[c] = is[c - 0x20] = true;
    for (char c : std::string_view("!#$%&'*+-.^_`|~")) is[static_cast<unsigned char>(c)] = true;
    return is;
}();
inline bool is_token_char(char c) {
    return token_chars[static_cast<unsigned char>(c)];
}

// The first line feed in [at, end), or nullptr. Header lines are short: setting up memchr() costs as much as the search.
inline const char* find_newline(const char* at, const char* end) {
#ifdef __SSE2__
    const __m128i wanted = _mm_set1_epi8('\n');
    for (; end - at >= 16; at += 16) {
        const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
        const int found = _mm_movemask_epi8(_mm_cmpeq_epi8(block, wanted));
        if (found) return at + __builtin_ctz(static_cast<unsigned>(found));
    }
#endif
    return at == end ? nullptr : static_cast<const char*>(std::memchr(at, '\n', static_cast<size_t>(end - at)));
}

// The line that ends at `newline`, without CR LF or LF alone.
inline std::string_view without_end(const char* line, const char* newline) {
    if (newline > line && newline[-1] == '\r') --newline;
    return {line, static_cast<size_t>(newline - line)};
}

}  // namespace cvf::protocol::http1
