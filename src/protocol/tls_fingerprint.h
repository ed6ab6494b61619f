// Fingerprints of hellos: JA3, JA3S and JA4.
//
// JA3 and JA3S: MD5 over decimal lists of version, ciphers, extensions, groups and point formats, in the order sent. JA4: the
// readable part and two SHA-256 prefixes over sorted lists, by FoxIO's public description of JA4 (the TLS client fingerprint, BSD
// 3-Clause; the other members of the JA4+ family have another licence and are left out). GREASE values (RFC 8701) count nowhere.
//
// Clients of one kind send the same lists again and again: hashes are remembered by the lists, a bounded number of them, per
// thread.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "protocol/tls_hello.h"

namespace cvf::protocol::tls1 {

struct ClientFingerprint {
    std::array<char, 32> ja3;
    std::array<char, 36> ja4;
    std::string_view ja3_text() const { return {ja3.data(), ja3.size()}; }
    std::string_view ja4_text() const { return {ja4.data(), ja4.size()}; }
};

ClientFingerprint fingerprint(const ClientHello& hello, Carrier carrier);
std::array<char, 32> ja3s(const ServerHello& hello);

// The strings that are hashed; for tests and for people who compare with other tools.
std::string ja3_string(const ClientHello& hello);
std::string ja3s_string(const ServerHello& hello);

}  // namespace cvf::protocol::tls1
