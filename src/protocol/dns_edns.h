// EDNS(0): the OPT pseudo-record (RFC 6891) and its options: client subnet (RFC 7871), cookie (7873), padding (7830), NSID
// (5001), TCP keepalive (7828) and extended errors (8914).
#pragma once

#include "protocol/dns_message.h"

namespace cvf::protocol {

// What one OPT record said; byte ranges borrow the message.
struct DnsEdns {
    bool present = false, dnssec_ok = false, has_error = false, has_padding = false, has_keepalive = false;
    uint8_t version = 0, upper_response_code = 0;
    uint16_t udp_size = 0, padding = 0, keepalive = 0;  // keepalive: tenths of a second
    Bytes client_subnet, cookie, nsid;
    Bytes options;  // all of them as far as they were read, when has_error: there may be several errors
};

// Reads an OPT record; false when an option does not fit (what came before it is kept).
bool read_edns(Bytes message, const DnsRr& opt, DnsEdns& out);

// Adds the cvf.dns.edns.* fields.
void write_edns(const DnsEdns& edns, bool from_response, record::Record& record, DnsText& text);

}  // namespace cvf::protocol
