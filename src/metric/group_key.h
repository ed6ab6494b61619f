// What makes a group: the values of the fields it is grouped by, packed into bytes that are equal when all values are.
//
// The packed form never leaves the process. A record without one of the fields is in the group of those without it; so is one
// where the field is a list or a map, which directives refuse. No state; any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "record/record.h"

namespace cvf::metric {

// Appends the record's values of `fields`, in their order.
void pack_key(const record::Record& record, std::span<const record::Field> fields, std::string& out);

// Adds the values that pack_key() has packed, but for record.type, which every record has of its own. Text is borrowed from
// `key`.
void unpack_key(std::string_view key, std::span<const record::Field> fields, record::FieldSet& out);

}  // namespace cvf::metric
