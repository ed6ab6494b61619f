// Handshake messages of DTLS, put together from fragments that come in any order, twice, or never (RFC 6347 4.2.3, RFC 9147 5.5).
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "decode/bytes.h"

namespace cvf::protocol::tls1 {

using decode::Bytes;

inline constexpr size_t dtls_message_header_size = 12;

struct DtlsFragment {
    uint8_t type;
    uint32_t size;  // of the whole message
    uint16_t sequence;
    uint32_t offset;
    Bytes bytes;
};

// One direction. Bounded: messages of the first 64 sequence numbers, 64 KiB of unfinished ones.
class DtlsAssembly {
 public:
    // The whole message's body when this fragment completes it: either the fragment's own bytes or memory that stays valid until
    // the next call. `complete` is false when there is nothing yet, or nothing new.
    Bytes add(const DtlsFragment& fragment, bool& complete);

 private:
    struct Message {
        uint16_t sequence;
        uint8_t type;
        std::vector<uint8_t> bytes;
        std::vector<std::pair<uint32_t, uint32_t>> have;  // [from, to), sorted, apart
    };
    static constexpr size_t max_bytes = 64 * 1024, max_pieces = 64;

    uint64_t done_ = 0;  // a bit for each sequence number
    size_t held_ = 0;
    std::vector<Message> open_;
    std::vector<uint8_t> whole_;
};

}  // namespace cvf::protocol::tls1
