// Handshake messages of DTLS, put together from fragments that come in any order, twice, or never (RFC 6347 4.2.3, RFC 9147 5.5).
#pragma once

#include <cstdint>
#include <vector>

#include "protocol/pieces.h"

namespace cvf::protocol::tls1 {

inline constexpr size_t dtls_message_header_size = 12;

struct DtlsFragment {
    uint8_t type;
    uint32_t size;  // of the whole message
    uint16_t sequence;
    uint32_t offset;
    Bytes bytes;
};

// One direction. Bounded: messages of the first 64 sequence numbers, 64 KiB of unfinished ones. Memory is that of the fragments
// that came, whatever sizes they claim.
class DtlsAssembly {
 public:
    // The whole message's body when this fragment completes it: either the fragment's own bytes or memory that stays valid until
    // the next call. `complete` is false when there is nothing yet, or nothing new.
    Bytes add(const DtlsFragment& fragment, bool& complete);
    // Memory of what is not finished.
    size_t held() const;

 private:
    struct Message {
        uint16_t sequence;
        uint8_t type;
        uint32_t size;
        Pieces pieces;
    };
    static constexpr size_t max_bytes = 64 * 1024, max_pieces = 64;

    uint64_t done_ = 0;  // a bit for each sequence number
    std::vector<Message> open_;
    std::vector<uint8_t> whole_;
};

}  // namespace cvf::protocol::tls1
