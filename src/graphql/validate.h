// Whether a document is a valid request against a schema: the rules of GraphQL October 2021, section 5, all of them that concern
// executable documents.
//
// Thread rule: pure. Errors: all that are found, at most max_errors, each with the places that make it. Time is linear in the
// size of the document but for overlapping fields, whose work is bounded: a document beyond the bound is refused.
#pragma once

#include <vector>

#include "graphql/schema.h"
#include "graphql/syntax.h"

namespace cvf::graphql {

inline constexpr size_t max_errors = 100;
inline constexpr size_t max_overlap_work = 200'000;  // fields looked at for overlaps, fragments expanded

std::vector<Error> validate(const Schema& schema, const Document& document);

}  // namespace cvf::graphql
