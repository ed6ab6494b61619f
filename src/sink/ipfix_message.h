// IPFIX messages with one set each, and the two templates they use: conversations of IPv4 and of IPv6.
//
// Functions of values to bytes; any thread. Source: RFC 7011 section 3, RFC 5103 (reverse elements, enterprise 29305), RFC 7012
// and IANA's registry of IPFIX elements.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "record/buffer.h"
#include "record/flow_deltas.h"
#include "record/record.h"

namespace cvf::sink::ipfix {

inline constexpr size_t header_bytes = 16, set_header_bytes = 4;
inline constexpr uint16_t template_v4 = 256, template_v6 = 257;

// What a record of this template takes.
size_t record_bytes(uint16_t template_id);

// 4 or 6 by the source's address; nullopt where a record lacks one.
std::optional<uint16_t> template_for(const record::Record& record);

// Room for the message's header, and the header of a set of this template.
void begin(uint16_t template_id, record::Buffer& out);
void write_record(const record::Record& record, const record::FlowDelta& delta, uint16_t template_id, record::Buffer& out);
// A whole message but for what seal() sets.
void write_templates(record::Buffer& out);
// Sets lengths, export time (seconds since 1970), sequence and domain.
void seal(record::Buffer& message, uint32_t export_time, uint32_t sequence, uint32_t domain);

}  // namespace cvf::sink::ipfix
