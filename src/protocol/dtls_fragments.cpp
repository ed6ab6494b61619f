#include "protocol/dtls_fragments.h"

#include <algorithm>

namespace cvf::protocol::tls1 {

Bytes DtlsAssembly::add(const DtlsFragment& f, bool& complete) {
    complete = false;
    if (f.sequence >= 64 || (done_ >> f.sequence & 1) || f.bytes.size() > f.size || f.offset > f.size - f.bytes.size()) return {};
    const auto open = std::ranges::find(open_, f.sequence, &Message::sequence);
    if (f.bytes.size() == f.size) {
        if (open != open_.end()) {
            held_ -= open->bytes.size();
            open_.erase(open);
        }
        done_ |= uint64_t{1} << f.sequence;
        complete = true;
        return f.bytes;
    }
    auto message = open;
    if (message == open_.end()) {
        if (f.size > max_bytes - held_) return {};
        held_ += f.size;
        open_.push_back({f.sequence, f.type, std::vector<uint8_t>(f.size), {}});
        message = open_.end() - 1;
    }
    // Fragments of one message agree about it.
    if (message->bytes.size() != f.size || message->type != f.type || f.bytes.empty()) return {};
    std::ranges::copy(f.bytes, message->bytes.begin() + f.offset);
    uint32_t from = f.offset, to = f.offset + static_cast<uint32_t>(f.bytes.size());
    auto& have = message->have;
    std::erase_if(have, [&](const auto& piece) {
        if (piece.second < from || piece.first > to) return false;
        from = std::min(from, piece.first);
        to = std::max(to, piece.second);
        return true;
    });
    if (have.size() >= max_pieces) return {};
    have.emplace_back(from, to);
    if (from != 0 || to != f.size) return {};
    whole_ = std::move(message->bytes);
    held_ -= whole_.size();
    open_.erase(message);
    done_ |= uint64_t{1} << f.sequence;
    complete = true;
    return whole_;
}

}  // namespace cvf::protocol::tls1
