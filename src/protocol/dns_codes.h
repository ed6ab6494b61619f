// Names of DNS numbers, as IANA's "Domain Name System (DNS) Parameters" registry has them. Constant text; empty for unknown
// numbers.
#pragma once

#include <cstdint>
#include <string_view>

namespace cvf::protocol {

std::string_view dns_type_name(uint16_t type);
std::string_view dns_class_name(uint16_t klass);
std::string_view dns_op_code_name(uint8_t op_code);
std::string_view dns_response_code_name(uint16_t code);  // 12 bits, with EDNS's upper ones
std::string_view dns_extended_error_name(uint16_t code);

}  // namespace cvf::protocol
