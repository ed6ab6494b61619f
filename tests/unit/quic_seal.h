// Sealing Initial packets as a sender does (RFC 9001 5.3 and 5.4): the opposite of what the dissector does, for tests and
// fuzzing.
#pragma once

#include <openssl/evp.h>

#include <array>
#include <string>

#include "protocol/quic_crypto.h"
#include "tls_bytes.h"

namespace cvf::tls_bytes {

inline std::string varint(uint64_t v) {
    if (v < 64) return u8(static_cast<unsigned>(v));
    if (v < 16384) return u16(static_cast<unsigned>(v) | 0x4000);
    return u32(static_cast<uint32_t>(v) | 0x80000000);
}

inline std::string seal(const protocol::quic_wire::Keys& keys, std::string header, uint32_t number, const std::string& frames) {
    const size_t number_offset = header.size();
    header += u32(number);
    std::array<uint8_t, 12> nonce = keys.iv;
    for (size_t i = 0; i < 4; ++i) nonce[8 + i] ^= static_cast<uint8_t>(number >> (24 - 8 * i));
    std::string sealed(frames.size() + 16, '\0');
    auto* out = reinterpret_cast<unsigned char*>(sealed.data());
    EVP_CIPHER_CTX* c = EVP_CIPHER_CTX_new();
    int n = 0;
    EVP_EncryptInit_ex(c, EVP_aes_128_gcm(), nullptr, keys.key.data(), nonce.data());
    EVP_EncryptUpdate(c, nullptr, &n, reinterpret_cast<const unsigned char*>(header.data()), static_cast<int>(header.size()));
    EVP_EncryptUpdate(c, out, &n, reinterpret_cast<const unsigned char*>(frames.data()), static_cast<int>(frames.size()));
    EVP_EncryptFinal_ex(c, out + n, &n);
    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, 16, out + frames.size());
    unsigned char mask[32];
    EVP_CIPHER_CTX_reset(c);
    EVP_EncryptInit_ex(c, EVP_aes_128_ecb(), nullptr, keys.header_key.data(), nullptr);
    EVP_EncryptUpdate(c, mask, &n, out, 16);
    EVP_CIPHER_CTX_free(c);
    header[0] = static_cast<char>(header[0] ^ (mask[0] & 0x0f));
    for (size_t i = 0; i < 4; ++i) header[number_offset + i] = static_cast<char>(header[number_offset + i] ^ mask[1 + i]);
    return header + sealed;
}

// The tag over `text` alone: a Retry's.
inline std::string gcm_tag(const std::string& key, const std::string& nonce, const std::string& text) {
    const auto bytes = [](const std::string& s) { return reinterpret_cast<const unsigned char*>(s.data()); };
    std::string tag(16, '\0');
    EVP_CIPHER_CTX* c = EVP_CIPHER_CTX_new();
    int n = 0;
    EVP_EncryptInit_ex(c, EVP_aes_128_gcm(), nullptr, bytes(key), bytes(nonce));
    EVP_EncryptUpdate(c, nullptr, &n, bytes(text), static_cast<int>(text.size()));
    EVP_EncryptFinal_ex(c, reinterpret_cast<unsigned char*>(tag.data()), &n);
    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, 16, tag.data());
    EVP_CIPHER_CTX_free(c);
    return tag;
}

struct Initial {
    uint32_t version = 1;
    std::string key_id;  // what the keys come from
    bool from_client = true;
    std::string destination, source, token;
    uint32_t number = 0;

    // Filled up with PADDING frames to `fill` bytes.
    std::string packet(std::string frames, size_t fill = 1162) const {
        if (frames.size() < fill) frames.resize(fill, '\0');
        const protocol::quic_wire::Version& v = *protocol::quic_wire::find_version(version);
        protocol::quic_wire::InitialKeys keys(v, {reinterpret_cast<const uint8_t*>(key_id.data()), key_id.size()});
        const std::string header = u8(v.v2 ? 0xd3 : 0xc3) + u32(version) + with_u8(destination) + with_u8(source) +
                                   varint(token.size()) + token + u16(static_cast<unsigned>(frames.size() + 4 + 16) | 0x4000);
        return seal(from_client ? keys.client() : keys.server(), header, number, frames);
    }
};

}  // namespace cvf::tls_bytes
