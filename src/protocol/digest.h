// Message digests, HMAC and HKDF over SHA-256, for fingerprints and QUIC's Initial keys.
//
// Straight to libcrypto's block functions: the EVP layer costs an allocation and a thousand instructions for each digest, more
// than the digest of a short text itself. Pure functions; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "decode/bytes.h"

namespace cvf::protocol {

using decode::Bytes;

std::array<uint8_t, 16> md5(Bytes bytes);
std::array<uint8_t, 20> sha1(Bytes bytes);
std::array<uint8_t, 32> sha256(Bytes bytes);

inline Bytes as_bytes(std::string_view text) {
    return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// HMAC-SHA-256 (RFC 2104) under one key, which may be used for many messages: the two key blocks are hashed once.
class HmacSha256 {
 public:
    explicit HmacSha256(Bytes key);
    std::array<uint8_t, 32> operator()(Bytes message) const;

 private:
    // SHA-256 states after the inner and the outer key block: eight words each.
    uint32_t inner_[8], outer_[8];
};

// HKDF-Expand-Label of TLS 1.3 (RFC 8446 7.1) with an empty context. `label` goes without its "tls13 "; at most 32 bytes are
// made, which is one block of HKDF-Expand (RFC 5869 2.3).
void hkdf_expand_label(const HmacSha256& secret, std::string_view label, std::span<uint8_t> out);

// Hex digits at `out`, two for each byte; returns the end.
char* write_hex(char* out, Bytes bytes, bool upper = false);

}  // namespace cvf::protocol
