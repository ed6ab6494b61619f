// The transport parameters a QUIC client sends in its ClientHello (RFC 9000 18, RFC 9221, RFC 9287, RFC 9368), as fields.
#pragma once

#include "decode/bytes.h"
#include "record/record.h"

namespace cvf::protocol::quic_wire {

void write_transport_parameters(decode::Bytes bytes, record::Record& record);

}  // namespace cvf::protocol::quic_wire
