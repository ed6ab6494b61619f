// The version, as CMake's project() has it.
#pragma once

#include <string_view>

namespace cvf::cli {

inline constexpr std::string_view version = CVF_VERSION;

}  // namespace cvf::cli
