// Whether bytes are TLS. Used by the dissector's match function; apart for its tests.
#pragma once

#include "protocol/dissector.h"

namespace cvf::protocol::tls1 {

inline constexpr size_t record_header_size = 5;
// Longest body: 2^14 and 2,048 for compression, MAC and padding (RFC 5246 6.2.3).
inline constexpr size_t max_record = (1 << 14) + 2048;

// A record header of SSL 3.0 to TLS 1.3. At least record_header_size bytes.
bool is_record_header(const uint8_t* header);
// The beginning of a stream, or of what a capture saw of it.
Match match_stream(Bytes bytes, uint16_t port_a, uint16_t port_b);
// SSL 2.0's CLIENT-HELLO, which clients of SSL 3.0 and TLS 1.0 sent too.
Match match_ssl2(Bytes bytes);

}  // namespace cvf::protocol::tls1
