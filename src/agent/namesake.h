// Notices that another agent is alive under the same name, which nothing on a bus forbids: both write one document in
// `cvf-nodes`, in turns, and publish to one subject. Nothing is lost by that, for records are numbered by instance, but whoever
// reads `host.name` takes the two for one.
//
// Before each of its own writes the agent looks who wrote last: a revision younger than its own by another instance is a
// namesake. What it finds when it begins may be its own former life and says nothing. It is thought gone when it has not written
// for `gone_after`, or at once when it says goodbye.
//
// Thread rule: one thread; look() waits for the bus, some milliseconds as a rule. Errors: a bus that can't be asked for one
// document (Kafka) tells nothing here; there the controller sees it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "bus/bus.h"
#include "directive/node_status.h"

namespace cvf::agent {

class Namesake {
 public:
    Namesake(bus::Bus& bus, std::string node, std::string instance, std::chrono::milliseconds gone_after)
        : bus_(bus), node_(std::move(node)), instance_(std::move(instance)), gone_after_(gone_after) {}

    // What is the matter, for the status; nothing: all is well.
    std::optional<std::string> look();
    // The agent has written its document, which got this revision.
    void wrote(uint64_t revision) { known_ = std::max(known_, revision); }

 private:
    void judge(const bus::Bus::Found& found);

    bus::Bus& bus_;
    const std::string node_, instance_;
    const std::chrono::milliseconds gone_after_;
    bool looked_ = false;
    uint64_t known_ = 0;  // revisions up to here say nothing new
    std::optional<directive::NodeStatus> other_;
    std::chrono::steady_clock::time_point heard_{};  // of it
};

}  // namespace cvf::agent
