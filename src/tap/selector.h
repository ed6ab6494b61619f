// Which conversations are wanted at all, as far as a tap can tell: by transport, ports and addresses.
//
// Each set is a condition of its own and all must hold; a port or an address may be of either end. The tuple is the socket's own,
// before translation. Values; thread rule: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "decode/address.h"

namespace cvf::tap {

struct Selector {
    struct Ports {
        uint16_t first, last;
        bool operator==(const Ports&) const = default;
    };
    struct Prefix {
        decode::Address address;
        uint8_t family = 4;  // 4 or 6
        uint8_t bits = 32;   // at most 32 or 128
        bool operator==(const Prefix&) const = default;
    };
    // IP protocols. All false: nothing is wanted.
    bool tcp = true, udp = true, others = true;
    std::optional<std::vector<Ports>> ports;       // nothing: any
    std::optional<std::vector<Prefix>> addresses;  // likewise

    bool everything() const { return tcp && udp && others && !ports && !addresses; }
    bool operator==(const Selector&) const = default;
};

// More prefixes than this there is no room for.
inline constexpr size_t max_selector_prefixes = 512;

}  // namespace cvf::tap
