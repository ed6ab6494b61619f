// QUIC's long headers and the frames of Initial packets (RFC 8999, RFC 9000 17.2 and 19).
#pragma once

#include <optional>
#include <vector>

#include "protocol/dissector.h"
#include "protocol/quic_crypto.h"

namespace cvf::protocol::quic_wire {

inline constexpr size_t max_connection_id = 20;

// Variable-length integer (RFC 9000 16).
uint64_t read_varint(decode::Reader& r);

struct LongHeader {
    uint8_t first = 0;
    uint32_t version = 0;                   // 0: Version Negotiation
    const Version* known = nullptr;         // the version, when it is one we know
    PacketType type = PacketType::initial;  // valid when known
    Bytes destination, source;              // connection ids
    Bytes token;                            // of Initial and Retry
    Bytes rest;                             // Version Negotiation: the list; unknown versions: everything behind the ids
    Bytes packet;                           // whole, when it has a length
    size_t number_offset = 0;               // of the packet number in `packet`
    bool cut = false;                       // longer than its datagram
};

// The packet at the beginning of `bytes`; nothing when it is none. What a packet without length leaves behind it is part of it.
std::optional<LongHeader> read_long_header(Bytes bytes);

Match match_datagram(Bytes bytes);

// A CRYPTO stream: pieces in any order, given out as far as they join from the beginning.
class CryptoStream {
 public:
    void add(uint64_t offset, Bytes bytes);
    // Joined bytes from the beginning. Valid until the next add().
    Bytes joined() const { return {bytes_.data(), joined_}; }
    void reset() { *this = {}; }

 private:
    static constexpr size_t max_size = 32 * 1024, max_pieces = 64;
    std::vector<uint8_t> bytes_;
    std::vector<std::pair<size_t, size_t>> pieces_;  // [from, to) beyond what is joined
    size_t joined_ = 0;
};

}  // namespace cvf::protocol::quic_wire
