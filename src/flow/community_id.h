// Community ID v1 (the corelight community-id specification): one text that names a conversation in every tool.
#pragma once

#include <cstddef>
#include <cstdint>

#include "decode/address.h"

namespace cvf::flow {

inline constexpr size_t community_id_size = 30;  // "1:" and base64 of a SHA-1

// Writes the id, without a terminator. Ports as on the wire; for ICMP `source_port` is the type and `destination_port` the code,
// and for protocols without ports they do not count. Seed 0.
void community_id(uint8_t family, uint8_t protocol, const decode::Address& source, uint16_t source_port,
                  const decode::Address& destination, uint16_t destination_port, char out[community_id_size]);

}  // namespace cvf::flow
