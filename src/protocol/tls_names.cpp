#include "protocol/tls_names.h"

#include <algorithm>
#include <array>

namespace cvf::protocol::tls1 {

namespace {

struct Name {
    uint16_t value;
    std::string_view name;
};

constexpr Name ciphers[] = {
#define CIPHER(value, name) {value, #name},
#include "protocol/tls_ciphers.def"
#undef CIPHER
};

constexpr Name groups[] = {
    {0x0001, "sect163k1"},
    {0x0002, "sect163r1"},
    {0x0003, "sect163r2"},
    {0x0004, "sect193r1"},
    {0x0005, "sect193r2"},
    {0x0006, "sect233k1"},
    {0x0007, "sect233r1"},
    {0x0008, "sect239k1"},
    {0x0009, "sect283k1"},
    {0x000a, "sect283r1"},
    {0x000b, "sect409k1"},
    {0x000c, "sect409r1"},
    {0x000d, "sect571k1"},
    {0x000e, "sect571r1"},
    {0x000f, "secp160k1"},
    {0x0010, "secp160r1"},
    {0x0011, "secp160r2"},
    {0x0012, "secp192k1"},
    {0x0013, "secp192r1"},
    {0x0014, "secp224k1"},
    {0x0015, "secp224r1"},
    {0x0016, "secp256k1"},
    {0x0017, "secp256r1"},
    {0x0018, "secp384r1"},
    {0x0019, "secp521r1"},
    {0x001a, "brainpoolP256r1"},
    {0x001b, "brainpoolP384r1"},
    {0x001c, "brainpoolP512r1"},
    {0x001d, "x25519"},
    {0x001e, "x448"},
    {0x001f, "brainpoolP256r1tls13"},
    {0x0020, "brainpoolP384r1tls13"},
    {0x0021, "brainpoolP512r1tls13"},
    {0x0022, "GC256A"},
    {0x0023, "GC256B"},
    {0x0024, "GC256C"},
    {0x0025, "GC256D"},
    {0x0026, "GC512A"},
    {0x0027, "GC512B"},
    {0x0028, "GC512C"},
    {0x0029, "curveSM2"},
    {0x0100, "ffdhe2048"},
    {0x0101, "ffdhe3072"},
    {0x0102, "ffdhe4096"},
    {0x0103, "ffdhe6144"},
    {0x0104, "ffdhe8192"},
    {0x0200, "MLKEM512"},
    {0x0201, "MLKEM768"},
    {0x0202, "MLKEM1024"},
    {0x023a, "kyber512"},  // Open Quantum Safe's numbers, before the registry had any
    {0x023c, "kyber768"},
    {0x023d, "kyber1024"},
    {0x11eb, "SecP256r1MLKEM768"},
    {0x11ec, "X25519MLKEM768"},
    {0x11ed, "SecP384r1MLKEM1024"},
    {0x11ee, "curveSM2MLKEM768"},
    {0x2f39, "x25519_kyber512"},
    {0x2f3a, "p256_kyber512"},
    {0x2f3c, "p384_kyber768"},
    {0x2f3d, "p521_kyber1024"},
    {0x4138, "CECPQ2"},
    {0x6399, "X25519Kyber768Draft00"},
    {0x639a, "SecP256r1Kyber768Draft00"},
    {0xfe30, "X25519Kyber512Draft00"},
    {0xfe31, "X25519Kyber768Draft00"},  // the number Cloudflare and Chrome used before 0x6399
    {0xfe32, "P256Kyber768Draft00"},
    {0xff01, "arbitrary_explicit_prime_curves"},
    {0xff02, "arbitrary_explicit_char2_curves"},
};

constexpr Name signatures[] = {
    {0x0101, "rsa_pkcs1_md5"},
    {0x0102, "dsa_md5"},
    {0x0103, "ecdsa_md5"},
    {0x0201, "rsa_pkcs1_sha1"},
    {0x0202, "dsa_sha1"},
    {0x0203, "ecdsa_sha1"},
    {0x0301, "rsa_pkcs1_sha224"},
    {0x0302, "dsa_sha224"},
    {0x0303, "ecdsa_sha224"},
    {0x0401, "rsa_pkcs1_sha256"},
    {0x0402, "dsa_sha256"},
    {0x0403, "ecdsa_secp256r1_sha256"},
    {0x0420, "rsa_pkcs1_sha256_legacy"},
    {0x0501, "rsa_pkcs1_sha384"},
    {0x0502, "dsa_sha384"},
    {0x0503, "ecdsa_secp384r1_sha384"},
    {0x0520, "rsa_pkcs1_sha384_legacy"},
    {0x0601, "rsa_pkcs1_sha512"},
    {0x0602, "dsa_sha512"},
    {0x0603, "ecdsa_secp521r1_sha512"},
    {0x0620, "rsa_pkcs1_sha512_legacy"},
    {0x0704, "eccsi_sha256"},
    {0x0705, "iso_ibs1"},
    {0x0706, "iso_ibs2"},
    {0x0707, "iso_chinese_ibs"},
    {0x0708, "sm2sig_sm3"},
    {0x0709, "gostr34102012_256a"},
    {0x070a, "gostr34102012_256b"},
    {0x070b, "gostr34102012_256c"},
    {0x070c, "gostr34102012_256d"},
    {0x070d, "gostr34102012_512a"},
    {0x070e, "gostr34102012_512b"},
    {0x070f, "gostr34102012_512c"},
    {0x0804, "rsa_pss_rsae_sha256"},
    {0x0805, "rsa_pss_rsae_sha384"},
    {0x0806, "rsa_pss_rsae_sha512"},
    {0x0807, "ed25519"},
    {0x0808, "ed448"},
    {0x0809, "rsa_pss_pss_sha256"},
    {0x080a, "rsa_pss_pss_sha384"},
    {0x080b, "rsa_pss_pss_sha512"},
    {0x081a, "ecdsa_brainpoolP256r1tls13_sha256"},
    {0x081b, "ecdsa_brainpoolP384r1tls13_sha384"},
    {0x081c, "ecdsa_brainpoolP512r1tls13_sha512"},
    {0x0904, "mldsa44"},
    {0x0905, "mldsa65"},
    {0x0906, "mldsa87"},
    {0xeded, "gostr34102001"},
    {0xeeee, "gostr34102012_256"},
    {0xefef, "gostr34102012_512"},
};

constexpr Name alerts[] = {
    {0, "close_notify"},
    {1, "end_of_early_data"},
    {10, "unexpected_message"},
    {20, "bad_record_mac"},
    {21, "decryption_failed"},
    {22, "record_overflow"},
    {30, "decompression_failure"},
    {40, "handshake_failure"},
    {41, "no_certificate"},
    {42, "bad_certificate"},
    {43, "unsupported_certificate"},
    {44, "certificate_revoked"},
    {45, "certificate_expired"},
    {46, "certificate_unknown"},
    {47, "illegal_parameter"},
    {48, "unknown_ca"},
    {49, "access_denied"},
    {50, "decode_error"},
    {51, "decrypt_error"},
    {52, "too_many_cids_requested"},
    {60, "export_restriction"},
    {70, "protocol_version"},
    {71, "insufficient_security"},
    {80, "internal_error"},
    {86, "inappropriate_fallback"},
    {90, "user_canceled"},
    {100, "no_renegotiation"},
    {109, "missing_extension"},
    {110, "unsupported_extension"},
    {111, "certificate_unobtainable"},
    {112, "unrecognized_name"},
    {113, "bad_certificate_status_response"},
    {114, "bad_certificate_hash_value"},
    {115, "unknown_psk_identity"},
    {116, "certificate_required"},
    {117, "general_error"},
    {120, "no_application_protocol"},
    {121, "ech_required"},
};

static_assert(std::ranges::is_sorted(ciphers, {}, &Name::value));
static_assert(std::ranges::is_sorted(groups, {}, &Name::value));
static_assert(std::ranges::is_sorted(signatures, {}, &Name::value));
static_assert(std::ranges::is_sorted(alerts, {}, &Name::value));

template <size_t n>
std::string_view find(const Name (&names)[n], uint16_t value) {
    const Name* it = std::lower_bound(names, names + n, value, [](const Name& a, uint16_t v) { return a.value < v; });
    return it != names + n && it->value == value ? it->name : std::string_view();
}

// A hello offers dozens of suites, groups and schemes, nearly all from these pages: looked up without searching.
template <size_t n>
constexpr std::array<std::string_view, 256> page(const Name (&names)[n], uint16_t high) {
    std::array<std::string_view, 256> out{};
    for (const Name& name : names)
        if (name.value >> 8 == high) out[name.value & 0xff] = name.name;
    return out;
}
constexpr auto ciphers_00 = page(ciphers, 0x00);
constexpr auto ciphers_13 = page(ciphers, 0x13);
constexpr auto ciphers_c0 = page(ciphers, 0xc0);
constexpr auto ciphers_cc = page(ciphers, 0xcc);
constexpr auto groups_00 = page(groups, 0x00);

// Before TLS 1.3 a scheme was two small numbers, hash and signature, and most of the later ones keep to that range.
constexpr uint16_t scheme_hashes = 0x0a, scheme_signatures = 0x24;
constexpr auto small_schemes = [] {
    std::array<std::string_view, size_t{scheme_hashes} * scheme_signatures> out{};
    for (const Name& name : signatures)
        if (name.value >> 8 < scheme_hashes && (name.value & 0xff) < scheme_signatures)
            out[size_t{name.value} / 256 * scheme_signatures + name.value % 256] = name.name;
    return out;
}();

}  // namespace

std::string_view cipher_name(uint16_t value) {
    switch (value >> 8) {
        case 0x00:
            return ciphers_00[value];
        case 0x13:
            return ciphers_13[value & 0xff];
        case 0xc0:
            return ciphers_c0[value & 0xff];
        case 0xcc:
            return ciphers_cc[value & 0xff];
        default:
            return find(ciphers, value);
    }
}

std::string_view group_name(uint16_t value) {
    return value < groups_00.size() ? groups_00[value] : find(groups, value);
}
std::string_view signature_scheme_name(uint16_t value) {
    const uint16_t hash = value >> 8, signature = value & 0xff;
    if (hash < scheme_hashes && signature < scheme_signatures) return small_schemes[size_t{hash} * scheme_signatures + signature];
    return find(signatures, value);
}
std::string_view alert_name(uint8_t value) {
    return find(alerts, value);
}

uint16_t plain_version(uint16_t value) {
    if (value >> 8 == 0x7f || value >> 8 == 0xfb) return 0x0304;
    switch (value) {
        case 0xfeff:
        case 0x0100:        // DTLS as OpenSSL 0.9.8 spoke it
            return 0x0302;  // DTLS 1.0 is TLS 1.1 (RFC 4347)
        case 0xfefd:
            return 0x0303;
        case 0xfefc:
            return 0x0304;
        default:
            return value;
    }
}

std::string_view version_name(uint16_t value) {
    if (value == 0xfeff || value == 0x0100) return "1.0";
    switch (plain_version(value)) {
        case 0x0002:
            return "2.0";
        case 0x0300:
            return "3.0";
        case 0x0301:
            return "1.0";
        case 0x0302:
            return "1.1";
        case 0x0303:
            return "1.2";
        case 0x0304:
            return "1.3";
        default:
            return {};
    }
}

bool is_post_quantum(uint16_t group) {
    switch (group) {
        case 0x0200:
        case 0x0201:
        case 0x0202:
        case 0x023a:
        case 0x023c:
        case 0x023d:
        case 0x11eb:
        case 0x11ec:
        case 0x11ed:
        case 0x11ee:
        case 0x2f39:
        case 0x2f3a:
        case 0x2f3c:
        case 0x2f3d:
        case 0x4138:
        case 0x6399:
        case 0x639a:
        case 0xfe30:
        case 0xfe31:
        case 0xfe32:
            return true;
        default:
            return false;
    }
}

KeyExchange key_exchange(uint16_t cipher) {
    const std::string_view name = cipher_name(cipher);
    if (name.starts_with("TLS_ECDHE_") || name.starts_with("TLS_ECDH_anon_")) return KeyExchange::ecdhe;
    if (name.starts_with("TLS_DHE_") || name.starts_with("TLS_DH_anon_")) return KeyExchange::dhe;
    return KeyExchange::other;
}

}  // namespace cvf::protocol::tls1
