// Directives to text.
//
// The canonical form is what is stored, signed and compared: JSON as RFC 8785 (JCS) has it — keys in order of their bytes, no
// blanks, integers only — with everything left out that is the default, so that a key added to the language tomorrow changes
// nothing that was signed today. Quantities stand in their one shortest exact form ("1h30m", "64MiB"). parse(canonical(d)) == d.
//
// Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "directive/directive.h"
#include "directive/node.h"

namespace cvf::directive {

enum class Defaults : uint8_t { left_out, shown };

Node to_tree(const Directive& directive, Defaults defaults);

std::string canonical(const Directive& directive);
std::string canonical_spec(const Directive& directive);  // the spec alone, for comparing

// As `get -o yaml` and `-o json` show it, for people: keys in the order of the reference. Both parse as the same directive.
std::string to_yaml(const Directive& directive, Defaults defaults = Defaults::shown);
std::string to_json(const Directive& directive, Defaults defaults = Defaults::shown);
std::string to_yaml(const std::vector<Directive>& directives, Defaults defaults = Defaults::shown);  // several documents

}  // namespace cvf::directive
