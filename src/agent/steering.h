// Makes of directives what the data path runs, and tells how each fares.
//
// Wanted is what stands in the bus's bucket and what the agent's own configuration adds; reconcile() compares it with what runs,
// at the start, at each change, after a reconnection, and when something ends by itself. What did not change goes on with its
// counts. A directive that is wrong, not allowed here or not possible has a status that says so and touches nothing else.
//
// What has ended by time or volume stays ended across a restart, and a signed document cannot be played again: both stand in a
// small file beside the spool.
//
// Thread rule: start() and the destructor on one thread; the work is done on a thread of its own, which alone waits for the bus
// or the disk. status() on any. Errors: start() when the bus's bucket can't be watched.
#pragma once

#include <chrono>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/ways.h"
#include "bus/bus.h"
#include "directive/node_status.h"
#include "directive/policy.h"
#include "pipeline/rules.h"

namespace cvf::agent {

struct SteeringOptions {
    directive::NodeStatus node;  // what does not change: name, instance, version, kernel, labels, capabilities, …
    directive::Policy policy;
    bus::Bus* bus = nullptr;                // null: only the agent's own directives
    WayOptions ways;                        // their bus is where flow and health go when no directive asks for more
    pipeline::RuleSlot* slot = nullptr;     // the data path's
    std::vector<directive::Directive> own;  // of the configuration
    bool flows_by_default = true;           // with no directive in force
    std::string state_file;                 // empty: nothing is remembered
    std::chrono::milliseconds status_every{5000};
    std::function<directive::NodeNumbers()> numbers;  // totals; rates, CPU and memory are added here
};

class Steering {
 public:
    static std::expected<std::unique_ptr<Steering>, std::string> start(SteeringOptions options);
    // Says goodbye on the bus. The rules stay with the data path.
    virtual ~Steering() = default;

    virtual directive::NodeStatus status() const = 0;
    // Sends what waits in every way out. For the end, when the data path has stopped.
    virtual void finish(std::chrono::milliseconds wait) = 0;
};

// Directives in files: each path is a file, or a folder whose *.yaml, *.yml and *.json files are read. The error names the file
// and every problem in it, a line each.
std::expected<std::vector<directive::Directive>, std::string> read_directives(const std::vector<std::string>& paths);

}  // namespace cvf::agent
