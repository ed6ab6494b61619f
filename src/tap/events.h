// Names that this kernel gives to the numbers in its events, from its own BTF. Thread-safe: read once, then constant.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace cvf::tap {

// The number of a reason as this kernel has it: "TCP_OVERFLOW". Nothing where it has none.
std::optional<uint32_t> drop_reason_number(std::string_view name);

}  // namespace cvf::tap
