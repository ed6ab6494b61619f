// Names of X.509 as text: distinguished names (RFC 4514), object identifiers, algorithms and curves.
#pragma once

#include <string>
#include <string_view>

#include "protocol/x509.h"

namespace cvf::protocol::x509 {

// `sequence` is the content of an RDNSequence.
Name read_name(Bytes sequence);

// A string of ASN.1 type `tag` as UTF-8, appended to `out`; strings of unknown type go in as they are.
void append_string(uint8_t tag, Bytes content, std::string& out);

std::string dotted(Bytes oid);

// Empty when unknown.
std::string_view signature_name(Bytes oid);
std::string_view key_name(Bytes oid);
std::string_view hash_name(Bytes oid);
struct Curve {
    std::string_view name;
    uint32_t bits;
};
Curve curve(Bytes oid);

}  // namespace cvf::protocol::x509
