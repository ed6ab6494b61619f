// Record data as the text of a zone file.
//
// Known types follow their RFC's presentation format; unknown ones, and data that does not fit its type, are written as RFC 3597
// has it: \# length hex. Names keep their case and are written without the trailing dot.
#pragma once

#include <string_view>

#include "protocol/dns_message.h"

namespace cvf::protocol {

// The text of `rr`'s data. False when the data does not follow its type: `out` then has the generic form.
bool write_dns_rdata(Bytes message, const DnsRr& rr, NameForm form, DnsText& text, std::string_view& out);

}  // namespace cvf::protocol
