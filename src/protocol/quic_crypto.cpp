#include "protocol/quic_crypto.h"

#include <openssl/evp.h>

#include <algorithm>
#include <memory>

#include "protocol/digest.h"

namespace cvf::protocol::quic_wire {

namespace {

using Salt = std::array<uint8_t, 20>;
enum : uint8_t { salt_draft22, salt_draft23, salt_draft29, salt_v1, salt_v2 };
constexpr Salt salts[] = {
    {0x7f, 0xbc, 0xdb, 0x0e, 0x7c, 0x66, 0xbb, 0xe9, 0x19, 0x3a, 0x96, 0xcd, 0x21, 0x51, 0x9e, 0xbd, 0x7a, 0x02, 0x64, 0x4a},
    {0xc3, 0xee, 0xf7, 0x12, 0xc7, 0x2e, 0xbb, 0x5a, 0x11, 0xa7, 0xd2, 0x43, 0x2b, 0xb4, 0x63, 0x65, 0xbe, 0xf9, 0xf5, 0x02},
    {0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97, 0x86, 0xf1, 0x9c, 0x61, 0x11, 0xe0, 0x43, 0x90, 0xa8, 0x99},
    {0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a},
    {0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9},
};

// What a Retry's tag is made with: known to everyone, so that it shows only that the sender saw the Initial packet.
struct RetrySecret {
    std::array<uint8_t, 16> key;
    std::array<uint8_t, 12> nonce;
};
constexpr RetrySecret retry_draft25 = {
    {0x4d, 0x32, 0xec, 0xdb, 0x2a, 0x21, 0x33, 0xc8, 0x41, 0xe4, 0x04, 0x3d, 0xf2, 0x7d, 0x44, 0x30},
    {0x4d, 0x16, 0x11, 0xd0, 0x55, 0x13, 0xa5, 0x52, 0xc5, 0x87, 0xd5, 0x75}};
constexpr RetrySecret retry_draft29 = {
    {0xcc, 0xce, 0x18, 0x7e, 0xd0, 0x9a, 0x09, 0xd0, 0x57, 0x28, 0x15, 0x5a, 0x6c, 0xb9, 0x6b, 0xe1},
    {0xe5, 0x49, 0x30, 0xf9, 0x7f, 0x21, 0x36, 0xf0, 0x53, 0x0a, 0x8c, 0x1c}};
constexpr RetrySecret retry_v1 = {
    {0xbe, 0x0c, 0x69, 0x0b, 0x9f, 0x66, 0x57, 0x5a, 0x1d, 0x76, 0x6b, 0x54, 0xe3, 0x68, 0xc8, 0x4e},
    {0x46, 0x15, 0x99, 0xd3, 0x5d, 0x63, 0x2b, 0xf2, 0x23, 0x98, 0x25, 0xbb}};
constexpr RetrySecret retry_v2 = {
    {0x8f, 0xb4, 0xb0, 0x1b, 0x56, 0xac, 0x48, 0xe2, 0x60, 0xfb, 0xcb, 0xce, 0xad, 0x7c, 0xcc, 0x92},
    {0xd8, 0x69, 0x69, 0xbc, 0x2d, 0x7c, 0x6d, 0x99, 0x90, 0xef, 0xb0, 0x4a}};

// They changed together with the salts, but for drafts 23 and 24, which share the salt of the next and have no tag.
const RetrySecret* retry_secret(uint8_t salt) {
    switch (salt) {
        case salt_draft23:
            return &retry_draft25;
        case salt_draft29:
            return &retry_draft29;
        case salt_v1:
            return &retry_v1;
        case salt_v2:
            return &retry_v2;
        default:
            return nullptr;
    }
}

constexpr Version versions[] = {
    {0x00000001, "1", salt_v1, false},
    {0x6b3343cf, "2", salt_v2, true},
    {0x709a50c4, "2-draft", salt_v2, true},  // drafts 01 to 07 of version 2
    {0xff000016, "draft-22", salt_draft22, false},
    {0xff000017, "draft-23", salt_draft23, false},
    {0xff000018, "draft-24", salt_draft23, false},
    {0xff000019, "draft-25", salt_draft23, false},
    {0xff00001a, "draft-26", salt_draft23, false},
    {0xff00001b, "draft-27", salt_draft23, false},
    {0xff00001c, "draft-28", salt_draft23, false},
    {0xff00001d, "draft-29", salt_draft29, false},
    {0xff00001e, "draft-30", salt_draft29, false},
    {0xff00001f, "draft-31", salt_draft29, false},
    {0xff000020, "draft-32", salt_draft29, false},
    {0xff000021, "draft-33", salt_v1, false},
    {0xff000022, "draft-34", salt_v1, false},
    // Meta's mvfst
    {0xfaceb001, "mvfst-faceb001", salt_draft22, false},
    {0xfaceb002, "mvfst-faceb002", salt_draft23, false},
    {0xfaceb003, "mvfst-faceb003", salt_v1, false},
    {0xfaceb00e, "mvfst-faceb00e", salt_draft23, false},
    {0xfaceb010, "mvfst-faceb010", salt_draft23, false},
    {0xfaceb011, "mvfst-faceb011", salt_draft23, false},
    {0xfaceb012, "mvfst-faceb012", salt_draft23, false},
    {0xfaceb013, "mvfst-faceb013", salt_draft23, false},
};

// Fetching an algorithm and making a context cost more than a packet: one of each per thread.
struct Ciphers {
    struct Free {
        void operator()(EVP_CIPHER* c) const { EVP_CIPHER_free(c); }
        void operator()(EVP_CIPHER_CTX* c) const { EVP_CIPHER_CTX_free(c); }
    };
    std::unique_ptr<EVP_CIPHER, Free> gcm{EVP_CIPHER_fetch(nullptr, "AES-128-GCM", nullptr)};
    std::unique_ptr<EVP_CIPHER, Free> ecb{EVP_CIPHER_fetch(nullptr, "AES-128-ECB", nullptr)};
    std::unique_ptr<EVP_CIPHER_CTX, Free> gcm_context{EVP_CIPHER_CTX_new()}, ecb_context{EVP_CIPHER_CTX_new()};
    bool usable = gcm && ecb && gcm_context && ecb_context &&
                  EVP_DecryptInit_ex2(gcm_context.get(), gcm.get(), nullptr, nullptr, nullptr) == 1 &&
                  EVP_EncryptInit_ex2(ecb_context.get(), ecb.get(), nullptr, nullptr, nullptr) == 1;
};

Ciphers& ciphers() {
    thread_local Ciphers mine;
    return mine;
}

const HmacSha256& salted(uint8_t salt) {
    thread_local const std::array<HmacSha256, 5> all = {HmacSha256(salts[0]), HmacSha256(salts[1]), HmacSha256(salts[2]),
                                                        HmacSha256(salts[3]), HmacSha256(salts[4])};
    return all[salt];
}

}  // namespace

const Version* find_version(uint32_t number) {
    for (const Version& v : versions)
        if (v.number == number) return &v;
    return nullptr;
}

PacketType packet_type(const Version& version, uint8_t first_byte) {
    const int bits = first_byte >> 4 & 3;
    return static_cast<PacketType>(version.v2 ? (bits + 3) & 3 : bits);  // RFC 9369 3.2
}

// HKDF-Extract is an HMAC keyed with the salt (RFC 5869 2.2).
InitialKeys::InitialKeys(const Version& version, Bytes connection_id)
    : version_(&version), secret_(salted(version.salt)(connection_id)) {}

const Keys& InitialKeys::side(size_t index, std::string_view label) {
    std::optional<Keys>& keys = keys_[index];
    if (keys) return *keys;
    std::array<uint8_t, 32> secret;
    hkdf_expand_label(HmacSha256(secret_), label, secret);
    const HmacSha256 expand(secret);
    keys.emplace();
    hkdf_expand_label(expand, version_->v2 ? "quicv2 key" : "quic key", keys->key);
    hkdf_expand_label(expand, version_->v2 ? "quicv2 iv" : "quic iv", keys->iv);
    hkdf_expand_label(expand, version_->v2 ? "quicv2 hp" : "quic hp", keys->header_key);
    return *keys;
}

bool is_genuine_retry(const Version& version, Bytes original, Bytes packet) {
    constexpr size_t tag_size = 16;
    const RetrySecret* secret = retry_secret(version.salt);
    Ciphers& c = ciphers();
    if (!secret || !c.usable || packet.size() < tag_size || packet.size() > UINT16_MAX || original.size() > UINT8_MAX)
        return false;
    const auto size = static_cast<uint8_t>(original.size());
    uint8_t tag[tag_size];
    std::copy_n(packet.end() - tag_size, tag_size, tag);
    EVP_CIPHER_CTX* gcm = c.gcm_context.get();
    int n = 0;
    // What is authenticated is the original id, behind its length, and the packet without its tag; there is nothing to decrypt.
    return EVP_DecryptInit_ex2(gcm, nullptr, secret->key.data(), secret->nonce.data(), nullptr) == 1 &&
           EVP_DecryptUpdate(gcm, nullptr, &n, &size, 1) == 1 &&
           EVP_DecryptUpdate(gcm, nullptr, &n, original.data(), static_cast<int>(original.size())) == 1 &&
           EVP_DecryptUpdate(gcm, nullptr, &n, packet.data(), static_cast<int>(packet.size() - tag_size)) == 1 &&
           EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_AEAD_SET_TAG, tag_size, tag) == 1 && EVP_DecryptFinal_ex(gcm, tag, &n) == 1;
}

