// What applying a document does to what is stored.
//
// The generation counts specs: it goes up by one when the spec differs, and only then; labels may change under it. Applying the
// same document twice changes nothing the second time. Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <string>

#include "directive/directive.h"

namespace cvf::directive {

// Equal in everything that its author wrote: kind, name, labels, spec and signature. Generation and uid are not his.
bool same_content(const Directive& a, const Directive& b);

// Of `wanted` when it takes the place of `stored` (null: there is none): 1 for the first, the same for an equal spec, else one
// more.
uint64_t next_generation(const Directive* stored, const Directive& wanted);

enum class Change : uint8_t { created, configured, unchanged };
inline constexpr const char* change_names[] = {"created", "configured", "unchanged"};  // as kubectl says it

struct Applied {
    Change change;
    Directive directive;  // to be stored, with generation and uid
};
// `fresh_uid` is used when there is nothing stored.
Applied apply(const Directive* stored, const Directive& wanted, std::string fresh_uid);

}  // namespace cvf::directive
