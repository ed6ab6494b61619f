// Values as text, into memory the caller has: no terminator, no quotes; each returns the end of what it wrote.
#pragma once

#include <cstdint>
#include <span>

namespace cvf::record {

char* write_uint(char* out, uint64_t value);  // at most 20 characters
// 4 or 16 bytes, network order; IPv6 as RFC 5952 says. At most 45 characters, in room for 46.
char* write_ip(char* out, std::span<const uint8_t> bytes);
char* write_mac(char* out, const uint8_t* six);  // 17 characters, 00-00-5E-00-53-23
char* write_time(char* out, int64_t unix_ns);    // 30 characters, 2026-01-02T03:04:05.123456789Z

}  // namespace cvf::record
