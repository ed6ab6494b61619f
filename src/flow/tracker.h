// The flow table and everything that happens to a conversation: packets in, records out.
//
// Offline and wire packets come in by packet(), are told apart by their tuple and counted here. Conversations of local sockets
// come in by open_socket(), segment() and set_counters(), are told apart by the socket, and are counted by the kernel.
//
// Time is the packets' own: it only moves by what is passed in, so the same input gives the same records. Memory is bounded by
// Options; what is given up for that is counted. One thread owns a Tracker.
#pragma once

#include <array>
#include <bitset>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "decode/packet.h"
#include "flow/flow.h"
#include "flow/names.h"
#include "record/record.h"

namespace cvf::flow {

// Takes finished records; valid during the call.
class Output {
 public:
    virtual void emit(record::Record& record, const Flow& flow) = 0;
    // Live: how much of a socket's direction the dissector still wants. `egress`: what the socket sends.
    virtual void want(uint64_t cookie, bool egress, protocol::Want want) { (void)cookie, (void)egress, (void)want; }
    // Live: nothing of that direction is wanted before this byte of its stream.
    virtual void skip_to(uint64_t cookie, bool egress, uint64_t offset) { (void)cookie, (void)egress, (void)offset; }

 protected:
    ~Output() = default;
};

struct Options {
    size_t max_flows = 200'000;
    size_t reassembly_bytes = 64u << 20;
    int64_t report_every = 60'000'000'000;  // ns between interim records of a conversation; 0: none
    int64_t tcp_idle = 300'000'000'000, tcp_half_open = 30'000'000'000, tcp_closed = 5'000'000'000;
    int64_t datagram_idle = 60'000'000'000, icmp_idle = 15'000'000'000;
    uint64_t id_seed = 0;  // makes flow ids of different nodes differ
    std::bitset<record::type_count> wanted = std::bitset<record::type_count>().set();
};

struct Counters {
    uint64_t flows = 0, evicted = 0, no_ip = 0;
    std::vector<uint64_t> violations;  // by protocol, in registry order
};

class Conversation;

class Tracker {
 public:
    Tracker(const Options& options, Output& output);
    ~Tracker();
    Tracker(const Tracker&) = delete;
    Tracker& operator=(const Tracker&) = delete;

    // A packet with an IP layer. Of a fragmented datagram the whole; a fragment is counted and not looked into.
    void packet(const decode::Packet& packet);
    // The same of one that somebody has commented on. Borrowed during the call.
    void packet(const decode::Packet& packet, std::span<const std::string_view> comments);
    // The number for Packet::interface of the interface of this name; 0 for an empty one, and for more than there is room for.
    uint32_t interface(std::string_view name);
    std::string_view interface_name(uint32_t number) const {
        return number == 0 || number > interfaces_.size() ? std::string_view() : interfaces_[number - 1];
    }

    // Live. Ends are indices of Flow::ends.
    Flow* open_socket(const Key& key, int initiator, InitiatorBy by, int64_t time);
    void segment(Flow& flow, int end, const decode::Packet& packet);  // `end` sent it
    void end_socket(Flow& flow, int64_t time, EndReason reason);      // makes the final record and destroys flow
    void discard(Flow& flow);                                         // destroys flow without a word: it was another's other end

    // Time as a packet tells it that is not handed in here.
    void pass_time(int64_t time) {
        if (time > now_) move_time(time);
    }
    // Moves time on without a packet: expiry, interim records, ticks. Much earlier than before, the clock was set back: then the
    // conversations are timed anew from there.
    void advance(int64_t now);
    // Ends all conversations: the input is over.
    void finish();

    size_t size() const { return live_flows_; }
    const Counters& counters() const { return counters_; }
    uint64_t reassembly_overruns() const { return budget_.overruns; }
    void set_wanted(std::bitset<record::type_count> wanted) { options_.wanted = wanted; }
    // Fills a record with what every record of the conversation carries. For records made outside (events).
    void add_flow_fields(record::Record& record, Flow& flow);

 private:
    friend class Conversation;
    static constexpr size_t wheel_slots = 512;  // of one second

    void arrived(const decode::Packet& packet, std::span<const std::string_view> comments);
    Flow* find(const Key& key);
    bool is_over(const Flow& flow, int from, const decode::Packet& packet) const;
    Flow* begin(const decode::Packet& packet, const Key& key, int from);
    Flow* create(const Key& key, int64_t time, bool live);
    void set_initiator(Flow& flow, int end, InitiatorBy by);
    void tcp_segment(Flow& flow, int end, const decode::Packet& packet);
    static bool begins_anew(const Flow& flow, int end, const decode::Packet& packet);
    void tcp_handshake(Flow& flow, int end, const decode::Packet& packet);
    void tcp_order(Flow& flow, int end, const decode::Packet& packet);
    void tcp_acknowledged(Flow& flow, int end, const decode::Packet& packet);
    void datagram(Flow& flow, int end, const decode::Packet& packet);
    void move_time(int64_t time);
    void set_back(int64_t now);
    void unlink(Flow& flow);
    void remember_extras(Flow& flow, const decode::Packet& packet);
    static void remember_comments(Flow& flow, std::span<const std::string_view> comments);
    static void tell_comments(record::Record& record, Extras& extras);
    void destroy(Flow& flow, EndReason reason);
    void report(Flow& flow, bool final, EndReason reason);
    void schedule(Flow& flow, int64_t due);
    void fire(Flow& flow);
    int64_t idle_limit(const Flow& flow) const;
    static EndReason end_reason(const Flow& flow, EndReason otherwise);
    void evict_one();

    Options options_;
    int64_t shortest_idle_;  // of all idle limits: before it has passed, none has
    Output& output_;
    boost::unordered_flat_map<Key, Flow*, KeyHash> table_;
    // By age, those of the tuple table ([0]), of which one may be evicted, apart from those of sockets ([1]).
    Flow* oldest_[2] = {};
    Flow* newest_[2] = {};
    size_t live_flows_ = 0;
    std::array<Flow*, wheel_slots> wheel_{};
    Flow* last_used_ = nullptr;  // of the tuple table; packets come in trains
    int64_t now_ = 0;
    int64_t wheel_second_ = 0;
    int64_t next_second_ = 0;  // ns at which the wheel turns
    NameCache names_;
    std::deque<std::string> interfaces_;  // names that stay where they are
    uint64_t next_id_ = 0;
    Stream::Budget budget_;
    Counters counters_;
    record::Record record_;
};

}  // namespace cvf::flow
