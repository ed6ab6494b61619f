// Headers of requests and answers: found by name, and what stands in some of them. Pure functions; what they give is borrowed.
// Source: RFC 9110 5.1, 5.6.1, 12.5.1.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "http/client.h"  // Header

namespace cvf::http {

bool same_word(std::string_view a, std::string_view b);  // in any letter case
std::string_view trimmed(std::string_view text);         // without blanks and tabs around it

// The first of this name; empty: there is none.
std::string_view find_header(std::span<const Header> headers, std::string_view name);

// "a, b,,c": the items, empty ones left out.
std::vector<std::string_view> list_items(std::string_view value);

// "text/html; charset=utf-8": the type, and the value of one parameter without quotes.
std::string_view media_type_of(std::string_view value);
std::string_view parameter_of(std::string_view value, std::string_view name);

// How much Accept wants this type, in thousandths; the most specific range that names it decides.
int quality(std::string_view accept, std::string_view media);

}  // namespace cvf::http
