#include "flow/stream.h"

#include <algorithm>

#include "protocol/dissector.h"

namespace cvf::flow {

// Bytes at next_, all captured, nothing early below them.
void Stream::in_order(int dir, Bytes bytes, Budget& budget, StreamConsumer& consumer) {
    next_ += static_cast<uint32_t>(bytes.size());
    if (skip_left_) {
        size_t n = static_cast<size_t>(std::min<uint64_t>(skip_left_, bytes.size()));
        offset_ += n;
        skipped_ += n;
        if (skip_left_ == UINT64_MAX) return;
        skip_left_ -= n;
        bytes = bytes.subspan(n);
        if (skip_left_) return;
        if (bytes.empty()) {  // a finite skip has been passed exactly: the consumer is told by an empty delivery
            offer(dir, bytes, budget, consumer);
            return;
        }
    }
    offer(dir, bytes, budget, consumer);
}

// Gives everything unconsumed and `bytes` behind it to the consumer, and again while the consumer makes progress over a skip.
void Stream::offer(int dir, Bytes bytes, Budget& budget, StreamConsumer& consumer) {
    std::vector<uint8_t> whole;
    if (kept_ && !kept_->pending.empty()) {
        budget.used -= kept_->pending.size();
        whole.swap(kept_->pending);
        whole.insert(whole.end(), bytes.begin(), bytes.end());
        bytes = whole;
    }
    for (;;) {
        skip_asked_ = 0;
        size_t used = std::min(consumer.deliver(dir, bytes), bytes.size());
        offset_ += used;
        bytes = bytes.subspan(used);
        uint64_t skip = skip_asked_;
        if (skip == 0) break;
        size_t n = static_cast<size_t>(std::min<uint64_t>(skip, bytes.size()));
        offset_ += n;
        skipped_ += n;
        bytes = bytes.subspan(n);
        skip_left_ = skip == UINT64_MAX ? skip : skip - n;
        if (skip_left_) {
            bytes = {};
            break;
        }
    }
    if (!bytes.empty()) {
        if (bytes.size() > protocol::max_pending || bytes.size() > budget.limit - std::min(budget.limit, budget.used)) {
            budget.overruns++;
            lose(dir, bytes.size(), bytes.size(), budget, consumer);
        } else {
            set_pending(bytes, budget);
        }
    }
    tidy();
}

void Stream::set_pending(Bytes rest, Budget& budget) {
    if (!kept_) kept_ = std::make_unique<Kept>();
    kept_->pending.assign(rest.begin(), rest.end());
    budget.used += rest.size();
}

void Stream::drop_pending(Budget& budget) {
    if (!kept_) return;
    budget.used -= kept_->pending.size();
    kept_->pending.clear();
}

// `bytes` bytes at the current place are lost to the consumer; pending ones too, which the caller has counted in. `seen` of them
// were on the wire for all to see.
void Stream::lose(int dir, uint64_t bytes, uint64_t seen, Budget& budget, StreamConsumer& consumer) {
    drop_pending(budget);
    offset_ += bytes;
    if (skip_left_) {  // a hole in what nobody wanted is no loss to the consumer
        uint64_t n = std::min(skip_left_, bytes);
        skipped_ += n;
        bytes -= n;
        if (skip_left_ == UINT64_MAX) return;
        skip_left_ -= n;
        if (bytes == 0) {
            if (skip_left_ == 0) offer(dir, {}, budget, consumer);
            return;
        }
    }
    gap_bytes_ += bytes - std::min(bytes, seen);
    skip_asked_ = 0;
    consumer.gap(dir, bytes);
    skip_left_ = skip_asked_;
}

void Stream::gap_to(int dir, uint32_t sequence, Budget& budget, StreamConsumer& consumer) {
    uint32_t hole = sequence - next_;
    uint64_t pending = kept_ ? kept_->pending.size() : 0;
    next_ = sequence;
    lose(dir, hole + pending, pending, budget, consumer);
}

void Stream::segment_slow(int dir, uint32_t sequence, Bytes bytes, uint32_t length, bool fin, Budget& budget,
                          StreamConsumer& consumer) {
    if (ended_) return;
    if (before(sequence, next_)) {  // begins in the past: cut what has passed
        uint32_t old = next_ - sequence;
        if (old > length || (old == length && !fin)) return;
        bytes = old < bytes.size() ? bytes.subspan(old) : Bytes();
        length -= old;
        sequence = next_;
    }
    const bool first = !waiting() || before(sequence, kept_->early.front().sequence);
    if (sequence != next_ && !(first && pass_withheld(sequence))) {
        keep_early(dir, sequence, bytes, length, fin, budget, consumer);
        return;
    }
    if (!bytes.empty()) in_order(dir, bytes, budget, consumer);
    if (bytes.size() < length) gap_to(dir, sequence + length, budget, consumer);
    if (fin && next_ == sequence + length) end(dir, consumer);
    drain_early(dir, budget, consumer);
    tidy();
}

void Stream::keep_early(int dir, uint32_t sequence, Bytes bytes, uint32_t length, bool fin, Budget& budget,
                        StreamConsumer& consumer) {
    if (skip_left_ == UINT64_MAX) {  // nothing more is wanted: follow the highest sequence only
        uint32_t hole = sequence + length - next_;
        next_ = sequence + length;
        offset_ += hole;
        skipped_ += hole;
        if (fin) end(dir, consumer);
        return;
    }
    if (!kept_) kept_ = std::make_unique<Kept>();
    auto& early = kept_->early;
    auto at =
        std::lower_bound(early.begin(), early.end(), sequence, [](const Early& e, uint32_t s) { return before(e.sequence, s); });
    if (at != early.end() && at->sequence == sequence && at->length >= length) {  // the same again
        at->fin |= fin && at->length == length;
        return;
    }
    budget.used += bytes.size() + early_cost;
    kept_->early_bytes += bytes.size() + early_cost;
    early.insert(at, Early{sequence, length, {bytes.begin(), bytes.end()}, fin});
    // One hole given up may free less than this segment takes.
    while (waiting() &&
           (kept_->early_bytes > budget.per_stream || budget.used > budget.limit || kept_->early.size() > most_early)) {
        budget.overruns++;
        give_up(dir, budget, consumer);
    }
}

// Moves on to `sequence` when all that is missing before it is skipped, and withheld by the kernel.
bool Stream::pass_withheld(uint32_t sequence) {
    const uint32_t hole = sequence - next_;
    if (!withheld_ || hole > skip_left_) return false;
    next_ = sequence;
    offset_ += hole;
    skipped_ += hole;
    if (skip_left_ != UINT64_MAX) skip_left_ -= hole;
    return true;
}

// The hole before the first early segment will not be filled.
void Stream::give_up(int dir, Budget& budget, StreamConsumer& consumer) {
    uint32_t to = kept_->early.front().sequence;
    if (before(next_, to)) gap_to(dir, to, budget, consumer);
    drain_early(dir, budget, consumer);
    tidy();
}

// Takes the early segments that have become the next ones.
void Stream::drain_early(int dir, Budget& budget, StreamConsumer& consumer) {
    while (kept_ && !kept_->early.empty()) {
        if (before(next_, kept_->early.front().sequence) && !pass_withheld(kept_->early.front().sequence)) break;
        Early e = std::move(kept_->early.front());
        kept_->early.erase(kept_->early.begin());
        budget.used -= e.data.size() + early_cost;
        kept_->early_bytes -= e.data.size() + early_cost;
        uint32_t old = next_ - e.sequence;
        if (old > e.length || ended_) continue;
        Bytes bytes = old < e.data.size() ? Bytes(e.data).subspan(old) : Bytes();
        uint32_t end_sequence = e.sequence + e.length;
        if (!bytes.empty()) in_order(dir, bytes, budget, consumer);
        if (before(next_, end_sequence)) gap_to(dir, end_sequence, budget, consumer);
        if (e.fin && next_ == end_sequence) end(dir, consumer);
    }
}

void Stream::end(int dir, StreamConsumer& consumer) {
    if (ended_) return;
    ended_ = true;
    consumer.closed(dir);
    skip_left_ = UINT64_MAX;  // what a broken peer sends behind its end is nobody's
}

void Stream::flush(int dir, Budget& budget, StreamConsumer& consumer) {
    while (waiting()) give_up(dir, budget, consumer);
}

void Stream::skip_from_here(uint64_t bytes, Budget& budget) {
    if (bytes == UINT64_MAX) return abandon(budget);
    if (kept_ && !kept_->pending.empty()) {
        size_t n = static_cast<size_t>(std::min<uint64_t>(bytes, kept_->pending.size()));
        kept_->pending.erase(kept_->pending.begin(), kept_->pending.begin() + static_cast<ptrdiff_t>(n));
        budget.used -= n;
        offset_ += n;
        skipped_ += n;
        bytes -= n;
    }
    skip_left_ = bytes;
}

void Stream::abandon(Budget& budget) {
    if (kept_) {
        offset_ += kept_->pending.size();
        skipped_ += kept_->pending.size();
        release(budget);
    }
    skip_left_ = UINT64_MAX;
    skip_asked_ = 0;
}

void Stream::release(Budget& budget) {
    if (!kept_) return;
    budget.used -= kept_->pending.size() + kept_->early_bytes;
    kept_.reset();
}

void Stream::tidy() {
    if (kept_ && kept_->pending.empty() && kept_->early.empty()) kept_.reset();
}

}  // namespace cvf::flow
