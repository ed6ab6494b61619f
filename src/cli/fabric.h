// What the verbs of the fabric share.
#pragma once

#include <cstdint>
#include <string>

#include "config/settings.h"

namespace cvf::cli {

// A number for this life of an agent.
uint64_t new_instance();
// How this node is called.
std::string node_name(const config::Settings& settings);

}  // namespace cvf::cli
