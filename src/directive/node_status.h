// What an agent tells of itself: who it is, what it can do, how it fares, and how each directive fares on it.
//
// The agent's document in the bucket `cvf-nodes`: written every few seconds and at each change. Thread rule: values and pure
// functions.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "directive/directive.h"
#include "directive/status.h"

namespace cvf::directive {

// Totals since the agent began, and what is now.
struct NodeNumbers {
    uint64_t packets = 0, packet_bytes = 0;  // parsed
    uint64_t flows = 0;                      // conversations now
    uint64_t sockets = 0;                    // local sockets followed now
    uint64_t records_made = 0;
    uint64_t records_published = 0;  // the bus has them
    uint64_t bytes_published = 0;
    uint64_t records_lost = 0;
    uint64_t records_waiting = 0;  // in memory or on disk, for the bus
    uint64_t spooled_bytes = 0;
    uint64_t events_lost = 0;         // the kernel found its buffer full
    uint64_t lag = 0;                 // ns from a packet to its turn here, the latest
    uint64_t cpu = 0;                 // thousandths of one core, over the last interval
    uint64_t memory = 0;              // bytes resident
    uint64_t records_per_second = 0;  // made, over the last interval
    uint64_t bytes_per_second = 0;    // published, over the last interval
    bool operator==(const NodeNumbers&) const = default;
};

struct NodeStatus {
    std::string name;
    std::string instance;  // one life of the agent
    std::string version, kernel;
    std::string machine;  // its boot: two agents with one are on one machine
    std::string cgroup;   // what it watches; empty: all of the machine
    Labels labels;        // for selectors
    std::vector<std::string> capabilities;
    std::vector<std::string> problems;  // what someone should know, a sentence each
    int64_t started = 0, sent = 0;      // UTC ns, by its own clock
    bool leaving = false;               // it ends in good order: its last word
    NodeNumbers numbers;
    std::vector<Status> directives;
    bool operator==(const NodeStatus&) const = default;
};

std::string to_json(const NodeStatus& status);
Node to_tree(const NodeStatus& status);
// Unknown members are let pass; an error is one sentence.
std::expected<NodeStatus, std::string> node_status_from_json(std::string_view text);

}  // namespace cvf::directive
