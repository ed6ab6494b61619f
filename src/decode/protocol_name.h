// IP protocol numbers by name: the keywords of IANA's registry in lower case, as ECS asks of network.transport.
#pragma once

#include <cstdint>
#include <string_view>

namespace cvf::decode {

// Empty for numbers without a name here.
std::string_view ip_protocol_name(uint8_t protocol);

}  // namespace cvf::decode
