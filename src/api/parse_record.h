// A record from its JSON line: the way back of record::write_json(), so that what prints a live record prints one from the wire
// too.
//
// All text is copied into the record's arena; nothing of `line` is kept. A key that is not in the field table (a newer server's)
// or a value that is not of its kind is left out, for the rest is still worth seeing. No state, any thread. Errors: a line that
// is not a JSON object with @timestamp and record.type of known form; the text says which.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "record/record.h"

namespace cvf::api {

// Replaces what `out` holds.
std::expected<void, std::string> parse_record(std::string_view line, record::Record& out);

// RFC 3339, UTC ("Z") with up to nine digits of a second; what record::write_time() writes. False when it is something else.
bool parse_time(std::string_view text, int64_t& unix_ns);

}  // namespace cvf::api
