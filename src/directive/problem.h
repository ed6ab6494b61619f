// What is wrong in a document, where, and what would be right.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace cvf::directive {

struct Problem {
    std::string path;              // "spec.limits.duration", "spec.output[1].path"; empty: the document as a whole
    std::string message;           // one sentence for people, with what would be right
    std::string nearest;           // the nearest valid key or value; empty: none is near
    size_t line = 0, column = 0;   // from 1; 0: not known
    size_t expression_column = 0;  // where an expression is wrong: the character of it, from 1; else 0
    size_t document = 0;           // of several, from 0

    // "file.yaml:12:5: spec.limits.duration: …"; an empty name leaves the place as "12:5: ".
    std::string show(std::string_view name = {}) const;
    bool operator==(const Problem&) const = default;
};

using Problems = std::vector<Problem>;
inline constexpr size_t max_problems = 100;  // reported of one text

}  // namespace cvf::directive
