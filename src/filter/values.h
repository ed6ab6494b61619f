// Values as filters see them: as strings, and compared with each other. Pure functions; no allocation, no exceptions.
#pragma once

#include <cstdint>
#include <string_view>

#include "filter/program.h"

namespace cvf::filter {

// Longest hex field that is used as text (startsWith, matches, …); comparing by == and in has no limit.
inline constexpr size_t max_hex_bytes = 1024;

struct TextBuffer {
    char bytes[2 * max_hex_bytes];
};

// A value as the string it is in JSON, in place or in the buffer. False when it is none, or a hex field beyond the limit.
bool write_as_text(const record::Value& v, TextBuffer& buffer, std::string_view& out) noexcept;
inline bool as_text(const record::Value& v, TextBuffer& buffer, std::string_view& out) noexcept {
    if (v.kind != record::Kind::text) return write_as_text(v, buffer, out);
    out = v.as_text();
    return true;
}

// -1, 0, 1, or 2 where the two have no order (NaN, or kinds the order does not know).
int compare(Order order, const record::Value& a, const record::Value& b) noexcept;

// Unicode characters; a byte that belongs to none counts as one.
int64_t count_characters(std::string_view text) noexcept;

}  // namespace cvf::filter
