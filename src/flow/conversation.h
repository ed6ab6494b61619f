// Between one flow and its dissector: finds the protocol by content, feeds it, and stands in as its Context.
//
// Made on the stack for the time of one packet or timer. Thread rule as Tracker.
#pragma once

#include "flow/tracker.h"

namespace cvf::flow {

class Conversation final : public protocol::Context, public StreamConsumer {
 public:
    Conversation(Tracker& tracker, Flow& flow, int64_t time) : tracker_(tracker), flow_(flow) { now = time; }

    // `whole`: all of it was captured.
    void datagram(int end, Bytes bytes, bool whole);
    void tick();
    void finish();

    // StreamConsumer.
    size_t deliver(int dir, Bytes bytes) override;
    void gap(int dir, uint64_t bytes) override;
    void closed(int dir) override;

    // Context.
    record::Record& start(record::RecordType type, int64_t timestamp) override;
    void emit(record::Record& record) override;
    void confirm(std::string_view version) override;
    void violation(std::string_view reason) override;
    void host(std::string_view name) override;
    void skip(protocol::Direction dir, uint64_t bytes) override;
    uint64_t skipped(protocol::Direction dir) const override;
    void want(protocol::Direction dir, protocol::Want want) override;
    void hand_over(std::string_view protocol) override;
    bool wanted(record::RecordType type) const override;
    uint16_t port(protocol::Direction end) const override;
    void set_initiator(protocol::Direction dir) override;
    void name_seen(std::string_view name, Bytes ip, uint32_t ttl) override;

 private:
    // The protocol these first bytes of a direction follow; null: none yet. `undecided` tells whether more bytes may change that.
    const protocol::Protocol* search(int end, Bytes bytes, bool& undecided);
    bool try_again(uint8_t cost);
    void run(const protocol::Protocol& protocol);
    void settle();      // does what a call other than data() asked for
    void forget_all();  // nobody wants what follows
    size_t feed(int end, Bytes bytes);
    // Counts what the dissector keeps against the budget. Whole blocks only: the little that nearly all keep is bounded by the
    // number of conversations, and need not be written down.
    void account() {
        const size_t held = flow_.dissector ? flow_.dissector->memory() & ~(memory_block - 1) : 0;
        if (held != flow_.charged) [[unlikely]]
            charge(held);
    }
    void charge(size_t held);
    void name_quoted(record::Record& record);
    // Tells the kernel side that no payload of this end is wanted before `from` + `bytes`, offsets of its stream.
    void withhold(int end, uint64_t from, uint64_t bytes);

    static constexpr size_t memory_block = 4096;

    Tracker& tracker_;
    Flow& flow_;
    int current_ = -1;       // end whose bytes are being delivered
    uint64_t skipping_ = 0;  // what the dissector asked to be skipped of it, behind what it consumes
    bool handed_over_ = false;
    bool dropped_ = false;  // the dissector is to be dropped when it returns
    std::string_view handed_to_;
};

}  // namespace cvf::flow
