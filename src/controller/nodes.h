// The agents of the fabric as their last status has them.
//
// An agent writes its document every five seconds and at each change; one that has not for `lost_after` is lost, and stays listed
// for a day. Where two agents are alive under one name their documents take turns: an instance that comes back after another was
// there. Both are told then, and an audit entry is made. Thread rule: any.
#pragma once

#include <chrono>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bus/bus.h"
#include "controller/audit.h"
#include "directive/node_status.h"

namespace cvf::controller {

inline constexpr std::chrono::seconds lost_after{12};

struct Node {
    directive::NodeStatus status;
    std::chrono::nanoseconds age{0};         // since its last status was seen here
    bool lost = false;                       // nothing heard for lost_after
    std::chrono::nanoseconds clock_skew{0};  // so much its clock is ahead of ours, of late
    std::vector<std::string> namesakes;      // instances of other agents that are alive under its name
};

// A directive over all agents that are meant by it and are not lost.
struct Standing {
    directive::Summary summary;
    std::vector<directive::Status> agents;  // what each has said of it, by node
};

class Nodes {
 public:
    // `audit` may be null; both outlive it.
    static std::expected<std::unique_ptr<Nodes>, std::string> open(bus::Bus& bus, Audit* audit = nullptr);
    virtual ~Nodes() = default;

    virtual bool ready() const = 0;
    virtual std::vector<Node> list() const = 0;  // by name
    virtual std::optional<Node> find(std::string_view name) const = 0;
    virtual uint64_t version() const = 0;
    // Meant is who the selector names and is not lost.
    virtual Standing standing(const directive::Directive& directive) const = 0;

    using Listener = std::function<void(const Node&)>;
    virtual std::shared_ptr<void> listen(Listener listener) = 0;
};

}  // namespace cvf::controller
