// The verbs of the program, one function each. All print what they have to say to people on standard error, records on standard
// output, and return the exit status.
#pragma once

#include <string>
#include <vector>

#include "config/settings.h"
#include "flow/tracker.h"

namespace cvf::cli {

inline constexpr int exit_done = 0;
inline constexpr int exit_failed = 1;     // it failed, or input was damaged
inline constexpr int exit_wrong_use = 2;  // options, expressions, configuration

int run_up(const config::Settings& settings);
int run_read(const config::Settings& settings, const std::vector<std::string>& files);
int run_watch(const config::Settings& settings, const std::string& expression);
int run_doctor(const config::Settings& settings);
int run_completion(const std::string& shell);
// The field table as a schema or a page: for the documentation's own making.
int run_schema(const std::string& what, const std::string& directory);

// Options that bound the flow table.
flow::Options flow_options(const config::Settings& settings);

}  // namespace cvf::cli
