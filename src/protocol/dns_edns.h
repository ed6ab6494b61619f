// EDNS(0): the OPT pseudo-record (RFC 6891) and its options: client subnet (RFC 7871), cookie (7873), padding (7830), NSID (5001)
// and extended errors (8914).
#pragma once

#include "protocol/dns_message.h"

namespace cvf::protocol {

// What one OPT record said; byte ranges borrow the message.
struct DnsEdns {
    bool present = false, dnssec_ok = false, has_error = false, has_padding = false;
    uint8_t version = 0, upper_response_code = 0;
    uint16_t udp_size = 0, error_code = 0, padding = 0;
    Bytes error_text, client_subnet, cookie, nsid;
};

// Reads an OPT record; false when an option does not fit (what came before it is kept).
bool read_edns(Bytes message, const DnsRr& opt, DnsEdns& out);

// Adds the cvf.dns.edns.* fields.
void write_edns(const DnsEdns& edns, bool from_response, record::Record& record, DnsText& text);

}  // namespace cvf::protocol
