// What a text must be where no pattern says it: names of the field table, expressions, places. Pure functions of a text; nothing
// is the answer for a good one. Internal to the room.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "directive/keys.h"

namespace cvf::directive {

std::optional<Fault> check_record_type(std::string_view text);
std::optional<Fault> check_field_pattern(std::string_view text);  // "dns.question.name", "source.*", "*"
std::optional<Fault> check_group_key(std::string_view text);      // a field with one value that makes groups
std::optional<Fault> check_expression(std::string_view text);     // docs/filter.md
std::optional<Fault> check_path(std::string_view text);
std::optional<Fault> check_url(std::string_view text);      // http or https, without a password
std::optional<Fault> check_address(std::string_view text);  // HOST:PORT, [ADDRESS]:PORT

// A name that DNS takes, out of one that it does not: "Shop_Errors" gives "shop-errors".
std::string suggest_name(std::string_view text);

}  // namespace cvf::directive
