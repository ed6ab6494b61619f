// What no single key shows: keys that need, exclude or contradict each other. Internal to the room.
#pragma once

#include "directive/directive.h"
#include "directive/node.h"
#include "directive/parse.h"
#include "directive/problem.h"

namespace cvf::directive {

// `tree` is what the directive was read from; problems are placed by it.
void check_rules(const Directive& directive, const Node& tree, const ParseOptions& options, size_t document, Problems& problems);

}  // namespace cvf::directive
