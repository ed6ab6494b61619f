// Text to Document: the executable part of GraphQL's grammar (October 2021, appendix B), by PEGTL.
//
// Thread rule: pure. Errors: where the text stops being GraphQL, and what stands there. Limits: bytes of text, and how deep
// selections, values and types nest, so that hostile text costs neither stack nor time (the grammar looks ahead by one token).
#pragma once

#include <cstddef>
#include <expected>
#include <string_view>

#include "graphql/syntax.h"

namespace cvf::graphql {

inline constexpr size_t max_document_bytes = 64 * 1024;
inline constexpr size_t max_syntax_depth = 32;
inline constexpr size_t max_definitions = 256;

std::expected<Document, Error> parse(std::string_view source, size_t max_bytes = max_document_bytes);

// What a string literal stands for, its quotes included in `literal` ("…" or """…"""). The error is a sentence.
std::expected<std::string, std::string> string_value(std::string_view literal);

}  // namespace cvf::graphql
