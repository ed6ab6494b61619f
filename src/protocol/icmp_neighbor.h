// What ICMPv6 says about the link: neighbour discovery (RFC 4861, 4191, 8106) and multicast listeners (RFC 2710, 3810), and ICMP
// router advertisements (RFC 1256).
#pragma once

#include "decode/bytes.h"
#include "record/record.h"

namespace cvf::protocol {

// Adds cvf.icmp.nd.*, .router.*, .mld.*, .gateway, .mtu and, of a redirect that quotes the packet it is about, .quoted.* of
// `message`, a whole ICMPv6 message of at least 8 bytes. Null when all could be read, or it is none of these types; else what was
// wrong, constant text; "message ends early" when bytes were missing.
const char* write_link_message(decode::Bytes message, record::Record& record);

// The same for ICMP.
const char* write_v4_router_message(decode::Bytes message, record::Record& record);

}  // namespace cvf::protocol
