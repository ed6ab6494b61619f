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

#include "bus/bus.h"
#include "config/settings.h"
#include "directive/directive.h"
#include "directive/node_status.h"
#include "flow/tracker.h"
#include "pipeline/shard.h"
#include "tap/endpoint.h"

namespace cvf::agent {

// How an agent takes part in a fabric.
struct Joining {
    bus::Bus* bus = nullptr;                 // outlives the agent
    std::shared_ptr<sink::RecordSink> sink;  // publishes records there; null: none are
    uint64_t instance = 0;                   // this life of the agent
    std::vector<directive::Directive> own;   // directives that hold here whatever the bus says
    bool flows_by_default = true;            // publishes flows while no directive is in force
};

// What the agent has done so far, about a second old.
struct Numbers {
    pipeline::TrafficCounts traffic;
    tap::EndpointStats tap;
    uint64_t flows_seen = 0, flows_evicted = 0, flows_live = 0, sockets = 0;
    uint64_t owners_refused = 0;
    pipeline::RecordCounts records;  // of the outlets, and of what is published
    sink::RecordSinkStats bus;       // of what is published
    int64_t lag = 0;                 // ns from a packet to its turn here
};

class Agent {
 public:
    // Attaches the taps. The error is what is missing and the way on, for people.
    static std::expected<std::unique_ptr<Agent>, std::string> start(const config::Settings& settings, const flow::Options& flow,
                                                                    std::vector<std::unique_ptr<pipeline::Outlet>> outlets,
                                                                    const Joining& joining = {});
    virtual ~Agent() = default;

    // Until `stop` is set or nobody reads the records any more; then makes the last records.
    virtual void run(const std::atomic<bool>& stop) = 0;
    virtual Numbers numbers() const = 0;
    virtual sink::Hub& hub() = 0;  // live records for subscribers
    // As it stands on the bus, some seconds old.
    virtual directive::NodeStatus status() const = 0;
};

}  // namespace cvf::agent
