// Service parameters of SVCB and HTTPS records (RFC 9460 7 and 14.3.2): alpn, port, address hints, ech, …
#pragma once

#include "protocol/dns_message.h"

namespace cvf::protocol {

// All parameters left in `data`, as key=value separated by blanks. False when one does not fit.
bool write_svcb_parameters(decode::Reader& data, DnsText& text);

}  // namespace cvf::protocol
