// The controller: what it takes to steer agents and answer for them, over one bus.
//
// It holds nothing that the bus and the agents can't give back but the history of records. Any number may run on one bus.
//
// Thread rule: open() and the destructor on one thread; all else on any. The bus outlives it.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bus/bus.h"
#include "controller/audit.h"
#include "controller/directives.h"
#include "controller/nodes.h"
#include "controller/sequences.h"
#include "history/history.h"
#include "sink/subscription.h"

namespace cvf::controller {

struct ControllerOptions {
    std::shared_ptr<history::History> history;  // null: no records are kept
    bool live = true;                           // feeds hub() from the bus; false where the agent's own hub is at hand
    std::string queue;                  // not empty: the history's share, of the controllers that say the same; all see all live
    size_t history_buffer = 64u << 20;  // bytes that wait for a slow disk: two seconds of 50,000 records/s
};

struct ControllerNumbers {
    Sequences::Totals sequences;
    uint64_t batches = 0, records = 0, bytes = 0;  // received
    uint64_t history_lost = 0;                     // the history was too slow for them
    uint64_t foreign_applied = 0, foreign_refused = 0;
};

class Controller {
 public:
    static std::expected<std::unique_ptr<Controller>, std::string> open(ControllerOptions options, bus::Bus& bus);
    virtual ~Controller() = default;

    virtual Directives& directives() = 0;
    virtual Nodes& nodes() = 0;
    virtual Audit& audit() = 0;
    virtual std::shared_ptr<history::History> history() = 0;
    virtual sink::Hub& hub() = 0;
    virtual ControllerNumbers numbers() const = 0;
    // Nothing: all that the bus holds has been read; else what is missing.
    virtual std::optional<std::string> why_not_ready() const = 0;

    // Agents publish what this selects for as long as the handle lives: a directive that ends with its asker, and by itself soon
    // after when the controller dies.
    virtual std::shared_ptr<void> ask(const std::vector<std::string>& types, const std::string& filter,
                                      const std::vector<std::string>& fields) = 0;
};

}  // namespace cvf::controller
