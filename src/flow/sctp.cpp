#include "flow/sctp.h"

#include <algorithm>
#include <array>

namespace cvf::flow {

namespace {

// By the number of their type up to 15, then those of the extensions, in the order of extension_types.
constexpr std::string_view names[] = {"DATA",      "INIT",     "INIT_ACK",          "SACK",   "HEARTBEAT",    "HEARTBEAT_ACK",
                                      "ABORT",     "SHUTDOWN", "SHUTDOWN_ACK",      "ERROR",  "COOKIE_ECHO",  "COOKIE_ACK",
                                      "ECNE",      "CWR",      "SHUTDOWN_COMPLETE", "AUTH",   "I_DATA",       "ASCONF_ACK",
                                      "RE_CONFIG", "PAD",      "FORWARD_TSN",       "ASCONF", "I_FORWARD_TSN"};
// RFC 8260, 5061, 6525, 4820, 3758, 5061, 8260.
constexpr uint8_t extension_types[] = {64, 128, 130, 132, 192, 193, 194};
constexpr uint8_t basic_types = 16;
static_assert(std::size(names) == basic_types + std::size(extension_types));

uint32_t bit_of(uint8_t type) {
    if (type < basic_types) return 1u << type;
    const auto* at = std::ranges::find(extension_types, type);
    return at == std::end(extension_types) ? 0 : 1u << (basic_types + (at - extension_types));
}

}  // namespace

uint32_t sctp_chunks(decode::Bytes chunks) {
    uint32_t seen = 0;
    decode::Reader in(chunks);
    while (in.left() >= 4) {
        const uint8_t type = in.u8();
        in.skip(1);
        const size_t length = in.u16();
        if (length < 4) break;
        seen |= bit_of(type);
        in.skip(std::min(in.left(), (length - 4 + 3) & ~size_t{3}));  // padded
    }
    return seen;
}

std::span<const std::string_view> sctp_chunk_names() {
    return names;
}

}  // namespace cvf::flow
