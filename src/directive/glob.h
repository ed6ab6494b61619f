// Names with '*' in them, which stands for any characters, none too. There is no other wildcard and no escape. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cvf::directive {

inline bool is_glob(std::string_view pattern) {
    return pattern.find('*') != std::string_view::npos;
}
// Time is the product of both lengths at worst.
bool glob_matches(std::string_view pattern, std::string_view text);
bool any_glob_matches(const std::vector<std::string>& patterns, std::string_view text);

// What an expression says for "`field` matches one of `patterns`": `a in ["x"] || a.startsWith("y-")`. Patterns must not be
// empty.
std::string glob_expression(std::string_view field, const std::vector<std::string>& patterns);

// A string literal of the filter language.
std::string expression_literal(std::string_view text);

}  // namespace cvf::directive
