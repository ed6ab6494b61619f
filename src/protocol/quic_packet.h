// QUIC's long headers and the frames of Initial packets (RFC 8999, RFC 9000 17.2 and 19).
#pragma once

#include <optional>

#include "protocol/dissector.h"
#include "protocol/pieces.h"
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
    Bytes packet;                           // whole, when it has a length or is a Retry, which fills its datagram
    size_t number_offset = 0;               // of the packet number in `packet`
    bool cut = false;                       // longer than its datagram
};

// The packet at the beginning of `bytes`; nothing when it is none. What a packet without length leaves behind it is part of it.
std::optional<LongHeader> read_long_header(Bytes bytes);

// A client fills the datagrams of its Initial packets up to this size (RFC 9000 14.1) and sends the first to an id of its own
// making of this size (7.2).
inline constexpr size_t min_initial_datagram = 1200, min_original_id = 8;

Match match_datagram(Bytes bytes);

// A CRYPTO stream of Initial packets: a hello, of which the post-quantum ones have two or three kilobytes.
class CryptoStream : public Pieces {
 public:
    CryptoStream() : Pieces(32 * 1024, 64) {}
};

}  // namespace cvf::protocol::quic_wire
