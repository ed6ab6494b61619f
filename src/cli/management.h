// What the verbs for directives and nodes share.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "api/client.h"
#include "cli/commands.h"
#include "directive/directive.h"
#include "directive/parse.h"

namespace cvf::cli {

// As the server checks directives.
directive::ParseOptions parse_options();
// The documents of -f, checked; signed where a key is given. Of a folder those of its *.yaml, *.yml and *.json, sorted by name;
// not of folders in it. The error has every problem, a line each.
std::expected<std::vector<directive::Directive>, std::string> read_documents(const Management& what, std::string_view verb);
// Signs with the private key in a file, for 90 days.
std::expected<void, std::string> sign_with(directive::Directive& directive, const std::string& key_file);

// Says what went wrong on standard error and gives the exit status.
int complain(std::string_view verb, const api::ClientError& error);
int complain_use(std::string_view verb, std::string_view text);

// What `cvf get` and the like may be asked for: the kinds of directive among it.
inline constexpr std::string_view thing_names[] = {"directives", "nodes",   "audit",     "metadata",
                                                   "flow",       "capture", "plaintext", "topology"};
enum class Thing : uint8_t { directives, nodes, audit };
// "directives", "node", "metadata", … in any case; a kind alone is left in `kind`. Nothing: there is no such thing; the error is
// for people.
std::expected<Thing, std::string> thing_of(const std::string& word, std::string& kind);

// Until every agent that is meant has said how it fares, or the time is over; that none is meant is said as soon as it is sure,
// and is no failure. Says what is wrong on standard error. The exit status.
int wait_for(const api::Client& client, const std::vector<api::RemoteApplied>& applied, std::chrono::nanoseconds most);

}  // namespace cvf::cli
