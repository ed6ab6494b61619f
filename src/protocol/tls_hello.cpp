#include "protocol/tls_hello.h"

#include <algorithm>

namespace cvf::protocol::tls1 {

using decode::Reader;

namespace {

// SHA-256 of "HelloRetryRequest": the random of a ServerHello that is none (RFC 8446 4.1.3).
constexpr uint8_t retry_random[32] = {0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
                                      0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
                                      0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};

// A list behind a length of two bytes (one for `short_length`); empty unless it fills `body` exactly.
Bytes counted_list(Bytes body, bool short_length = false) {
    Reader r(body);
    const size_t n = short_length ? r.u8() : r.u16();
    return r.ok() && r.left() == n ? r.rest() : Bytes();
}

std::string_view read_server_name(Bytes body) {
    Reader list(counted_list(body));
    while (list.left() >= 3) {
        const uint8_t type = list.u8();
        const Bytes name = list.take(list.u16());
        if (list.failed()) break;
        if (type == 0) return decode::as_text(name);  // host_name
    }
    return {};
}

void read_client_extension(uint16_t type, Bytes body, ClientHello& out) {
    switch (type) {
        case extension::server_name:
            if (out.has_server_name) return;
            out.has_server_name = true;
            out.server_name = read_server_name(body);
            return;
        case extension::supported_groups:
            if (out.groups.empty()) out.groups = counted_list(body);
            return;
        case extension::ec_point_formats:
            if (out.point_formats.empty()) out.point_formats = counted_list(body, true);
            return;
        case extension::signature_algorithms:
            if (out.signature_algorithms.empty()) out.signature_algorithms = counted_list(body);
            return;
        case extension::alpn:
            if (out.has_alpn) return;
            out.has_alpn = true;
            out.alpn = counted_list(body);
            return;
        case extension::supported_versions:
            if (out.has_versions) return;
            out.has_versions = true;
            out.versions = counted_list(body, true);
            return;
        case extension::key_share:
            if (out.key_shares.empty()) out.key_shares = counted_list(body);
            return;
        case extension::session_ticket:
            out.has_ticket = out.has_ticket || !body.empty();
            return;
        case extension::pre_shared_key:
            out.has_psk = true;
            return;
        case extension::early_data:
            out.has_early_data = true;
            return;
        case extension::encrypted_client_hello:
        case extension::encrypted_server_name:
            out.has_ech = true;
            return;
        case extension::quic_transport_parameters:
        case extension::quic_transport_parameters_draft:
            if (out.transport_parameters.empty()) out.transport_parameters = body;
            return;
        default:
            return;
    }
}

}  // namespace

bool parse_client_hello(Bytes body, Carrier carrier, ClientHello& out) {
    Reader r(body);
    out = ClientHello();
    out.legacy_version = r.u16();
    r.skip(32);  // random
    const uint8_t session_id_size = r.u8();
    if (session_id_size > 32) return false;
    out.session_id = r.take(session_id_size);
    if (carrier == Carrier::dtls) out.cookie = r.take(r.u8());
    const uint16_t ciphers_size = r.u16();
    if (ciphers_size < 2 || ciphers_size % 2 != 0) return false;
    out.ciphers = r.take(ciphers_size);
    r.skip(r.u8());  // compression methods
    if (r.failed()) return false;
    const uint8_t major = static_cast<uint8_t>(out.legacy_version >> 8);
    if (carrier == Carrier::dtls ? major != 0xfe && out.legacy_version != 0x0100 : major != 3) return false;
    if (r.left() >= 2) {
        const uint16_t size = r.u16();
        // A length beyond the message: what is there is read, as far as it is whole.
        out.extensions = r.take(std::min<size_t>(size, r.left()));
    }
    for_each_extension(out.extensions, [&](uint16_t type, Bytes content) { read_client_extension(type, content, out); });
    return true;
}

bool parse_server_hello(Bytes body, ServerHello& out) {
    Reader r(body);
    out = ServerHello();
    out.legacy_version = out.version = r.u16();
    const Bytes random = r.take(32);
    const uint8_t major = static_cast<uint8_t>(out.legacy_version >> 8);
    // Drafts of TLS 1.3 up to 21 (0x7fNN here) have no session id.
    const bool early_draft = major == 0x7f;
    if (!early_draft) {
        const uint8_t session_id_size = r.u8();
        if (session_id_size > 32) return false;
        out.session_id = r.take(session_id_size);
    }
    out.cipher = r.u16();
    if (!early_draft) r.skip(1);  // compression method
    if (r.failed() || (major != 3 && major != 0xfe && !early_draft && out.legacy_version != 0x0100)) return false;
    out.retry = std::equal(random.begin(), random.end(), retry_random, retry_random + sizeof retry_random);
    if (r.left() >= 2) {
        const uint16_t size = r.u16();
        out.extensions = r.take(std::min<size_t>(size, r.left()));
    }
    for_each_extension(out.extensions, [&](uint16_t type, Bytes content) {
        Reader e(content);
        switch (type) {
            case extension::supported_versions:
                if (content.size() == 2) out.version = e.u16();
                break;
            case extension::key_share:
                if (content.size() >= 2) out.group = e.u16();
                break;
            case extension::client_certificate_type:
                if (content.size() == 1) out.client_certificate_type = e.u8();
                break;
            case extension::server_certificate_type:
                if (content.size() == 1) out.server_certificate_type = e.u8();
                break;
            case extension::pre_shared_key:
                out.has_psk = true;
                break;
            case extension::session_ticket:
                out.has_ticket = true;
                break;
            case extension::alpn:
                if (out.alpn.empty()) for_each_alpn(counted_list(content), [&](std::string_view name) { out.alpn = name; });
                break;
            default:
                break;
        }
    });
    return true;
}

bool parse_ssl2_client_hello(Bytes body, ClientHello& out) {
    Reader r(body);
    out = ClientHello();
    out.ssl2_form = true;
    if (r.u8() != 1) return false;
    out.legacy_version = r.u16();
    const uint16_t ciphers_size = r.u16(), session_id_size = r.u16(), challenge_size = r.u16();
    const bool version_ok = out.legacy_version == 0x0002 || (out.legacy_version >= 0x0300 && out.legacy_version <= 0x0304);
    if (r.failed() || !version_ok || ciphers_size == 0 || ciphers_size % 3 != 0 ||
        (session_id_size != 0 && session_id_size != 16) || challenge_size < 16 || challenge_size > 32)
        return false;
    out.ciphers = r.take(ciphers_size);
    out.session_id = r.take(session_id_size);
    r.skip(challenge_size);
    return r.ok() && r.left() == 0;
}

}  // namespace cvf::protocol::tls1
