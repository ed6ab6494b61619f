// Joins the endpoint tap with a shard: sockets become conversations, their packets are parsed, their owners attached.
//
// A conversation whose two sockets are both on this node is one flow with both owners. Thread rule: the thread that polls the
// tap. The shard and the owner table outlive it.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <memory>
#include <optional>

#include "context/owner_table.h"
#include "pipeline/shard.h"
#include "tap/endpoint.h"

namespace cvf::pipeline {

struct LiveOptions {
    bool watch_self = false;  // records for the agent's own sockets
    int64_t health_every = 10'000'000'000;
};

class Live final : public tap::EndpointHandler {
 public:
    Live(LiveOptions options, Shard& shard, context::OwnerTable& owners);
    ~Live() override;

    // Asked for numbers of the tap's health when a health record is made; empty at first.
    std::function<tap::EndpointStats()> tap_stats;

    // Whether a cgroup is in the part of the machine that is watched; empty: all of it is. What happens elsewhere has no record,
    // but the owner table hears of it.
    std::function<bool(uint64_t cgroup_id)> watched;

    // tap::EndpointHandler.
    void opened(const tap::Socket& socket, int64_t time_ns) override;
    void owner_changed(uint64_t cookie, const tap::Owner& owner, int64_t time_ns) override;
    void payload(const tap::Payload& payload) override;
    void counters(uint64_t cookie, const tap::Counters& counters, bool closed, int64_t time_ns) override;
    void passed_over(uint64_t cookie, const tap::Counters& counters, int64_t time_ns) override;
    void withdrawn(uint64_t cookie, int64_t time_ns) override;
    void paired(uint64_t payload_cookie, uint64_t other_cookie, int64_t time_ns) override;
    void tcp_event(const tap::TcpEvent& event) override;
    void process(const tap::ProcessEvent& event) override;
    void clock_stepped(int64_t by_ns, int64_t time_ns) override;
    void caught_up(int64_t time_ns) override;

    // Makes the last records: every conversation as it stands.
    void finish(int64_t time_ns);
    size_t sockets() const { return sockets_.size(); }
    int64_t caught_up_to() const { return caught_up_to_; }

 private:
    struct LiveSocket;

    LiveSocket* find(uint64_t cookie);
    void join(LiveSocket& with_payload, LiveSocket& other);
    void leave(LiveSocket& socket, int64_t time_ns, std::optional<flow::EndReason> reason = {});
    void take_counters(LiveSocket& socket, const tap::Counters& counters);
    void note_reset(const tap::TcpEvent& event);
    flow::Flow* flow_of(uint64_t cookie);
    context::OwnerRef owner_of(const tap::Owner& owner, uint32_t netns, int64_t time_ns);
    void attach(record::Record& record, const flow::Flow& flow);
    void health(int64_t time_ns);

    LiveOptions options_;
    Shard& shard_;
    context::OwnerTable& owners_;
    boost::unordered_flat_map<uint64_t, std::unique_ptr<LiveSocket>> sockets_;
    // The first of two local sockets to go: it names its owner on the conversation's records until the other goes too.
    boost::unordered_flat_map<const flow::Flow*, std::unique_ptr<LiveSocket>> departed_;
    decode::Packet packet_;
    const int64_t started_;  // monotonic
    int64_t next_second_ = 0, next_poll_ = 0, next_health_ = 0, caught_up_to_ = 0;
    uint64_t lost_before_ = 0;
};

}  // namespace cvf::pipeline
