// Are these bytes DNS? Judged by content; ports only decide how much doubt is allowed and which flavour it is.
#pragma once

#include "protocol/dissector.h"

namespace cvf::protocol {

// The header could be a DNS message's: known operation and response code, counts that could fit. Cheap; `message` may be only its
// head.
bool has_dns_form(Bytes message);
// The same, or a sound question behind a header that is none of ours (reserved bits, codes nobody registered). `message` is
// whole.
bool is_meant_as_dns(Bytes message);

// See Protocol::match. On port 53 a message that is plainly meant to be DNS is taken even if it is damaged; elsewhere it must be
// read to its last byte. NetBIOS names (RFC 1002), which look alike, are no DNS.
Match match_dns(Direction, Bytes bytes, uint16_t initiator_port, uint16_t responder_port);
Match match_dns_tcp(Direction, Bytes bytes, uint16_t initiator_port, uint16_t responder_port);
Match match_mdns(Direction, Bytes bytes, uint16_t initiator_port, uint16_t responder_port);
Match match_llmnr(Direction, Bytes bytes, uint16_t initiator_port, uint16_t responder_port);
Match match_llmnr_tcp(Direction, Bytes bytes, uint16_t initiator_port, uint16_t responder_port);

}  // namespace cvf::protocol
