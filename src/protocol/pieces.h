// Bytes of a message or stream that come in pieces, in any order, twice or never, given out as far as they join from the
// beginning (QUIC's CRYPTO frames, DTLS's fragments).
//
// Memory follows the bytes that came, not the offsets they claim: what is early waits with its own bytes. Bounded by the largest
// size and by the number of pieces that may wait. A plain value; one thread.
#pragma once

#include <cstdint>
#include <vector>

#include "decode/bytes.h"

namespace cvf::protocol {

using decode::Bytes;

class Pieces {
 public:
    // Bytes at or beyond `max_size` are none of it; at most `max_waiting` pieces wait for what is before them.
    Pieces(size_t max_size, size_t max_waiting) : max_size_(max_size), max_waiting_(max_waiting) {}

    // Bytes that are there already keep the value that came first.
    void add(uint64_t offset, Bytes bytes);
    // From the beginning. Valid until the next add().
    Bytes joined() const { return joined_; }
    // The memory of joined(), for keeps.
    std::vector<uint8_t> take() { return std::move(joined_); }
    // What it costs: bytes held, and what each piece that waits needs besides.
    size_t held() const { return joined_.size() + waiting_bytes_ + waiting_.size() * piece_cost; }
    // How much a piece of so many bytes may add to held().
    static constexpr size_t cost(size_t bytes) { return bytes + piece_cost; }
    void reset();

 private:
    struct Piece {
        size_t from;
        std::vector<uint8_t> bytes;
        size_t to() const { return from + bytes.size(); }
    };
    static constexpr size_t piece_cost = sizeof(Piece) + 16;  // and the allocator's own

    void keep_early(size_t from, Bytes bytes);
    void join_waiting();

    size_t max_size_, max_waiting_, waiting_bytes_ = 0;
    std::vector<uint8_t> joined_;
    std::vector<Piece> waiting_;  // no byte twice
};

}  // namespace cvf::protocol
