// What an ICMP error says about the packet that caused it: the quoted IP header and the first bytes behind it, and the extensions
// behind the quote (RFC 792, 4443 2.4, 4884, 4950).
#pragma once

#include "decode/bytes.h"
#include "record/record.h"

namespace cvf::protocol {

// Adds cvf.icmp.quoted.* and cvf.icmp.mpls.labels as far as the message reaches; `message` is the whole ICMP message, at least 8
// bytes. False when what stands there is no IP packet. Routers quote as little as 8 bytes behind the IP header: enough for the
// ports.
bool write_quoted_packet(bool v6, decode::Bytes message, record::Record& record);

// The quote alone: `packet` begins with an IP header and ends where the quote does.
bool write_quoted_ip(bool v6, decode::Bytes packet, record::Record& record);

}  // namespace cvf::protocol
