// TLS messages for tests, built field by field.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cvf::tls_bytes {

inline std::string u8(unsigned v) {
    return std::string(1, static_cast<char>(v));
}
inline std::string u16(unsigned v) {
    return u8(v >> 8 & 0xff) + u8(v & 0xff);
}
inline std::string u24(unsigned v) {
    return u8(v >> 16 & 0xff) + u16(v & 0xffff);
}
inline std::string u32(uint32_t v) {
    return u16(v >> 16) + u16(v & 0xffff);
}
inline std::string with_u8(const std::string& s) {
    return u8(static_cast<unsigned>(s.size())) + s;
}
inline std::string with_u16(const std::string& s) {
    return u16(static_cast<unsigned>(s.size())) + s;
}
inline std::string with_u24(const std::string& s) {
    return u24(static_cast<unsigned>(s.size())) + s;
}
inline std::string u16s(const std::vector<unsigned>& values) {
    std::string out;
    for (unsigned v : values) out += u16(v);
    return out;
}
inline std::string from_hex(std::string_view hex) {
    const auto digit = [](char c) { return static_cast<unsigned>(c <= '9' ? c - '0' : (c | 32) - 'a' + 10); };
    std::string out;
    for (size_t i = 0; i + 1 < hex.size(); i += 2) out += u8(digit(hex[i]) << 4 | digit(hex[i + 1]));
    return out;
}

inline std::string hello_extension(unsigned type, const std::string& body) {
    return u16(type) + with_u16(body);
}
inline std::string server_name_extension(const std::string& name) {
    return hello_extension(0, with_u16(u8(0) + with_u16(name)));
}
inline std::string alpn_extension(const std::vector<std::string>& names) {
    std::string list;
    for (const std::string& name : names) list += with_u8(name);
    return hello_extension(16, with_u16(list));
}
inline std::string groups_extension(const std::vector<unsigned>& groups) {
    return hello_extension(10, with_u16(u16s(groups)));
}
inline std::string signatures_extension(const std::vector<unsigned>& schemes) {
    return hello_extension(13, with_u16(u16s(schemes)));
}
inline std::string versions_extension(const std::vector<unsigned>& versions) {
    return hello_extension(43, with_u8(u16s(versions)));
}
inline std::string key_share_extension(const std::vector<unsigned>& groups) {
    std::string list;
    for (unsigned group : groups) list += u16(group) + with_u16(std::string(8, 'k'));
    return hello_extension(51, with_u16(list));
}

// Bodies without the handshake header.
struct Hello {
    unsigned version = 0x0303;
    std::string random = std::string(32, 'r');
    std::string session_id;
    std::vector<unsigned> ciphers = {0x1301, 0x1302, 0xc02f};
    std::string extensions;
    std::string cookie;
    bool datagram = false;

    std::string body() const {
        return u16(version) + random + with_u8(session_id) + (datagram ? with_u8(cookie) : "") + with_u16(u16s(ciphers)) +
               with_u8(u8(0)) + (extensions.empty() ? "" : with_u16(extensions));
    }
};
inline std::string server_hello_body(unsigned version, unsigned cipher, const std::string& extensions,
                                     const std::string& session_id = "", const std::string& random = std::string(32, 's')) {
    return u16(version) + random + with_u8(session_id) + u16(cipher) + u8(0) + (extensions.empty() ? "" : with_u16(extensions));
}

inline std::string message(unsigned type, const std::string& body) {
    return u8(type) + with_u24(body);
}
inline std::string tls_record(unsigned type, const std::string& body, unsigned version = 0x0303) {
    return u8(type) + u16(version) + with_u16(body);
}
inline std::string certificate_message(const std::vector<std::string>& chain) {
    std::string list;
    for (const std::string& der : chain) list += with_u24(der);
    return message(11, with_u24(list));
}

}  // namespace cvf::tls_bytes
