// X.509 certificates, read by hand from DER into text that records can carry.
//
// Sources: RFC 5280 (certificate, extensions), RFC 4514 (names as text), RFC 3279/4055/5480/5758/8410/9881 (algorithms). Nothing
// is verified: no signature, no path, no revocation. Every length is checked, everything kept is bounded; a certificate that ends
// early keeps what was read up to there (`complete` says so).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "decode/bytes.h"

namespace cvf::protocol::x509 {

using decode::Bytes;

struct Name {
    std::string text;                                      // RFC 4514: most specific first, "CN=example.org,O=Example,C=NL"
    std::vector<std::string> common_names, organizations;  // in the order encoded; at most 64 of all
};

struct Certificate {
    bool complete = false;
    uint8_t version = 0;  // 1, 2, 3
    std::string serial;   // hex, upper case, without the sign octet
    Name subject, issuer;
    int64_t not_before = 0, not_after = 0;  // ns since 1970 UTC; times beyond 2262 are held at the last one that fits
    std::string signature_algorithm;  // as Go's crypto/x509 names them, which ECS asks for: "SHA256-RSA"; dotted OID when unknown
    std::string key_algorithm;        // likewise: "RSA", "ECDSA", "Ed25519"
    std::string key_curve;            // "secp256r1"; empty when the key is on none
    uint32_t key_size = 0;            // bits; 0: unknown
    uint64_t key_exponent = 0;        // RSA
    std::vector<std::string> alternative_names;  // DNS names, addresses, mail addresses, URIs; at most max_names
    bool ca = false;                             // basicConstraints
    bool self_signed = false;                    // issuer and subject are the same, and the key identifiers do not contradict
    std::string sha256, sha1;                    // of the whole DER, hex, upper case

    static constexpr size_t max_names = 128, max_text = 4096;
};

// Never fails: what can't be read is empty, and the fingerprints are always there.
Certificate parse(Bytes der);
// A bare SubjectPublicKeyInfo, as TLS sends it in the place of a certificate (RFC 7250 3): the key and the fingerprints, and
// nothing else.
Certificate parse_key(Bytes der);

// parse() with memory: servers send the same certificates again and again, and hashing one costs more than all else about it.
// Keyed by the whole DER. Bounded (256 certificates of at most 16 KiB), one per thread; what it returned lives as long as the
// caller holds it.
std::shared_ptr<const Certificate> parse_cached(Bytes der);

}  // namespace cvf::protocol::x509
