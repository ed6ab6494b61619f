#include "protocol/dtls_fragments.h"

#include <algorithm>

namespace cvf::protocol::tls1 {

size_t DtlsAssembly::held() const {
    size_t sum = 0;
    for (const Message& message : open_) sum += sizeof message + message.pieces.held();
    return sum;
}

Bytes DtlsAssembly::add(const DtlsFragment& f, bool& complete) {
    complete = false;
    if (f.sequence >= 64 || (done_ >> f.sequence & 1) || f.bytes.size() > f.size || f.offset > f.size - f.bytes.size()) return {};
    auto message = std::ranges::find(open_, f.sequence, &Message::sequence);
    if (f.bytes.size() == f.size) {
        if (message != open_.end()) open_.erase(message);
        done_ |= uint64_t{1} << f.sequence;
        complete = true;
        return f.bytes;
    }
    if (f.bytes.empty() || f.size > max_bytes || held() + sizeof(Message) + Pieces::cost(f.bytes.size()) > max_bytes) return {};
    if (message == open_.end()) {
        open_.push_back({f.sequence, f.type, f.size, Pieces(f.size, max_pieces)});
        message = open_.end() - 1;
    }
    // Fragments of one message agree about it.
    if (message->size != f.size || message->type != f.type) return {};
    message->pieces.add(f.offset, f.bytes);
    if (message->pieces.joined().size() < f.size) return {};
    whole_ = message->pieces.take();
    open_.erase(message);
    done_ |= uint64_t{1} << f.sequence;
    complete = true;
    return whole_;
}

}  // namespace cvf::protocol::tls1
