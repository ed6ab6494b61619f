// Opening QUIC's Initial packets, whose keys anyone can derive (RFC 9001 5, RFC 9369 3.3; drafts 22 to 34).
//
// Thread rule: the cipher contexts behind it are one per thread; an InitialKeys is a plain value.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "decode/bytes.h"

namespace cvf::protocol::quic_wire {

using decode::Bytes;

// How a version protects its Initial packets and numbers its packet types.
struct Version {
    uint32_t number;
    std::string_view name;  // "1", "2", "draft-29"
    uint8_t salt;           // index into the salts
    bool v2;                // RFC 9369: other labels and type bits
};

const Version* find_version(uint32_t number);
// Versions that are reserved to force a negotiation (RFC 9000 15).
constexpr bool is_reserved_version(uint32_t v) {
    return (v & 0x0f0f0f0f) == 0x0a0a0a0a;
}

enum class PacketType : uint8_t { initial, zero_rtt, handshake, retry };
PacketType packet_type(const Version& version, uint8_t first_byte);

// Keys of one side's Initial packets.
struct Keys {
    std::array<uint8_t, 16> key, header_key;
    std::array<uint8_t, 12> iv;
};

class InitialKeys {
 public:
    InitialKeys(const Version& version, Bytes connection_id);
    const Version& version() const { return *version_; }
    // Derived when first asked for.
    const Keys& client() { return side(0, "client in"); }
    const Keys& server() { return side(1, "server in"); }

 private:
    const Keys& side(size_t index, std::string_view label);
    const Version* version_;
    std::array<uint8_t, 32> secret_;
    std::optional<Keys> keys_[2];
};

// Whether a Retry packet comes from one who saw the Initial packet that went to `original`, by its tag (RFC 9001 5.8, RFC 9369
// 3.3.3). Never for drafts before 25, which had none.
bool is_genuine_retry(const Version& version, Bytes original, Bytes packet);

// Removes header protection and decrypts one packet. `packet` is the whole packet, header to tag; its packet number stands at
// `number_offset`. The frames go into `plain`. False: not this key, or damaged.
bool open_packet(const Keys& keys, Bytes packet, size_t number_offset, std::vector<uint8_t>& plain);

}  // namespace cvf::protocol::quic_wire
