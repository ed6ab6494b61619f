// A record from its JSON line: the way back of write_json(), so that what reads a live record reads one from the wire, a file or
// the history too.
//
// All text is copied into the record's arena; nothing of `line` is kept. A key that is not in the field table (a newer agent's)
// or a value that is not of its kind is left out, for the rest is still worth having. Of a key that stands there twice the first
// counts. No state, any thread. Source: RFC 8259. Limits: 1 MiB a line, values 4 deep. Errors: a line that is not a JSON object
// with @timestamp and record.type of known form; the text says which. Costs about a microsecond for a record of thirty fields.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "record/record.h"

namespace cvf::record {

// Replaces what `out` holds.
std::expected<void, std::string> parse_record(std::string_view line, Record& out);

// RFC 3339, UTC ("Z") with up to nine digits of a second; what write_time() writes. False when it is something else.
bool parse_time(std::string_view text, int64_t& unix_ns);

}  // namespace cvf::record
