// Request targets: path, query and percent-encoding (RFC 3986 sections 2.1 and 3.4, with '+' as a space as HTML forms write it).
// Functions of bytes to values; no state.
#pragma once

#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cvf::http {

struct Target {
    std::string path;                                        // decoded, begins with '/'
    std::vector<std::pair<std::string, std::string>> query;  // decoded, in order, at most max_parameters

    // The first parameter of that name.
    std::optional<std::string_view> parameter(std::string_view name) const;
};

inline constexpr size_t max_parameters = 64;

// Splits and decodes an origin-form target ("/path?a=b&c"), or the path of an absolute-form one. The error is a sentence.
std::expected<Target, std::string> parse_target(std::string_view target);

// Undoes percent-encoding; nullopt when a '%' has no two hex digits behind it or a NUL comes out. `plus_is_space` for queries.
std::optional<std::string> decode_component(std::string_view text, bool plus_is_space);

// Percent-encodes everything but RFC 3986's unreserved characters.
std::string encode_component(std::string_view text);

}  // namespace cvf::http
