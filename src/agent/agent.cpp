#include "agent/agent.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <boost/unordered/unordered_flat_map.hpp>
#include <mutex>

#include "agent/selector.h"
#include "agent/steering.h"
#include "host/cgroup.h"
#include "host/clock.h"
#include "host/hostname.h"
#include "host/process.h"
#include "host/usage.h"
#include "pipeline/live.h"
#include "tap/endpoint.h"

namespace cvf::agent {

namespace {

constexpr auto last_words = std::chrono::seconds(3);  // for what waits to be sent when the agent ends

uint64_t random_seed() {
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed) seed = static_cast<uint64_t>(host::monotonic_now());
    return seed;
}

// Whether records of these types are made of payload. Those of flows are complete enough without: what they would know from it
// (host names, the protocol found) is there when something else needs it.
bool needs_payload(const pipeline::TypeBits& wanted) {
    using record::RecordType;
    pipeline::TypeBits without;
    for (const RecordType type :
         {RecordType::flow, RecordType::process, RecordType::event, RecordType::health, RecordType::arp, RecordType::lldp})
        without.set(static_cast<size_t>(type));
    return (wanted & ~without).any();
}

tap::Verdict verdict_of(protocol::Want want) {
    switch (want) {
        case protocol::Want::all:
            return tap::Verdict::all;
        case protocol::Want::heads:
            return tap::Verdict::heads;
        case protocol::Want::none:
            return tap::Verdict::none;
    }
    return tap::Verdict::budget;
}

class LocalAgent final : public Agent {
 public:
    LocalAgent(const config::Settings& settings, const flow::Options& flow,
               std::vector<std::unique_ptr<pipeline::Outlet>> outlets, host::CgroupTree cgroups, const Joining& joining)
        : cgroups_(std::move(cgroups)),
          joining_(joining),
          owners_(owner_options(settings)),
          shard_(shard_options(settings, flow), std::move(outlets), &hub_, &slot_),
          live_({.watch_self = settings.watch_self}, shard_, owners_) {}

