#include "controller/uuid.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <chrono>
#include <cstdint>

namespace cvf::controller {

std::string random_uuid() {
    uint64_t bits[2] = {};
    if (::getrandom(bits, sizeof bits, 0) != sizeof bits)
        bits[0] = static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
    bits[0] = (bits[0] & 0xffffffffffff0fffULL) | 0x4000;
    bits[1] = (bits[1] & 0x3fffffffffffffffULL) | 0x8000000000000000ULL;
    return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", bits[0] >> 32, bits[0] >> 16 & 0xffff, bits[0] & 0xffff,
                       bits[1] >> 48, bits[1] & 0xffffffffffffULL);
}

}  // namespace cvf::controller
