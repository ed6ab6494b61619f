// Conditional requests: If-Match and If-None-Match. Pure functions. Source: RFC 9110 8.8.3, 13.1.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cvf::api {

std::string strong_tag(uint64_t revision);
std::string weak_tag(std::string_view instance, uint64_t version);

// Is `tag` (as we send it) one of the header's? `weak`: W/ does not matter (If-None-Match); else weak tags never match. "*" is
// any. A malformed list matches nothing from there on.
bool lists_tag(std::string_view header, std::string_view tag, bool weak);

}  // namespace cvf::api
