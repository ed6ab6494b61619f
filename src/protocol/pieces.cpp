#include "protocol/pieces.h"

#include <algorithm>

namespace cvf::protocol {

void Pieces::reset() {
    joined_.clear();
    waiting_.clear();
    waiting_bytes_ = 0;
}

void Pieces::add(uint64_t offset, Bytes bytes) {
    if (offset > max_size_ || bytes.size() > max_size_ - offset || bytes.empty()) return;
    const auto from = static_cast<size_t>(offset);
    if (from + bytes.size() <= joined_.size()) return;
    if (from > joined_.size()) return keep_early(from, bytes);
    const Bytes fresh = bytes.subspan(joined_.size() - from);
    joined_.insert(joined_.end(), fresh.begin(), fresh.end());
    join_waiting();
}

// Only what no other piece has: what waits never exceeds the size of the whole.
void Pieces::keep_early(size_t from, Bytes bytes) {
    Piece* before = nullptr;  // ends where this begins
    for (size_t i = 0; i < waiting_.size();) {
        Piece& piece = waiting_[i];
        const size_t to = from + bytes.size();
        if (piece.from >= from && piece.to() <= to) {
            waiting_bytes_ -= piece.bytes.size();
            if (&piece != &waiting_.back()) piece = std::move(waiting_.back());
            waiting_.pop_back();
            continue;
        }
        if (piece.from <= from && to <= piece.to()) return;
        if (piece.from < from && from < piece.to()) {
            bytes = bytes.subspan(piece.to() - from);
            from = piece.to();
        } else if (piece.from < to && to < piece.to()) {
            bytes = bytes.first(piece.from - from);
        }
        ++i;
    }
    if (bytes.empty()) return;
    for (Piece& piece : waiting_)
        if (piece.to() == from) before = &piece;
    if (before) {
        before->bytes.insert(before->bytes.end(), bytes.begin(), bytes.end());
    } else {
        if (waiting_.size() >= max_waiting_) return;
        waiting_.push_back({from, {bytes.begin(), bytes.end()}});
    }
    waiting_bytes_ += bytes.size();
}

// Pieces that now join, each of which may make another join.
void Pieces::join_waiting() {
    for (bool again = !waiting_.empty(); again;) {
        again = std::erase_if(waiting_, [&](const Piece& piece) {
                    if (piece.from > joined_.size()) return false;
                    if (piece.to() > joined_.size())
                        joined_.insert(joined_.end(), piece.bytes.begin() + static_cast<ptrdiff_t>(joined_.size() - piece.from),
                                       piece.bytes.end());
                    waiting_bytes_ -= piece.bytes.size();
                    return true;
                }) > 0;
    }
}

}  // namespace cvf::protocol
