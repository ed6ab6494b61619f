// The two hellos of TLS, read once into a value that borrows the message's bytes. Shared by TLS, DTLS and QUIC.
//
// Sources: RFC 8446 4.1 (TLS 1.3), RFC 5246 7.4.1 (1.2 and before), RFC 6347 4.2.1 (DTLS), RFC 6066 (SNI), RFC 7301 (ALPN), RFC
// 9849 (ECH), RFC 7250 (raw public keys), RFC 9001 8.2 (QUIC transport parameters). An extension that is damaged or stands twice
// is passed over; a hello whose own lengths do not fit is refused. Lists stay as they are on the wire, big-endian 16-bit numbers,
// and are walked with for_each_u16().
#pragma once

#include <cstdint>
#include <string_view>

#include "decode/bytes.h"

namespace cvf::protocol::tls1 {

using decode::Bytes;

enum class Carrier : uint8_t { tls, dtls, quic };

namespace extension {
inline constexpr uint16_t server_name = 0, supported_groups = 10, ec_point_formats = 11, signature_algorithms = 13, alpn = 16,
                          client_certificate_type = 19, server_certificate_type = 20, session_ticket = 35, pre_shared_key = 41,
                          early_data = 42, supported_versions = 43, key_share = 51, quic_transport_parameters = 57,
                          encrypted_client_hello = 0xfe0d, encrypted_server_name = 0xffce,
                          quic_transport_parameters_draft = 0xffa5;
}

inline constexpr uint8_t certificate_x509 = 0, certificate_raw_key = 2;

struct ClientHello {
    uint16_t legacy_version = 0;
    Bytes session_id, cookie;  // cookie: DTLS
    Bytes ciphers;             // list; SSL 2.0 form: of 3-byte entries
    Bytes extensions;          // whole block: type, length, body …
    bool ssl2_form = false;    // came as SSL 2.0's CLIENT-HELLO (RFC 5246 E.2): no extensions
    // From the extensions; empty when absent.
    std::string_view server_name;
    Bytes alpn;  // entries: length byte, name
    Bytes versions, groups, signature_algorithms;
    Bytes key_shares;            // entries: group, length, key
    Bytes point_formats;         // bytes
    Bytes transport_parameters;  // QUIC
    bool has_server_name = false, has_alpn = false, has_versions = false, has_ech = false, has_ticket = false, has_psk = false,
         has_early_data = false;
};

struct ServerHello {
    uint16_t legacy_version = 0;
    uint16_t version = 0;  // supported_versions' where it stands, else legacy_version
    uint16_t cipher = 0;
    uint16_t group = 0;  // of the key share (or asked for by a retry); 0: none
    Bytes session_id, extensions;
    std::string_view alpn;
    bool retry = false;  // HelloRetryRequest
    // What the Certificate messages of both hold: certificate_x509, certificate_raw_key, others.
    uint8_t client_certificate_type = 0, server_certificate_type = 0;
    bool has_psk = false, has_ticket = false;
};

// `body` is the handshake message without its header. False: not a hello.
bool parse_client_hello(Bytes body, Carrier carrier, ClientHello& out);
bool parse_server_hello(Bytes body, ServerHello& out);
// `body` is the SSL 2.0 record without its two length bytes; the message type is its first byte.
bool parse_ssl2_client_hello(Bytes body, ClientHello& out);

template <typename Visit>
void for_each_u16(Bytes list, Visit&& visit) {
    for (size_t i = 0; i + 1 < list.size(); i += 2) visit(decode::load_be16(list.data() + i));
}

// Calls visit(type, body) for each extension that is whole.
template <typename Visit>
void for_each_extension(Bytes block, Visit&& visit) {
    decode::Reader r(block);
    while (r.left() >= 4) {
        const uint16_t type = r.u16();
        const Bytes body = r.take(r.u16());
        if (r.failed()) return;
        visit(type, body);
    }
}

// Calls visit(name) for each entry of an ALPN list.
template <typename Visit>
void for_each_alpn(Bytes list, Visit&& visit) {
    decode::Reader r(list);
    while (r.left() > 0) {
        const Bytes name = r.take(r.u8());
        if (r.failed()) return;
        visit(decode::as_text(name));
    }
}

}  // namespace cvf::protocol::tls1
