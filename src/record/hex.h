// Bytes and words as lower-case hex, into memory the caller has; each returns the end of what it wrote. Pure functions.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>

namespace cvf::record {

inline char* write_hex(char* out, std::span<const uint8_t> bytes) {
    constexpr char digits[] = "0123456789abcdef";
    for (const uint8_t b : bytes) {
        *out++ = digits[b >> 4];
        *out++ = digits[b & 15];
    }
    return out;
}

// Eight digits as the bytes of a word, the highest first in memory. All at once: ids stand on every record.
inline uint64_t hex_digits(uint32_t v) {
    uint64_t x = v;
    x = (x | x << 16) & 0x0000ffff0000ffff;
    x = (x | x << 8) & 0x00ff00ff00ff00ff;
    x = (x | x << 4) & 0x0f0f0f0f0f0f0f0f;  // a digit's value in each byte, the lowest first
    const uint64_t letters = (x + 0x0606060606060606) >> 4 & 0x0101010101010101;  // 1 where it is above 9
    return __builtin_bswap64(x + 0x3030303030303030 + letters * ('a' - '9' - 1));
}

// Sixteen digits.
inline char* write_hex64(char* out, uint64_t v) {
    const uint64_t digits[2] = {hex_digits(static_cast<uint32_t>(v >> 32)), hex_digits(static_cast<uint32_t>(v))};
    std::memcpy(out, digits, sizeof digits);
    return out + sizeof digits;
}

}  // namespace cvf::record
