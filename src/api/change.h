// Changing directives, for REST and GraphQL alike: who may, and what happens. Private to this room.
//
// Thread rule: any; apply_all() waits for the bus.
#pragma once

#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/call.h"
#include "directive/directive.h"

namespace cvf::api {

// Counts a refusal for want of a role and audits it, but not so many that they wash out what else is in the trail. `action`
// empty: nothing was to be changed, and it is counted only. Every 403 of a role goes through here.
void note_refusal(State& state, const controller::Who& who, controller::Role needed, std::string_view action,
                  std::string_view object);

// Nothing: a change of this kind by this role may go on. Else it has been noted, and the text says which role it needs.
std::optional<std::string> refusal_for(State& state, const controller::Who& who, controller::Role role, directive::Kind kind,
                                       std::string_view action, std::string_view object);

// First all as a trial: nothing is stored unless all would be. The error names the directive, and how many before it are stored.
std::expected<std::vector<controller::Applied>, controller::Refusal> apply_all(controller::Directives& directives,
                                                                               std::span<const directive::Directive> all,
                                                                               const controller::Who& who, bool dry_run);

// `conditional`: the client has named a revision.
Problem problem_of(const controller::Refusal& refusal, bool conditional);

inline std::string_view change_name(directive::Change change) {
    return directive::change_names[static_cast<size_t>(change)];
}

// In any letter case.
std::optional<directive::Kind> kind_of(std::string_view name);
std::string no_kind(std::string_view name);
inline constexpr std::string_view no_directives = "no directives: only a controller has them";
inline constexpr std::string_view no_nodes = "no view of nodes: only a controller has one";
inline constexpr std::string_view no_history = "no history: it keeps no records";

}  // namespace cvf::api
