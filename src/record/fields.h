// The field table: every key a record can carry, once.
//
// The rows live in src/record/fields/*.def, one file per record family; from them come the C++ enum `Field`, the JSON keys, the
// JSON Schema (schema/) and the reference page (docs/records.md). Naming rule: OpenTelemetry semantic conventions first, Elastic
// Common Schema where OpenTelemetry has no name, then `cvf.*`. Context of the two ends carries `source.` or `destination.` in
// front.
//
// Thread rule: everything here is constant.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace cvf::record {

// What a value is; also what JSON type it is written as.
enum class Kind : uint8_t {
    text,       // JSON string; bytes that are not UTF-8 are written as \xNN
    uint,       // JSON integer, unsigned 64 bits
    sint,       // JSON integer, signed 64 bits
    real,       // JSON number
    flag,       // JSON true or false
    ip,         // JSON string, IPv4 dotted or IPv6 per RFC 5952
    mac,        // JSON string, six hex pairs joined by '-', upper case as ECS asks
    time,       // JSON string, RFC 3339 UTC with nanoseconds
    hex,        // JSON string, lower-case hex of bytes
    list_text,  // JSON array of strings
    list_uint,  // JSON array of integers
    list_ip,    // JSON array of IP strings
    map,        // JSON object of strings
};

// Whether a field of this kind has one value, so that records can be grouped by it. A record of type metric may have any field
// that records are grouped by, whatever types the field table names.
constexpr bool has_one_value(Kind kind) {
    return kind != Kind::list_text && kind != Kind::list_uint && kind != Kind::list_ip && kind != Kind::map;
}

// Where a key's name comes from.
enum class Origin : uint8_t {
    otel,      // OpenTelemetry semantic conventions, stable
    otel_dev,  // OpenTelemetry semantic conventions, release candidate or development
    ecs,       // Elastic Common Schema
    join,      // record.type, record.id, flow.id: the three join keys
    cvf,       // our own
};

enum class Field : uint16_t {
#define FIELD(id, key, kind, origin, types, doc) id,
#define ENDS(id, key, kind, origin, types, doc) source_##id, destination_##id,
#include "record/fields/all.def"
#undef FIELD
#undef ENDS
    count
};

inline constexpr size_t field_count = static_cast<size_t>(Field::count);

enum class RecordType : uint8_t {
#define TYPE(name, doc) name,
#include "record/types.def"
#undef TYPE
    count
};

inline constexpr size_t type_count = static_cast<size_t>(RecordType::count);

struct FieldInfo {
    std::string_view key;    // "dns.question.name"
    std::string_view types;  // record types that may carry it, separated by spaces; "*" for all
    std::string_view doc;
    Kind kind;
    Origin origin;
};

struct TypeInfo {
    std::string_view name;
    std::string_view doc;
};

// A key as JSON has it, `,"dns.question.name":`, in a place of one size for all: copying 32 bytes without a look at the length
// beats copying exactly.
struct JsonKey {
    char text[95];
    uint8_t size;
};

// The tables, in the order of Field; through info() and json_key().
extern const FieldInfo field_table[field_count];
extern const JsonKey json_keys[field_count];

inline const FieldInfo& info(Field field) {
    return field_table[static_cast<size_t>(field)];
}
inline const JsonKey& json_key(Field field) {
    return json_keys[static_cast<size_t>(field)];
}
const TypeInfo& info(RecordType type);

// The field or type with exactly this name.
std::optional<Field> field_by_key(std::string_view key);
std::optional<RecordType> type_by_name(std::string_view name);

// The same key at the other end: destination_process_pid for source_process_pid. `field` must be a source field from an ENDS row.
constexpr Field at_destination(Field field) {
    return static_cast<Field>(static_cast<uint16_t>(field) + 1);
}

}  // namespace cvf::record
