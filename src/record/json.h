// Records as JSON lines.
//
// Output is always valid UTF-8 JSON: control characters are escaped, bytes that are not UTF-8 become the text \xNN, numbers that
// JSON cannot hold (infinities) are left out. Keys stand in the order the fields were added; @timestamp and record.type come
// first.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>

#include "record/buffer.h"
#include "record/record.h"
#include "record/text.h"

namespace cvf::record {

// Which fields are written. Starts empty.
class Projection {
 public:
    // `patterns` are keys or prefixes ending in ".*" ("source.*"); "*" is everything. The three join keys, @timestamp and
    // record.type need no naming: they are always written. An unknown pattern is an error whose text names it and the nearest
    // known key.
    static std::expected<Projection, std::string> parse(std::span<const std::string> patterns);
    bool has(Field f) const { return fields_[static_cast<size_t>(f)]; }
    Projection& operator|=(const Projection& other) {
        fields_ |= other.fields_;
        return *this;
    }

 private:
    std::bitset<field_count> fields_;
};

// Appends one record as one line, newline included. `projection` may be null: all fields.
void write_json(const Record& record, const Projection* projection, Buffer& out);

void write_json_string(std::string_view text, Buffer& out);  // quotes included, for text that stands alone

}  // namespace cvf::record
