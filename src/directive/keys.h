// The table of keys: what may stand in a directive, once. From it come the reader with all its errors, the writer, the JSON
// Schema and the reference page.
//
// A group is an object of the document (spec.limits). Which of its keys may stand there depends, in two groups, on the value of
// one of them: in the document on `kind`, in an output on `sink`. A key says for which of those values ("variants") it is.
//
// Internal to the room, but for tests. Thread rule: the tables are constant.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "directive/directive.h"
#include "directive/node.h"

namespace cvf::directive {

class Reader;
struct Group;

// What a value is.
enum class Form : uint8_t {
    text,
    choice,     // one of `choices`
    choices,    // a list of them
    list,       // of texts
    map,        // of texts, keys as `key_pattern`
    duration,   // "1h30m", at least `least` ns
    size,       // "64MiB" or bytes
    rate,       // "1MiB/s"
    frequency,  // "1000/s"
    count,      // whole number
    sample,     // "1/10" or "500/s"
    time,       // RFC 3339 in whole seconds
    object,     // `group`
    objects,    // a list of them
};

struct Fault {
    std::string message;
    std::string nearest;
    size_t expression_column = 0;
};

struct Shape {
    Form form = Form::text;
    std::span<const std::string_view> choices{};
    const char* pattern = nullptr;          // of a text, or of each item or value; what RE2 and ECMA-262 read alike
    const char* key_pattern = nullptr;      // of the keys of a map
    std::string_view says{};                // what the pattern asks for, in words
    uint64_t least = 0, most = UINT64_MAX;  // of a number; characters of a text, item or value
    size_t fewest_items = 0, most_items = 64;
    const Group* group = nullptr;
    // What no pattern can say, of a text or of each item.
    std::optional<Fault> (*check)(std::string_view) = nullptr;
    // What a text that the pattern refuses might have been meant to be; may give what the pattern refuses too.
    std::string (*suggest)(std::string_view) = nullptr;
};

struct Key {
    std::string_view name;
    uint32_t variants;  // bits
    uint32_t required;  // bits: variants that must have it
    Shape shape;
    std::string_view fallback;  // what holds where it is left out, for people
    std::string_view doc;       // one line, no full stop
    // `object` is what the group describes.
    void (*read)(Reader& reader, const Node& node, const Key& key, void* object);
    // False: it is the default and nothing need be said; with `all`: there is nothing to say.
    bool (*write)(const Key& key, const void* object, uint32_t variant, bool all, Node& out);
};

struct Group {
    std::string_view name;
    std::span<const Key> keys;
    std::string_view chosen_by{};  // the key whose value is the variant; empty: the variant is that of the group around
    std::span<const std::string_view> variants{};
};

extern const Group document_group, metadata_group, spec_group, selector_group, limits_group, aggregate_group, output_group,
    signature_group;

inline constexpr uint32_t every_variant = 0xff;
inline constexpr std::string_view sink_names[] = {"bus", "file", "otlp", "ipfix", "webhook"};
// Sinks that can take what a kind of directive makes, as bits.
uint32_t sinks_of(Kind kind);

// Writes an object by its group; with `all` defaults too.
Node write_group(const Group& group, const void* object, uint32_t variant, bool all);

}  // namespace cvf::directive
