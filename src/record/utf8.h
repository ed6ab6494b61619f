// UTF-8, well-formed or not. Pure functions. Source: RFC 3629.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace cvf::record {

// Bytes of the well-formed sequence beyond ASCII at `p`, 0 when there is none.
inline size_t utf8_length(const uint8_t* p, size_t left) {
    auto tail = [&](size_t i) { return (p[i] & 0xc0) == 0x80; };
    if (p[0] >= 0xc2 && p[0] <= 0xdf) return left >= 2 && tail(1) ? 2 : 0;
    if ((p[0] & 0xf0) == 0xe0) {
        if (left < 3 || !tail(1) || !tail(2)) return 0;
        if (p[0] == 0xe0 && p[1] < 0xa0) return 0;   // overlong
        if (p[0] == 0xed && p[1] >= 0xa0) return 0;  // surrogate
        return 3;
    }
    if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        if (left < 4 || !tail(1) || !tail(2) || !tail(3)) return 0;
        if (p[0] == 0xf0 && p[1] < 0x90) return 0;
        if (p[0] == 0xf4 && p[1] >= 0x90) return 0;
        return 4;
    }
    return 0;
}

// The text with bytes that are not UTF-8 as \xNN (as records have them), of at most `longest` bytes, cut between characters.
std::string valid_utf8(std::string_view text, size_t longest = SIZE_MAX);

}  // namespace cvf::record
