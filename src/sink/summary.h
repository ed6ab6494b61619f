// What a record says, in one short phrase for people; the middle of a table's line.
//
// The text still holds bytes of the network as they came: print it through append_safe() only. No state, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "record/record.h"

namespace cvf::sink {

enum class Tone : uint8_t { plain, warning, error };

struct Summary {
    std::string text;
    Tone tone = Tone::plain;
};

Summary summarize(const record::Record& record);

// The two ends: "shop-web/nginx:443", "10.0.0.7:53", "curl"; empty when the record has none.
std::string source_label(const record::Record& record);
std::string destination_label(const record::Record& record);

// The keys of the field table that these functions read.
std::span<const std::string_view> summary_keys();

}  // namespace cvf::sink
