// What a filter says, before names and types are looked at. Second of three stages: tokens, syntax, program.
//
// The grammar is CEL's (language definition, "Syntax") without map and message literals. `a && b && c` is one node with three
// children, so that long chains are not deep. Everything here is a value; a Syntax refers to no source text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "filter/filter.h"

namespace cvf::filter {

inline constexpr size_t max_depth = 64;
inline constexpr size_t max_operations = 4096;

enum class SyntaxKind : uint8_t {
    literal_bool,  // flag
    literal_int,   // integer
    literal_uint,  // number
    literal_real,  // real
    literal_text,  // text
    name,          // text: one identifier
    member,        // children[0] . text
    call,          // text(children…)
    method,        // children[0] . text(children from 1…)
    index,         // children[0] [ children[1] ]
    list,          // [children…]
    all_of,        // children && …
    any_of,        // children || …
    not_,          // ! children[0]
    negate,        // - children[0]
    choice,        // children[0] ? children[1] : children[2]
    relation,      // children[0] text children[1]; text is one of == != < <= > >= in
    arithmetic,    // children[0] text children[1]; text is one of + - * / %
};

struct Syntax {
    SyntaxKind kind = SyntaxKind::literal_bool;
    size_t at = 0;     // byte offset of what an error about this node points at
    size_t begin = 0;  // byte offset of its first character
    std::string text;
    bool flag = false;
    int64_t integer = 0;
    uint64_t number = 0;
    double real = 0;
    std::vector<Syntax> children;
};

// The expression of a source; a literal `true` for a source of nothing but blanks and comments.
std::expected<Syntax, Error> parse(std::string_view source);

}  // namespace cvf::filter
