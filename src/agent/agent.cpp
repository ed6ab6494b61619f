#include "agent/agent.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <mutex>

#include "host/cgroup.h"
#include "host/clock.h"
#include "host/hostname.h"
#include "pipeline/live.h"
#include "tap/endpoint.h"

namespace cvf::agent {

namespace {

uint64_t random_seed() {
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed) seed = static_cast<uint64_t>(host::monotonic_now());
    return seed;
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
               std::vector<std::unique_ptr<pipeline::Outlet>> outlets, host::CgroupTree cgroups)
        : cgroups_(std::move(cgroups)),
          owners_(owner_options(settings)),
          shard_(shard_options(settings, flow), std::move(outlets), &hub_),
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
        shard_.on_want = [this](uint64_t cookie, bool egress, protocol::Want want) {
            tap_->set_want(cookie, egress, verdict_of(want));
        };
        return std::nullopt;
    }

    bool run(const std::atomic<bool>& stop) override {
        bool good = true;
        int64_t next_second = 0;
        while (!stop && !shard_.closed()) {
            if (tap_->poll(10) < 0 && !stop) {
                good = false;
                break;
            }
            if (int64_t now = host::monotonic_now(); now >= next_second) {
                next_second = now + 1'000'000'000;
                each_second();
            }
        }
        tap_->report();
        live_.finish(clock_.utc(static_cast<uint64_t>(host::monotonic_now())));
        for (auto& outlet : shard_.outlets()) outlet->sink().finish();
        return good;
    }

    Numbers numbers() const override {
        std::lock_guard lock(mutex_);
        return numbers_;
    }
    sink::Hub& hub() override { return hub_; }

 private:
    context::OwnerTable::Options owner_options(const config::Settings& settings) const {
        context::OwnerTable::Options options;
        options.processes.command_line = settings.command_line;
        options.cgroup_path = [this](uint64_t id) { return cgroups_.path_of(id); };
        return options;
    }

    static pipeline::ShardOptions shard_options(const config::Settings& settings, const flow::Options& flow) {
        pipeline::ShardOptions options;
        options.flow = flow;
        options.flow.id_seed = random_seed();
        options.host_name = settings.node.empty() ? host::hostname() : settings.node;
        return options;
    }

    void each_second() {
        clock_.sample();
        for (auto& outlet : shard_.outlets())
            if (outlet->sink().needs_tick()) outlet->sink().tick();
        Numbers n;
        n.traffic = shard_.counts();
        n.tap = tap_->stats();
        const flow::Counters& flows = shard_.tracker().counters();
        n.flows_seen = flows.flows;
        n.flows_evicted = flows.evicted;
        n.flows_live = shard_.tracker().size();
        n.sockets = live_.sockets();
        for (const auto& outlet : shard_.outlets()) {
            const sink::SinkStats stats = outlet->sink().stats();
            n.records_made += outlet->made();
            n.records_written += stats.records_written;
            n.records_lost += stats.records_lost;
        }
        std::lock_guard lock(mutex_);
        numbers_ = n;
    }

    host::CgroupTree cgroups_;
    host::Clock clock_;
    sink::Hub hub_;
    context::OwnerTable owners_;
    pipeline::Shard shard_;
    pipeline::Live live_;
    mutable std::mutex mutex_;
    Numbers numbers_;
    std::unique_ptr<tap::EndpointTap> tap_;  // last: its events go to live_
};

}  // namespace

std::expected<std::unique_ptr<Agent>, std::string> Agent::start(const config::Settings& settings, const flow::Options& flow,
                                                                std::vector<std::unique_ptr<pipeline::Outlet>> outlets) {
    auto cgroups = host::CgroupTree::open();
    if (!cgroups) return std::unexpected(cgroups.error() + "; `cvf doctor` says more, and `cvf read FILE` works without");
    auto agent = std::make_unique<LocalAgent>(settings, flow, std::move(outlets), std::move(*cgroups));
    if (auto error = agent->open(settings)) return std::unexpected(*error);
    return agent;
}

}  // namespace cvf::agent
