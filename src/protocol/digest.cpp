// The low-level calls are marked deprecated in OpenSSL 3.0 in favour of EVP; they are the same code without the provider
// machinery.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "protocol/digest.h"

#include <openssl/md5.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cassert>
#include <cstring>

namespace cvf::protocol {

std::array<uint8_t, 16> md5(Bytes bytes) {
    std::array<uint8_t, 16> out;
    MD5_CTX state;
    MD5_Init(&state);
    MD5_Update(&state, bytes.data(), bytes.size());
    MD5_Final(out.data(), &state);
    return out;
}

std::array<uint8_t, 20> sha1(Bytes bytes) {
    std::array<uint8_t, 20> out;
    SHA_CTX state;
    SHA1_Init(&state);
    SHA1_Update(&state, bytes.data(), bytes.size());
    SHA1_Final(out.data(), &state);
    return out;
}

std::array<uint8_t, 32> sha256(Bytes bytes) {
    std::array<uint8_t, 32> out;
    SHA256_CTX state;
    SHA256_Init(&state);
    SHA256_Update(&state, bytes.data(), bytes.size());
    SHA256_Final(out.data(), &state);
    return out;
}

namespace {

constexpr size_t block_size = 64;

void key_block(const uint8_t (&key)[block_size], uint8_t pad, uint32_t (&out)[8]) {
    uint8_t block[block_size];
    for (size_t i = 0; i < block_size; ++i) block[i] = key[i] ^ pad;
    SHA256_CTX state;
    SHA256_Init(&state);
    SHA256_Transform(&state, block);
    std::copy_n(state.h, 8, out);
}

std::array<uint8_t, 32> continue_from(const uint32_t (&words)[8], Bytes message) {
    SHA256_CTX state;
    SHA256_Init(&state);
    std::copy_n(words, 8, state.h);
    state.Nl = block_size * 8;  // one block of the key is behind us
    SHA256_Update(&state, message.data(), message.size());
    std::array<uint8_t, 32> out;
    SHA256_Final(out.data(), &state);
    return out;
}

}  // namespace

HmacSha256::HmacSha256(Bytes key) {
    uint8_t padded[block_size] = {};
    if (key.size() > block_size) {
        const auto digest = sha256(key);
        std::copy(digest.begin(), digest.end(), padded);
    } else {
        std::copy(key.begin(), key.end(), padded);
    }
    key_block(padded, 0x36, inner_);
    key_block(padded, 0x5c, outer_);
}

std::array<uint8_t, 32> HmacSha256::operator()(Bytes message) const {
    return continue_from(outer_, continue_from(inner_, message));
}

void hkdf_expand_label(const HmacSha256& secret, std::string_view label, std::span<uint8_t> out) {
    assert(label.size() <= 32 && out.size() <= 32);
    constexpr std::string_view prefix = "tls13 ";
    uint8_t info[2 + 1 + prefix.size() + 32 + 1 + 1];
    uint8_t* p = info;
    *p++ = 0;
    *p++ = static_cast<uint8_t>(out.size());
    *p++ = static_cast<uint8_t>(prefix.size() + label.size());
    p = std::copy(prefix.begin(), prefix.end(), p);
    p = std::copy(label.begin(), label.end(), p);
    *p++ = 0;  // empty context
    *p++ = 1;  // first block of HKDF-Expand
    const auto block = secret({info, static_cast<size_t>(p - info)});
    std::copy_n(block.begin(), out.size(), out.begin());
}

char* write_hex(char* out, Bytes bytes, bool upper) {
    const char* digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    for (const uint8_t byte : bytes) {
        *out++ = digits[byte >> 4];
        *out++ = digits[byte & 15];
    }
    return out;
}

}  // namespace cvf::protocol
