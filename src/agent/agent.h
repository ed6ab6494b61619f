// One node's agent: the endpoint tap, a shard, its outlets and the owners, put together.
//
// Thread rule: start(), run() and the destructor on one thread, which is the data path's. numbers() and hub() may be used by
// others.
#pragma once

#include <atomic>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "config/settings.h"
#include "flow/tracker.h"
#include "pipeline/shard.h"
#include "tap/endpoint.h"

namespace cvf::agent {

// What the agent has done so far, about a second old.
struct Numbers {
    pipeline::TrafficCounts traffic;
    tap::EndpointStats tap;
    uint64_t flows_seen = 0, flows_evicted = 0, flows_live = 0, sockets = 0;
    uint64_t records_made = 0, records_written = 0, records_lost = 0;
};

class Agent {
 public:
    // Attaches the taps. The error is what is missing and the way on, for people.
    static std::expected<std::unique_ptr<Agent>, std::string> start(const config::Settings& settings, const flow::Options& flow,
                                                                    std::vector<std::unique_ptr<pipeline::Outlet>> outlets);
    virtual ~Agent() = default;

    // Until `stop` is set or nobody reads the records any more; then makes the last records. False: the tap failed.
    virtual bool run(const std::atomic<bool>& stop) = 0;
    virtual Numbers numbers() const = 0;
    virtual sink::Hub& hub() = 0;  // live records for subscribers
};

}  // namespace cvf::agent
