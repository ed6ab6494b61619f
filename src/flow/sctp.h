// The chunks of an SCTP packet (RFC 9260, 3.2): which types there are, as a set of bits. Pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "decode/bytes.h"

namespace cvf::flow {

// A bit for each type of chunk in a packet, as sctp_chunk_names() numbers them; types without a name have none. `chunks` is what
// stands behind the common header.
uint32_t sctp_chunks(decode::Bytes chunks);

// By bit: the types that the set can tell apart.
std::span<const std::string_view> sctp_chunk_names();

}  // namespace cvf::flow
