// Names for the numbers in TLS: cipher suites, groups, signature schemes, versions, alerts.
//
// Spelled as the IANA registries "Transport Layer Security (TLS) Parameters" spell them. A number without a name gives an empty
// view; the caller writes it as hex. Constant data; any thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace cvf::protocol::tls1 {

std::string_view cipher_name(uint16_t value);
std::string_view group_name(uint16_t value);
std::string_view signature_scheme_name(uint16_t value);  // RFC 8446 4.2.3; pairs of hash and signature of TLS 1.2 included
std::string_view alert_name(uint8_t value);              // "handshake_failure"

// "1.2" for 0x0303 and for DTLS 1.2's 0xfefd; "3.0" and "2.0" for SSL's. Drafts of TLS 1.3 (0x7fNN; 0xfbNN as Meta spoke them)
// are "1.3".
std::string_view version_name(uint16_t value);

// The value TLS gives the version a DTLS or draft value stands for: 0x0303 for 0xfefd, 0x0304 for 0xfefc and 0x7f1c.
uint16_t plain_version(uint16_t value);

// Values with no meaning that clients add to keep servers tolerant (RFC 8701).
constexpr bool is_grease(uint16_t value) {
    return (value & 0x0f0f) == 0x0a0a && (value >> 8) == (value & 0xff);
}

// Key agreement that a quantum computer does not undo: ML-KEM or its drafts, alone or beside a classical curve.
bool is_post_quantum(uint16_t group);

// How the cipher's keys are agreed, up to TLS 1.2; decides what a ServerKeyExchange holds.
enum class KeyExchange : uint8_t { other, ecdhe, dhe };
KeyExchange key_exchange(uint16_t cipher);

}  // namespace cvf::protocol::tls1
