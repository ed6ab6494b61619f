// The verbs of the program that take options: for the command line and for completion.
#pragma once

#include <span>
#include <string_view>

#include "config/options.h"

namespace cvf::cli {

struct Verb {
    const char* name;
    config::Command command;  // whose options it takes
    const char* help;
    const char* examples;
};

std::span<const Verb> verbs();

}  // namespace cvf::cli
