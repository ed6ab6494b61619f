// One shard: decoded traffic in, records out through every outlet. Used by `cvf read` and by the agent alike.
//
// decode → flow → protocol → record → context → filter → sink, in one thread, without a queue in between.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "decode/fragments.h"
#include "decode/packet.h"
#include "directive/pushdown.h"
#include "flow/tracker.h"
#include "pipeline/outlet.h"
#include "pipeline/rules.h"
#include "sink/subscription.h"

namespace cvf::pipeline {

struct ShardOptions {
    flow::Options flow;
    std::string host_name;  // on every record; empty: none
};

// What the packets looked like. Plain counts since the start.
struct TrafficCounts {
    uint64_t packets = 0, bytes = 0, truncated = 0, undecoded = 0, faulty = 0, broken_arp = 0, broken_lldp = 0;
};

class Shard final : public flow::Output {
 public:
    // `hub` may be null: nobody subscribes; so may `rules`: no directives. Both outlive the shard.
    Shard(const ShardOptions& options, std::vector<std::unique_ptr<Outlet>> outlets, sink::Hub* hub = nullptr,
          RuleSlot* rules = nullptr);

    // A frame from a capture or the wire, whose time, lengths, link and bytes are set.
    void frame(decode::Packet& packet);
    // The same of one that somebody has commented on in the capture; borrowed during the call. Of a fragmented datagram the
    // comments on the fragment that completes it are told.
    void frame(decode::Packet& packet, std::span<const std::string_view> comments);
    // Moves time on when no packet comes.
    void advance(int64_t now) {
        now_ = now;
        fragments_.expire(now);
        tracker_.advance(now);
    }
    // The input is over: ends every conversation. The flush after it ends the windows of directives that sum, too.
    void finish() {
        fragments_.finish();
        tracker_.finish();
        finished_ = true;
    }
    // Hands all batches begun to their sinks and subscribers. Looks up what subscribers and directives want by now.
    void flush();
    // What the ways out of directives do about once a second.
    void tick() {
        if (rules_) rules_->tick();
    }
    // One health record, past every filter when `forced`.
    void health(int64_t now, std::string_view source, const std::function<void(record::Record&)>& more, bool forced);

    // For records that no conversation makes (process, event, arp): begin, fill, emit_record().
    record::Record& start(record::RecordType type, int64_t time) {
        loose_.begin(type, time);
        return loose_;
    }
    void emit_record(record::Record& record);
    // The same for a record about a conversation: adds its fields and owners.
    void emit_of_flow(record::Record& record, flow::Flow& flow);
    bool wanted(record::RecordType type) const { return wanted_[static_cast<size_t>(type)]; }
    const TypeBits& wanted() const { return wanted_; }
    // Told when other types than before are wanted; may be empty.
    std::function<void(const TypeBits&)> on_wanted;
    // What the traffic is like of which somebody wants a record: outlets, directives and subscribers together.
    directive::Pushdown demand() const;
    // Told when it may be another than before; may be empty.
    std::function<void()> on_demand;

    // flow::Output.
    void emit(record::Record& record, const flow::Flow& flow) override;
    void want(uint64_t cookie, bool egress, protocol::Want want) override;
    void skip_to(uint64_t cookie, bool egress, uint64_t offset) override;

    // Attaches the owners of a live conversation to its record; empty for captures.
    std::function<void(record::Record& record, const flow::Flow& flow)> attach_owners;
    // Told what the dissectors still want of a live socket's payload; empty for captures.
    std::function<void(uint64_t cookie, bool egress, protocol::Want want)> on_want;
    // The same of what they skip: nothing is wanted before this offset of the direction's stream.
    std::function<void(uint64_t cookie, bool egress, uint64_t offset)> on_skip;

    flow::Tracker& tracker() { return tracker_; }
    const TrafficCounts& counts() const { return counts_; }
    TrafficCounts& counts() { return counts_; }
    uint64_t records_made() const { return records_made_; }
    // Nobody reads what is written any more.
    bool closed() const;
    std::vector<std::unique_ptr<Outlet>>& outlets() { return outlets_; }

 private:
    void take(decode::Packet& packet, std::span<const std::string_view> comments);
    void decoded(const decode::Packet& packet, std::span<const std::string_view> comments);
    void describe(record::Record& record, const decode::Packet& packet, std::span<const std::string_view> comments) const;
    void distribute(const record::Record& record);
    void update_wanted();

    std::vector<std::unique_ptr<Outlet>> outlets_;
    sink::Hub* hub_;
    RuleSlot* slot_;
    std::unique_ptr<Rules> rules_;  // in force; null until there are some
    flow::Tracker tracker_;
    decode::FragmentTable fragments_;
    record::FieldSet node_;  // on every record
    record::Record loose_;
    TypeBits wanted_;
    TrafficCounts counts_;
    uint64_t records_made_ = 0, loose_id_ = 0, id_seed_ = 0;
    uint64_t subscribers_seen_ = 0;  // the hub's generation
    int64_t now_ = 0;
    bool finished_ = false;
};

}  // namespace cvf::pipeline
