// "Did you mean …": the known name closest to one that is not known.
//
// Closest by typing (Damerau-Levenshtein over bytes, at most a third of the name and never less than two edits) or, where no name
// is that close, the shortest one that has all dotted parts of the given name in the same order, as given (dns.name:
// dns.question.name) or else with one slip in a part. Ties go to the earlier candidate. Thread rule: pure. Cost grows with the
// product of both lengths; names over 128 bytes get no answer.
#pragma once

#include <span>
#include <string_view>

namespace cvf::record {

// The nearest candidate, or an empty view when nothing is near. The view is the candidate's own.
std::string_view nearest(std::string_view name, std::span<const std::string_view> candidates);

// The nearest field key, or an empty view.
std::string_view nearest_key(std::string_view key);

}  // namespace cvf::record
