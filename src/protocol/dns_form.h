// How the data of a type of record reads: one letter a part, parts separated by a blank in the text. Constant data; any thread.
//
//   1 2 4  number of so many bytes           a A  IPv4, IPv6 address           n  name
//   s  one string, quoted                    S  all the strings that follow    w  one string, bare
//   q  the rest, quoted                      X  the rest, hex                  b  the rest, base64
//   t  a time in seconds                     T  a record type                  B  type bit maps to the end
//   h  length and bytes, hex ('-': none)     z  length and bytes, base32hex    m  two bytes of length and bytes, base64
//   i  six bytes of time (TSIG)              e  EUI: hex pairs                 I  eight bytes, hex in fours (ILNP)
//   l  location                              v  service parameters             p  address prefixes
//   P  bits of port numbers
#pragma once

#include <cstdint>
#include <string_view>

namespace cvf::protocol {

// Empty for a type without a form: its data stays hex (RFC 3597).
std::string_view dns_form(uint16_t type);

}  // namespace cvf::protocol