    std::optional<std::string> open(const config::Settings& settings) {
        tap::EndpointOptions options;
        options.cgroup = settings.cgroup;
        options.payload = settings.payload != config::Payload::none;
        options.payload_full = settings.payload == config::Payload::full;
        options.watch_self = settings.watch_self;
        options.report_seconds = static_cast<uint32_t>(std::max<int64_t>(1, settings.flow_interim.count() / 1'000'000'000));
        if (settings.flow_interim.count() == 0) options.report_seconds = 60;
        auto tap = tap::EndpointTap::open(options, live_);
        if (!tap) return tap.error() + "; `cvf read FILE` works without";
        tap_ = std::move(*tap);
        live_.tap_stats = [this] { return tap_->stats(); };
        if (auto error = watch_below(settings.cgroup)) return error;
        shard_.on_want = [this](uint64_t cookie, bool egress, protocol::Want want) {
            tap_->set_want(cookie, egress, verdict_of(want));
        };
        shard_.on_skip = [this](uint64_t cookie, bool egress, uint64_t offset) { tap_->skip_to(cookie, egress, offset); };
        // Between two turns, when rules or subscribers have changed.
        shard_.on_demand = [this] { tap_->set_selector(selector_of(shard_.demand())); };
        if (options.payload) {
            tap_->set_payload(needs_payload(shard_.wanted()));
            shard_.on_wanted = [this](const pipeline::TypeBits& wanted) { tap_->set_payload(needs_payload(wanted)); };
        }
        return steer(settings);
    }

    void run(const std::atomic<bool>& stop) override {
        int64_t next_second = 0;
        while (!stop && !shard_.closed()) {
            tap_->poll(10);
            if (int64_t now = host::monotonic_now(); now >= next_second) {
                next_second = now + 1'000'000'000;
                each_second();
            }
        }
        tap_->report();
        live_.finish(clock_.utc(static_cast<uint64_t>(host::monotonic_now())));
        for (auto& outlet : shard_.outlets()) outlet->finish();
        steering_->finish(last_words);
    }

    Numbers numbers() const override {
        std::lock_guard lock(mutex_);
        return numbers_;
    }
    sink::Hub& hub() override { return hub_; }
    directive::NodeStatus status() const override { return steering_->status(); }

 private:
    context::OwnerTable::Options owner_options(const config::Settings& settings) const {
        context::OwnerTable::Options options;
        options.processes.command_line = settings.command_line;
        // In a pid namespace /proc tells of other processes under the same numbers.
        if (!host::numbers_as_the_kernel()) options.processes.proc.clear(), options.netns.proc.clear();
        options.cgroup_path = [this](uint64_t id) { return cgroups_.path_of(id); };
        return options;
    }

    static pipeline::ShardOptions shard_options(const config::Settings& settings, const flow::Options& flow) {
        pipeline::ShardOptions options;
        options.flow = flow;
        options.flow.id_seed = random_seed();
        options.host_name = node_name(settings);
        return options;
    }

    // Of processes and events, which the kernel tells of whatever cgroup the tap hangs on, only those below `directory` are told.
    std::optional<std::string> watch_below(const std::string& directory) {
        if (directory.empty()) return std::nullopt;
        auto tree = host::CgroupTree::open(directory);
        if (!tree) return tree.error();
        if (tree->is_root()) return std::nullopt;
        const auto top = cgroups_.path_of(tree->id());
        if (!top) return fmt::format("{} is not in the cgroup v2 tree", directory);
        live_.watched = [this, top = *top](uint64_t id) {
            if (auto known = watched_.find(id); known != watched_.end()) return known->second;
            const auto path = cgroups_.path_of(id);
            if (!path) return false;  // gone already, or none was told
            if (watched_.size() >= 4096) watched_.clear();
            return watched_[id] = *path == top || path->starts_with(top + "/");
        };
        return std::nullopt;
    }

    static std::string node_name(const config::Settings& settings) {
        return settings.node.empty() ? host::hostname() : settings.node;
    }

    std::optional<std::string> steer(const config::Settings& settings) {
        SteeringOptions options;
        directive::NodeStatus& node = options.node;
        node.name = node_name(settings);
        node.instance = fmt::format("{:x}", joining_.instance);
        node.version = CVF_VERSION;
        node.kernel = host::kernel_release();
        node.machine = host::boot_id();
        node.cgroup = settings.cgroup;
        node.capabilities = {"Metadata", "Flow", "endpoint"};
        node.started = clock_.utc(static_cast<uint64_t>(host::monotonic_now()));
        for (const std::string& label : settings.labels) {
            const size_t at = label.find('=');
            node.labels[label.substr(0, at)] = label.substr(at + 1);
        }
        auto policy = directive::policy_of(settings);
        if (!policy) return policy.error();
        options.policy = std::move(*policy);
        options.bus = joining_.bus;
        options.ways = {joining_.sink, settings.output_directory, node.name};
        options.slot = &slot_;
        options.own = joining_.own;
        options.flows_by_default = joining_.flows_by_default;
        if (!settings.state_directory.empty()) options.state_file = settings.state_directory + "/directives.state";
        options.numbers = [this] { return node_numbers(); };
        auto steering = Steering::start(std::move(options));
        if (!steering) return steering.error();
        steering_ = std::move(*steering);
        return std::nullopt;
    }

    directive::NodeNumbers node_numbers() const {
        const Numbers n = numbers();
        directive::NodeNumbers out;
        out.packets = n.traffic.packets;
        out.packet_bytes = n.traffic.bytes;
        out.flows = n.flows_live;
        out.sockets = n.sockets;
        out.records_made = n.records.made;
        out.records_published = n.bus.delivered;
        out.bytes_published = n.bus.bytes;
        out.records_lost = n.records.lost;
        out.records_waiting = n.bus.waiting;
        out.spooled_bytes = n.bus.spooled_bytes;
        out.events_lost = n.tap.lost_events;
        out.lag = static_cast<uint64_t>(std::max<int64_t>(n.lag, 0));
        return out;
    }

    void each_second() {
        clock_.sample();
        shard_.tick();
        Numbers n;
        n.traffic = shard_.counts();
        n.tap = tap_->stats();
        const flow::Counters& flows = shard_.tracker().counters();
        n.flows_seen = flows.flows;
        n.flows_evicted = flows.evicted;
        n.flows_live = shard_.tracker().size();
        n.sockets = live_.sockets();
        n.owners_refused = owners_.stats().refused;
        for (const auto& outlet : shard_.outlets()) n.records += outlet->counts();
        if (joining_.sink) {
            n.bus = joining_.sink->stats();
            n.records += {n.bus.given, n.bus.delivered, n.bus.lost, n.bus.waiting};
        }
        n.lag = clock_.utc(static_cast<uint64_t>(host::monotonic_now())) - live_.caught_up_to();
        std::lock_guard lock(mutex_);
        numbers_ = n;
    }

    host::CgroupTree cgroups_;
    const Joining joining_;
    boost::unordered_flat_map<uint64_t, bool> watched_;  // cgroups seen so far; an id is never used again
    host::Clock clock_;
    pipeline::RuleSlot slot_;
    sink::Hub hub_;
    context::OwnerTable owners_;
    pipeline::Shard shard_;
    pipeline::Live live_;
    mutable std::mutex mutex_;
    Numbers numbers_;
    std::unique_ptr<tap::EndpointTap> tap_;  // its events go to live_
    std::unique_ptr<Steering> steering_;     // asks for numbers
};

}  // namespace

std::expected<std::unique_ptr<Agent>, std::string> Agent::start(const config::Settings& settings, const flow::Options& flow,
                                                                std::vector<std::unique_ptr<pipeline::Outlet>> outlets,
                                                                const Joining& joining) {
    auto cgroups = host::CgroupTree::open();
    if (!cgroups) return std::unexpected(cgroups.error() + "; `cvf doctor` says more, and `cvf read FILE` works without");
    auto agent = std::make_unique<LocalAgent>(settings, flow, std::move(outlets), std::move(*cgroups), joining);
    if (auto error = agent->open(settings)) return std::unexpected(*error);
    return agent;
}

}  // namespace cvf::agent
