// Lists in parts. An answer's `continue` token says behind which key the next one begins: it stays good however the list changes
// meanwhile, on any controller, and what was there all the time comes exactly once.
//
// Thread rule: pure functions.
#pragma once

#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "api/call.h"

namespace cvf::api {

inline constexpr size_t default_page = 500, largest_page = 1000;

// Opaque to clients: URL-safe characters.
std::string continue_token(std::string_view key);
std::optional<std::string> key_of_token(std::string_view token);

struct Page {
    size_t limit = default_page;
    std::string after;  // key; empty: from the first
};
// Of the parameters `limit` and `continue`; the error names the parameter.
std::expected<Page, Problem> page_of(const Call& call);

}  // namespace cvf::api
