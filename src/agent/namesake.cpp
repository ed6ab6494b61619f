#include "agent/namesake.h"

#include <fmt/format.h>

#include <utility>

#include "bus/subjects.h"
#include "sink/sink.h"

namespace cvf::agent {

namespace {

using Clock = std::chrono::steady_clock;

std::string describe(const directive::NodeStatus& other, std::string_view node) {
    return fmt::format(
        "another agent is alive under the name {}: instance {}, machine {}, watching {}; give one of them another --node", node,
        other.instance, other.machine.empty() ? "unknown" : other.machine,
        other.cgroup.empty() ? "the whole machine" : other.cgroup);
}

}  // namespace

std::optional<std::string> Namesake::look() {
    // Without a connection the question would only wait.
    if (bus_.state().connected)
        if (const auto found = bus_.get(bus::bucket::nodes, node_)) judge(*found);
    if (other_ && Clock::now() - heard_ > gone_after_) {
        sink::complain_on_stderr(fmt::format("the other agent of the name {} (instance {}) is gone", node_, other_->instance));
        other_.reset();
    }
    if (!other_) return std::nullopt;
    return describe(*other_, node_);
}

void Namesake::judge(const bus::Bus::Found& found) {
    // A smaller one than before is that of a bucket that was made anew.
    const bool news = std::exchange(looked_, true) && found.revision > known_;
    known_ = found.revision;
    if (!news) return;
    auto status = directive::node_status_from_json(found.value);
    if (!status || status->instance == instance_) return;
    if (status->leaving) {
        if (other_ && other_->instance == status->instance) heard_ = {};
        return;
    }
    const bool known = other_ && other_->instance == status->instance;
    other_ = std::move(*status);
    heard_ = Clock::now();
    if (!known) sink::complain_on_stderr(describe(*other_, node_));
}

}  // namespace cvf::agent
