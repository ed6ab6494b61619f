// How a directive fares: on one agent, and on all.
//
// Thread rule: values and pure functions.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "directive/node.h"

namespace cvf::directive {

enum class State : uint8_t {
    accepted,  // valid and allowed here, not in force yet
    active,    // in force
    degraded,  // in force, but not wholly: the reason says what is missing
    expired,   // over: its duration, volume or signature has ended
    rejected,  // will not run here: the reason says why
};
inline constexpr std::string_view state_names[] = {"accepted", "active", "degraded", "expired", "rejected"};
inline std::string_view name_of(State state) {
    return state_names[static_cast<size_t>(state)];
}

// Of one directive on one agent. Counts are since it came into force there.
struct Status {
    std::string directive;  // identity(): "Metadata/shop-errors"
    std::string uid;
    uint64_t generation = 0;
    std::string node;
    State state = State::accepted;
    std::string reason;  // of degraded, expired and rejected
    int64_t since = 0;   // UTC ns: when it came into this state
    int64_t ends = 0;    // UTC ns: when it will end by time; 0: not by time
    uint64_t matched = 0, sampled_out = 0, limited = 0, sent = 0, bytes = 0, lost = 0;
    bool operator==(const Status&) const = default;
};

// One line of JSON; times in nanoseconds since 1970. Text from elsewhere: unknown members are let pass (an agent may be newer),
// what is missing or of the wrong type is an error of one sentence.
std::string to_json(const Status& status);
Node to_tree(const Status& status);
std::expected<Status, std::string> status_from_json(std::string_view text);
std::expected<Status, std::string> status_from_tree(const Node& tree);

// Of one directive over the agents that are meant by it.
struct Summary {
    uint32_t agents = 0;                                      // that are meant
    std::map<State, uint32_t> states;                         // of the present generation
    uint32_t behind = 0;                                      // have said nothing, or only of an older generation
    std::map<std::string, std::vector<std::string>> reasons;  // reason: nodes, at most max_named of each
    uint64_t matched = 0, sent = 0, bytes = 0, lost = 0;

    static constexpr size_t max_named = 10, max_reasons = 20;

    bool settled() const;      // every agent has it: what `--wait` waits for
    bool good() const;         // … and all are active or have ended by themselves
    std::string show() const;  // "3 active, 1 rejected of 5 agents"
};

// `nodes`: who is meant; what others say is left out. Of two of a node the one of the higher generation, then the later, counts.
Summary summarize(std::string_view uid, uint64_t generation, std::span<const std::string> nodes,
                  std::span<const Status> statuses);

}  // namespace cvf::directive
