// A filter's text, cut into words, numbers, strings and signs. First of three stages: tokens, syntax, program.
//
// The lexis is CEL's (language definition, "Syntax"), without bytes literals. Tokens hold positions in the source and own only
// the text of string literals, whose escapes are resolved here. Positions are byte offsets; Error columns count characters
// from 1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "filter/filter.h"

namespace cvf::filter {

enum class TokenKind : uint8_t { end, name, integer, unsigned_integer, real, text, sign };

struct Token {
    TokenKind kind = TokenKind::end;
    size_t at = 0;             // byte offset in the source
    std::string_view spelled;  // as written; for sign "==", "(", …
    std::string text;          // text: what the literal stands for
    uint64_t number = 0;       // integer (magnitude: the sign is a token of its own), unsigned_integer
    double real = 0;

    bool is(std::string_view sign) const { return kind == TokenKind::sign && spelled == sign; }
};

// An error at a byte offset of the source.
Error error_at(std::string_view source, size_t at, std::string message);

// Control characters become '?': a terminal must not obey what stands in a filter. Keeps tabs and the number of characters.
void make_printable(std::string& text);

// The tokens of the source; the last one is `end`.
std::expected<std::vector<Token>, Error> tokenize(std::string_view source);

}  // namespace cvf::filter
