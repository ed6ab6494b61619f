// What `cvf get`, `describe`, `edit` and `delete` are about, from the words behind the verb.
//
// As with kubectl: `KIND` (all of them), `KIND NAME...`, or `KIND/NAME...`, the form in which `cvf apply` says what it did.
// Thread rule: values and pure functions. Errors: one sentence for people.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/management.h"

namespace cvf::cli {

struct Target {
    Thing thing = Thing::directives;
    std::string kind;  // of a directive, as directive::kind_names has it; empty: of any kind, and then there is no name
    std::string name;  // empty: all of them
    bool operator==(const Target&) const = default;
};

// At least one; where one has no name it is the only one.
std::expected<std::vector<Target>, std::string> targets_of(const Management& what);

}  // namespace cvf::cli
