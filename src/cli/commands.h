// The verbs of the program, one function each. All print what they have to say to people on standard error, records on standard
// output, and return the exit status.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "config/settings.h"
#include "flow/tracker.h"

namespace cvf::cli {

inline constexpr int exit_done = 0;
inline constexpr int exit_failed = 1;     // it failed, or input was damaged
inline constexpr int exit_wrong_use = 2;  // options, expressions, configuration
// `cvf read` ended by a signal adds its number: 130 for SIGINT, 143 for SIGTERM. The others are ended by signals as a matter of
// course, and return exit_done.
inline constexpr int exit_by_signal = 128;

// What `cvf query` asks, as given.
struct Question {
    std::string expression, since, until, every;
    uint64_t limit = 0, top = 0;  // 0: not given
    bool count = false;
    std::vector<std::string> by;
    std::vector<std::pair<std::string, std::string>> functions;  // "p99", field
};

// What the verbs for directives and nodes are given.
struct Management {
    std::string kind;                // or, like the names then, "KIND/NAME"
    std::vector<std::string> names;  // see targets.h
    std::vector<std::string> files;  // or folders of them
    std::string form, timeout, sign_with, labels;
    std::string dry_run;  // "none" or empty, "server", "client"
    bool wait = false, follow = false;
};

int run_up(const config::Settings& settings);
int run_read(const config::Settings& settings, const std::vector<std::string>& files);
int run_agent(const config::Settings& settings);
int run_controller(const config::Settings& settings);
int run_query(const config::Settings& settings, const Question& question);
int run_apply(const config::Settings& settings, const Management& what);
int run_get(const config::Settings& settings, const Management& what);
int run_describe(const config::Settings& settings, const Management& what);
int run_edit(const config::Settings& settings, const Management& what);
int run_delete(const config::Settings& settings, const Management& what);
int run_watch(const config::Settings& settings, const std::string& expression);
int run_doctor(const config::Settings& settings);
int run_token(const std::string& name, const std::string& role);
int run_completion(const std::string& shell);
// The field table as a schema or a page: for the documentation's own making.
int run_schema(const std::string& what, const std::string& directory);

// Options that bound the flow table.
flow::Options flow_options(const config::Settings& settings);

}  // namespace cvf::cli
