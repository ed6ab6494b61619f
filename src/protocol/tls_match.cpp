#include "protocol/tls_match.h"

#include "protocol/tls_names.h"
#include "protocol/tls_session.h"

namespace cvf::protocol::tls1 {

bool is_record_header(const uint8_t* header) {
    return header[0] >= 20 && header[0] <= 24 && header[1] == 3 && header[2] <= 4 && decode::load_be16(header + 3) <= max_record;
}

namespace {

// Records one after another: yes when a second header follows in its place, or the bytes end with a record.
Match match_tiling(Bytes bytes) {
    const size_t length = decode::load_be16(bytes.data() + 3);
    const size_t next = record_header_size + length;
    if (length == 0) return Match::no;
    if (bytes.size() == next) return Match::yes;
    if (bytes.size() < next + record_header_size) return Match::maybe;
    return is_record_header(bytes.data() + next) ? Match::yes : Match::no;
}

Match match_handshake(Bytes bytes, size_t length) {
    if (bytes.size() < 6) return Match::maybe;
    const uint8_t type = bytes[5];
    if (type == client_hello || type == server_hello) {
        // A hello may come in tiny records; then the first byte must do.
        if (length < 6) return Match::yes;
        if (bytes.size() < 11) return Match::maybe;
        const uint32_t size = decode::load_be24(bytes.data() + 6);
        const bool version_ok = (bytes[9] == 3 && bytes[10] <= 4) || (type == server_hello && bytes[9] == 0x7f);
        return size >= 38 && size <= max_pending && version_ok ? Match::yes : Match::no;
    }
    // The middle of a handshake: only together with what follows.
    return match_tiling(bytes);
}

bool is_tls_port(uint16_t port) {
    switch (port) {
        case 443:
        case 465:
        case 563:
        case 636:
        case 853:
        case 989:
        case 990:
        case 993:
        case 995:
        case 5061:
        case 6443:
        case 8443:
        case 8883:
            return true;
        default:
            return false;
    }
}

}  // namespace

Match match_ssl2(Bytes bytes) {
    if (bytes.empty() || (bytes[0] & 0x80) == 0) return Match::no;
    if (bytes.size() >= 3 && bytes[2] != 1) return Match::no;
    if (bytes.size() >= 5) {
        const uint16_t version = decode::load_be16(bytes.data() + 3);
        if (version != 0x0002 && (version < 0x0300 || version > 0x0303)) return Match::no;
    }
    if (bytes.size() < 11) return Match::maybe;
    const size_t length = decode::load_be16(bytes.data()) & 0x7fff;
    const size_t ciphers = decode::load_be16(bytes.data() + 5), id = decode::load_be16(bytes.data() + 7),
                 challenge = decode::load_be16(bytes.data() + 9);
    const bool good = ciphers > 0 && ciphers % 3 == 0 && (id == 0 || id == 16) && challenge >= 16 && challenge <= 32 &&
                      length == 9 + ciphers + id + challenge;
    return good ? Match::yes : Match::no;
}

Match match_stream(Bytes bytes, uint16_t port_a, uint16_t port_b) {
    if (bytes.empty()) return Match::maybe;
    if (bytes[0] & 0x80) return match_ssl2(bytes);
    if (bytes[0] < 20 || bytes[0] > 23 || (bytes.size() > 1 && bytes[1] != 3) || (bytes.size() > 2 && bytes[2] > 4))
        return Match::no;
    if (bytes.size() < record_header_size) return Match::maybe;
    if (!is_record_header(bytes.data())) return Match::no;
    const size_t length = decode::load_be16(bytes.data() + 3);
    switch (static_cast<ContentType>(bytes[0])) {
        case ContentType::handshake:
            return match_handshake(bytes, length);
        case ContentType::alert:
            if (length != 2) return match_tiling(bytes);
            if (bytes.size() < 7) return Match::maybe;
            return (bytes[5] == 1 || bytes[5] == 2) && !alert_name(bytes[6]).empty() ? Match::yes : Match::no;
        case ContentType::change_cipher_spec:
            if (length != 1 || (bytes.size() > 5 && bytes[5] != 1)) return Match::no;
            return match_tiling(bytes);
        default: {
            const Match tiling = match_tiling(bytes);
            // The middle of an old connection, inside a long record: the port may speak where the bytes are few.
            return tiling == Match::maybe && length >= 17 && (is_tls_port(port_a) || is_tls_port(port_b)) ? Match::yes : tiling;
        }
    }
}

}  // namespace cvf::protocol::tls1