bool open_packet(const Keys& keys, Bytes packet, size_t number_offset, std::vector<uint8_t>& plain) {
    constexpr size_t sample_size = 16, tag_size = 16, max_number = 4, max_header = 2048;
    // The sample stands where the payload would begin behind a packet number of four bytes (RFC 9001 5.4.2).
    if (packet.size() < number_offset + max_number + sample_size || number_offset > max_header) return false;
    Ciphers& c = ciphers();
    if (!c.usable) return false;

    uint8_t mask[16];
    int n = 0;
    EVP_CIPHER_CTX* ecb = c.ecb_context.get();
    if (EVP_EncryptInit_ex2(ecb, nullptr, keys.header_key.data(), nullptr, nullptr) != 1 ||
        EVP_EncryptUpdate(ecb, mask, &n, packet.data() + number_offset + max_number, sample_size) != 1 || n != sample_size)
        return false;

    // The header, as it was before protection, is what the tag covers besides.
    uint8_t header[max_header + max_number];
    std::copy_n(packet.begin(), number_offset + max_number, header);
    header[0] ^= mask[0] & 0x0f;
    const size_t number_size = 1 + (header[0] & 3);
    uint32_t number = 0;
    for (size_t i = 0; i < number_size; ++i) {
        header[number_offset + i] ^= mask[1 + i];
        number = number << 8 | header[number_offset + i];
    }
    const size_t header_size = number_offset + number_size;
    if (packet.size() < header_size + tag_size) return false;

    // Initial packet numbers are small: the truncated number is the number.
    std::array<uint8_t, 12> nonce = keys.iv;
    for (size_t i = 0; i < 4; ++i) nonce[8 + i] ^= static_cast<uint8_t>(number >> (24 - 8 * i));

    const size_t size = packet.size() - header_size - tag_size;
    plain.resize(size + 1);
    EVP_CIPHER_CTX* gcm = c.gcm_context.get();
    uint8_t tag[tag_size];
    std::copy_n(packet.end() - tag_size, tag_size, tag);
    const bool good = EVP_DecryptInit_ex2(gcm, nullptr, keys.key.data(), nonce.data(), nullptr) == 1 &&
                      EVP_DecryptUpdate(gcm, nullptr, &n, header, static_cast<int>(header_size)) == 1 &&
                      EVP_DecryptUpdate(gcm, plain.data(), &n, packet.data() + header_size, static_cast<int>(size)) == 1 &&
                      EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_AEAD_SET_TAG, tag_size, tag) == 1 &&
                      EVP_DecryptFinal_ex(gcm, plain.data() + size, &n) == 1;
    plain.resize(good ? size : 0);
    return good;
}

}  // namespace cvf::protocol::quic_wire
