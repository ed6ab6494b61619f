#include "sink/terminal_text.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <iterator>

namespace cvf::sink {
namespace {

struct Range {
    uint32_t first, last;
};

constexpr Range hidden[] = {{0x00ad, 0x00ad}, {0x061c, 0x061c}, {0x115f, 0x1160}, {0x180e, 0x180e},   {0x200b, 0x200f},
                            {0x2028, 0x202e}, {0x2060, 0x206f}, {0x3164, 0x3164}, {0xe000, 0xf8ff},   {0xfeff, 0xfeff},
                            {0xffa0, 0xffa0}, {0xfff9, 0xfffb}, {0xfdd0, 0xfdef}, {0xe0000, 0x10ffff}};
constexpr Range combining[] = {{0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd}, {0x05bf, 0x05bf}, {0x05c1, 0x05c7},
                               {0x0610, 0x061a}, {0x064b, 0x065f}, {0x0670, 0x0670}, {0x06d6, 0x06dc}, {0x06df, 0x06e4},
                               {0x0900, 0x0902}, {0x093c, 0x093c}, {0x0941, 0x0948}, {0x094d, 0x094d}, {0x0e31, 0x0e31},
                               {0x0e34, 0x0e3a}, {0x0e47, 0x0e4e}, {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x20d0, 0x20ff},
                               {0x302a, 0x302d}, {0x3099, 0x309a}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}};
constexpr Range wide[] = {{0x1100, 0x115e},   {0x231a, 0x231b},   {0x23e9, 0x23ec},   {0x25fd, 0x25fe},   {0x2614, 0x2615},
                          {0x2648, 0x2653},   {0x26a1, 0x26a1},   {0x26bd, 0x26be},   {0x26d4, 0x26d4},   {0x2705, 0x2705},
                          {0x270a, 0x270b},   {0x2728, 0x2728},   {0x274c, 0x274c},   {0x2753, 0x2755},   {0x2757, 0x2757},
                          {0x2795, 0x2797},   {0x27b0, 0x27b0},   {0x2b1b, 0x2b1c},   {0x2b50, 0x2b50},   {0x2e80, 0x303e},
                          {0x3041, 0x33ff},   {0x3400, 0x4dbf},   {0x4e00, 0xa4cf},   {0xa960, 0xa97f},   {0xac00, 0xd7a3},
                          {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},   {0x1f004, 0x1f004},
                          {0x1f0cf, 0x1f0cf}, {0x1f18e, 0x1f18e}, {0x1f191, 0x1f19a}, {0x1f200, 0x1f320}, {0x1f32d, 0x1f64f},
                          {0x1f680, 0x1f6ff}, {0x1f7e0, 0x1f7eb}, {0x1f900, 0x1f9ff}, {0x1fa70, 0x1faff}, {0x20000, 0x3fffd}};

template <size_t N>
bool within(const Range (&ranges)[N], uint32_t c) {
    const Range* at =
        std::upper_bound(std::begin(ranges), std::end(ranges), c, [](uint32_t v, const Range& r) { return v < r.first; });
    return at != std::begin(ranges) && c <= std::prev(at)->last;
}

// Not sorted and short: searched one by one.
bool invisible(uint32_t c) {
    return std::any_of(std::begin(hidden), std::end(hidden), [c](const Range& r) { return c >= r.first && c <= r.last; });
}

// The character at the front; 0 bytes when it is not valid UTF-8 (too long a form and surrogates included).
struct Decoded {
    uint32_t character;
    size_t bytes;
};

Decoded decode(std::string_view text) {
    const auto at = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned first = at(0);
    if (first < 0x80) return {first, 1};
    const size_t bytes = first >= 0xf0 && first < 0xf5   ? 4
                         : first >= 0xe0 && first < 0xf0 ? 3
                         : first >= 0xc2 && first < 0xe0 ? 2
                                                         : 0;
    if (bytes == 0 || text.size() < bytes) return {first, 0};
    uint32_t c = first & (0xffu >> (bytes + 1));
    for (size_t i = 1; i < bytes; ++i) {
        if ((at(i) & 0xc0) != 0x80) return {first, 0};
        c = (c << 6) | (at(i) & 0x3fu);
    }
    if ((bytes == 3 && c < 0x800) || (bytes == 4 && (c < 0x10000 || c > 0x10ffff)) || (c >= 0xd800 && c <= 0xdfff))
        return {first, 0};
    return {c, bytes};
}

// Gives the text to `take(bytes, columns)` unit by unit; a unit is a character with its marks, or one escape. False stops.
template <typename Take>
void units(std::string_view text, Take&& take) {
    while (!text.empty()) {
        const Decoded d = decode(text);
        char escape[16];
        int size = 0;
        if (d.bytes == 0 || d.character < 0x20 || (d.character >= 0x7f && d.character < 0xa0))
            size = std::snprintf(escape, sizeof escape, "\\x%02x", d.character & 0xffu);
        else if (invisible(d.character))
            size = std::snprintf(escape, sizeof escape, "\\u%04x", d.character);
        if (size > 0) {
            if (!take(std::string_view(escape, static_cast<size_t>(size)), static_cast<size_t>(size))) return;
            text.remove_prefix(std::max<size_t>(1, d.bytes));
            continue;
        }
        size_t bytes = d.bytes;
        // A mark with nothing to stand on would change what was printed before it.
        const bool bare = within(combining, d.character);
        size_t columns = bare ? 0 : within(wide, d.character) ? 2 : 1;
        size_t kept = bytes;
        for (int marks = 0; bytes < text.size(); ++marks) {
            const Decoded next = decode(text.substr(bytes));
            if (next.bytes == 0 || !within(combining, next.character)) break;
            bytes += next.bytes;
            if (marks < 2) kept = bytes;
        }
        if (!bare && !take(text.substr(0, kept), columns)) return;
        text.remove_prefix(bytes);
    }
}

}  // namespace

size_t append_safe(std::string& out, std::string_view text, size_t max) {
    if (max == 0) return 0;
    size_t used = 0;
    // Where to cut when more comes than fits: after the last unit that leaves a column for the '…'.
    size_t cut_bytes = out.size(), cut_columns = 0;
    bool cut = false;
    units(text, [&](std::string_view bytes, size_t columns) {
        if (used + columns > max) {
            cut = true;
            return false;
        }
        out += bytes;
        used += columns;
        if (used < max) {
            cut_bytes = out.size();
            cut_columns = used;
        }
        return true;
    });
    if (!cut) return used;
    out.resize(cut_bytes);
    out += "…";
    return cut_columns + 1;
}

size_t safe_width(std::string_view text) {
    size_t width = 0;
    units(text, [&](std::string_view, size_t columns) {
        width += columns;
        return true;
    });
    return width;
}

}  // namespace cvf::sink
