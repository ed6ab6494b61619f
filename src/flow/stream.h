// One direction of a TCP conversation: segments in, bytes in order out.
//
// The common case, the next segment in order with nothing waiting, passes the segment's own bytes through and keeps nothing.
// Bytes the consumer leaves, and segments that came too early, are kept, within limits given by the caller. What never comes is a
// gap: declared when the other end acknowledges past it, when the limits are reached, when the kernel or the snap length withheld
// bytes, or at the end.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "decode/bytes.h"

namespace cvf::flow {

using decode::Bytes;

// Who takes the bytes. deliver() gets all that has not been consumed and returns how much it consumes; afterwards the stream asks
// skip_wanted() how many bytes behind that it shall only count.
class StreamConsumer {
 public:
    virtual size_t deliver(int dir, Bytes bytes) = 0;
    virtual void gap(int dir, uint64_t bytes) = 0;
    virtual void closed(int dir) = 0;

 protected:
    ~StreamConsumer() = default;
};

// Sequence numbers wrap around (RFC 9293, section 3.4).
inline bool before(uint32_t a, uint32_t b) {
    return static_cast<int32_t>(a - b) < 0;
}

class Stream {
 public:
    // Bytes kept for all streams of one engine; owned by it. A segment that waits costs early_cost besides its bytes.
    struct Budget {
        size_t used = 0;
        size_t limit = 64u << 20;
        size_t per_stream = 256u << 10;
        uint64_t overruns = 0;  // times a limit made a gap
    };

    Stream() = default;
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    bool synced() const { return synced_; }
    uint32_t next() const { return next_; }  // sequence number of the next byte in order
    // Sequence number of its first byte: where sync() put it.
    uint32_t begin() const { return next_ - static_cast<uint32_t>(offset_ + pending().size()); }
    uint64_t offset() const { return offset_; }  // bytes passed since the start, consumed, skipped or lost; pending ones are not
    uint64_t skipped() const { return skipped_; }
    uint64_t gap_bytes() const { return gap_bytes_; }  // never seen, where they were wanted
    bool idle() const { return !kept_; }
    bool done() const { return skip_left_ == UINT64_MAX; }  // nothing more is wanted: all of the rest is skipped

    void sync(uint32_t next) {
        synced_ = true;
        next_ = next;
    }

    // A segment of `length` payload bytes at `sequence`, of which `bytes` were captured. `fin`: the direction ends behind it.
    void segment(int dir, uint32_t sequence, Bytes bytes, uint32_t length, bool fin, Budget& budget, StreamConsumer& consumer) {
        if (sequence == next_ && !kept_ && bytes.size() == length && !fin) [[likely]]
            in_order(dir, bytes, budget, consumer);
        else
            segment_slow(dir, sequence, bytes, length, fin, budget, consumer);
    }

    // True when the segment lies whole in what nobody wants, in order: it has been counted, and segment() need not be called.
    bool pass_over(uint32_t sequence, size_t captured, uint32_t length, bool fin) {
        if (sequence != next_ || kept_ || fin || captured != length || skip_left_ <= length) return false;
        next_ += length;
        offset_ += length;
        skipped_ += length;
        if (skip_left_ != UINT64_MAX) skip_left_ -= length;
        return true;
    }

    // The other end has acknowledged everything before `sequence`: holes below it will not be filled.
    void acknowledged(int dir, uint32_t sequence, Budget& budget, StreamConsumer& consumer) {
        while (waiting() && before(kept_->early.front().sequence - 1, sequence)) give_up(dir, budget, consumer);
    }

    // All bytes before `sequence` have passed without being seen.
    void gap_to(int dir, uint32_t sequence, Budget& budget, StreamConsumer& consumer);
    // Delivers what waits behind holes: at the end of a conversation, and when a hole is too old.
    void flush(int dir, Budget& budget, StreamConsumer& consumer);
    bool waiting() const { return kept_ && !kept_->early.empty(); }

    // Called by the consumer from deliver(): bytes behind what this delivery consumes that need not be delivered; UINT64_MAX is
    // all.
    void skip(uint64_t bytes) { skip_asked_ = bytes; }
    // The same from outside a delivery: from the first byte not consumed.
    void skip_from_here(uint64_t bytes, Budget& budget);
    // What is skipped may never come, for the kernel has been told of it: a hole inside a skip is not waited for.
    void withheld() { withheld_ = true; }
    // The other end has everything before `sequence`: what is missing below it has passed, where it was withheld.
    void passed_to(int dir, uint32_t sequence, Budget& budget, StreamConsumer& consumer) {
        if (pass_withheld(sequence) && skip_left_ == 0) offer(dir, {}, budget, consumer);
    }
    // Drops what is kept and skips the rest: nobody wants this direction.
    void abandon(Budget& budget);
    Bytes pending() const { return kept_ ? Bytes(kept_->pending) : Bytes(); }
    void release(Budget& budget);

 private:
    struct Early {
        uint32_t sequence;
        uint32_t length;  // claimed; data may be shorter
        std::vector<uint8_t> data;
        bool fin;
    };
    // Its place in the list, which has room for twice as many, and what an allocation takes.
    static constexpr size_t early_cost = 2 * sizeof(Early) + 32;
    static constexpr size_t most_early = 1024;
    // Memory of the uncommon case.
    struct Kept {
        std::vector<uint8_t> pending;  // in order, not consumed; next_ is behind it
        std::vector<Early> early;      // sorted by sequence, not overlapping next_
        size_t early_bytes = 0;        // what they are charged for
    };

    void in_order(int dir, Bytes bytes, Budget& budget, StreamConsumer& consumer);
    void segment_slow(int dir, uint32_t sequence, Bytes bytes, uint32_t length, bool fin, Budget& budget,
                      StreamConsumer& consumer);
    bool pass_withheld(uint32_t sequence);
    void give_up(int dir, Budget& budget, StreamConsumer& consumer);
    void keep_early(int dir, uint32_t sequence, Bytes bytes, uint32_t length, bool fin, Budget& budget, StreamConsumer& consumer);
    void drain_early(int dir, Budget& budget, StreamConsumer& consumer);
    void offer(int dir, Bytes bytes, Budget& budget, StreamConsumer& consumer);
    void lose(int dir, uint64_t bytes, uint64_t seen, Budget& budget, StreamConsumer& consumer);
    void end(int dir, StreamConsumer& consumer);
    void set_pending(Bytes rest, Budget& budget);
    void drop_pending(Budget& budget);
    void tidy();

    uint32_t next_ = 0;
    bool synced_ = false, ended_ = false, withheld_ = false;
    uint64_t offset_ = 0, skipped_ = 0, gap_bytes_ = 0;
    uint64_t skip_left_ = 0, skip_asked_ = 0;
    std::unique_ptr<Kept> kept_;
};

}  // namespace cvf::flow
