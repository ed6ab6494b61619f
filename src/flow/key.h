// What makes two packets belong together: both addresses and ports in canonical order, the protocol, and the scope.
#pragma once

#include <cstdint>
#include <cstring>

#include "decode/packet.h"

namespace cvf::flow {

// 48 bytes without padding, so that it hashes and compares as six words. `a` is the lower end (address, then port).
struct Key {
    decode::Address a, b;
    uint16_t a_port = 0, b_port = 0;
    uint32_t scope = 0;  // tells equal tuples apart: overlay network, network namespace
    uint8_t protocol = 0, family = 0;
    uint16_t extra = 0;  // ICMP: which kind of exchange
    uint32_t zero = 0;

    // Word by word: a call of memcmp() costs more than the comparison.
    bool operator==(const Key& o) const {
        uint64_t x[6], y[6];
        std::memcpy(x, this, sizeof x);
        std::memcpy(y, &o, sizeof y);
        return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]) | (x[4] ^ y[4]) | (x[5] ^ y[5])) == 0;
    }
};
static_assert(sizeof(Key) == 48 && std::has_unique_object_representations_v<Key>);

struct KeyHash {
    using is_avalanching = void;
    size_t operator()(const Key& k) const {
        uint64_t w[6];
        std::memcpy(w, &k, sizeof w);
        return mix(w[0] ^ 0x9e3779b97f4a7c15, w[2] ^ 0xe7037ed1a0b428db) ^
               mix(w[1] ^ 0x8ebc6af09c88c6e3, w[3] ^ 0x589965cc75374cc3) ^
               mix(w[4] ^ 0x1d8e4e27c47d124f, w[5] ^ 0xeb44accab455d165);
    }
    static uint64_t mix(uint64_t x, uint64_t y) {
        auto m = static_cast<unsigned __int128>(x) * y;
        return static_cast<uint64_t>(m) ^ static_cast<uint64_t>(m >> 64);
    }
};

// Fills `key` for a packet with IP; returns true when the packet goes from a to b. ICMP queries and their replies share a key
// (identifier as both ports); each ICMP error is a conversation of its own.
bool make_key(const decode::Packet& packet, Key& key);

}  // namespace cvf::flow
