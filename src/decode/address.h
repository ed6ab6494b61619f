// An IPv4 or IPv6 address: 16 bytes, IPv4 in the first four (the rest zero), so that two addresses compare by memory.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>

#include "decode/bytes.h"

namespace cvf::decode {

struct Address {
    std::array<uint8_t, 16> bytes{};

    static Address v4(const uint8_t* p) {
        Address a;
        std::memcpy(a.bytes.data(), p, 4);
        return a;
    }
    static Address v6(const uint8_t* p) {
        Address a;
        std::memcpy(a.bytes.data(), p, 16);
        return a;
    }
    // The bytes that count, for the family in use: 4 or 6.
    Bytes view(uint8_t family) const { return {bytes.data(), family == 4 ? 4u : 16u}; }
    auto operator<=>(const Address&) const = default;
};

}  // namespace cvf::decode
