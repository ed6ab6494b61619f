// Names of ICMP (RFC 792, 1256, 8335 …) and ICMPv6 (RFC 4443, 4861, 3810 …) types and codes. Constant text; empty for unknown
// numbers.
#pragma once

#include <cstdint>
#include <string_view>

namespace cvf::protocol {

std::string_view icmp_type_name(bool v6, uint8_t type);
std::string_view icmp_code_name(bool v6, uint8_t type, uint8_t code);

}  // namespace cvf::protocol
