// Community ID v1 (the corelight community-id specification): one text that names a conversation in every tool.
#pragma once

#include <array>
#include <cstdint>

#include "decode/address.h"

namespace cvf::flow {

using CommunityHash = std::array<uint8_t, 20>;  // SHA-1

// Ports as on the wire; for ICMP `source_port` is the type and `destination_port` the code. Seed 0.
CommunityHash community_hash(uint8_t family, uint8_t protocol, const decode::Address& source, uint16_t source_port,
                             const decode::Address& destination, uint16_t destination_port);

// Writes 30 characters, "1:" and base64 of the hash, without a terminator.
void community_text(const CommunityHash& hash, char out[30]);

// Both at once.
void community_id(uint8_t family, uint8_t protocol, const decode::Address& source, uint16_t source_port,
                  const decode::Address& destination, uint16_t destination_port, char out[30]);

}  // namespace cvf::flow
