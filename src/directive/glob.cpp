#include "directive/glob.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>

namespace cvf::directive {

bool glob_matches(std::string_view pattern, std::string_view text) {
    size_t p = 0, t = 0, star = std::string_view::npos, retry = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            retry = t;
        } else if (p < pattern.size() && pattern[p] == text[t]) {
            ++p, ++t;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++retry;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') ++p;
    return p == pattern.size();
}

bool any_glob_matches(const std::vector<std::string>& patterns, std::string_view text) {
    return std::ranges::any_of(patterns, [&](const std::string& pattern) { return glob_matches(pattern, text); });
}

std::string expression_literal(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        if (c == '\n')
            out += "\\n";
        else if (static_cast<uint8_t>(c) < 0x20 || c == 0x7f)
            out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        else
            out += c;
    }
    return out + '"';
}

std::string glob_expression(std::string_view field, const std::vector<std::string>& patterns) {
    std::vector<std::string> terms, literals;
    for (const std::string& pattern : patterns) {
        const size_t star = pattern.find('*');
        const bool once = star != std::string::npos && pattern.find('*', star + 1) == std::string::npos;
        if (star == std::string::npos) {
            literals.push_back(expression_literal(pattern));
        } else if (pattern.find_first_not_of('*') == std::string::npos) {
            terms.push_back(fmt::format("has({})", field));
        } else if (once && star + 1 == pattern.size()) {
            terms.push_back(fmt::format("{}.startsWith({})", field, expression_literal(pattern.substr(0, star))));
        } else if (once && star == 0) {
            terms.push_back(fmt::format("{}.endsWith({})", field, expression_literal(pattern.substr(1))));
        } else {
            std::string expression = "(?s)^";
            size_t begin = 0;
            for (size_t at = pattern.find('*'); begin <= pattern.size(); at = pattern.find('*', begin)) {
                const size_t end = std::min(at, pattern.size());
                expression += RE2::QuoteMeta(pattern.substr(begin, end - begin));
                if (at == std::string::npos) break;
                expression += ".*";
                begin = at + 1;
            }
            terms.push_back(fmt::format("{}.matches({})", field, expression_literal(expression + "$")));
        }
    }
    if (literals.size() == 1) terms.insert(terms.begin(), fmt::format("{} == {}", field, literals[0]));
    if (literals.size() > 1) terms.insert(terms.begin(), fmt::format("{} in [{}]", field, fmt::join(literals, ", ")));
    return fmt::format("{}", fmt::join(terms, " || "));
}

}  // namespace cvf::directive
