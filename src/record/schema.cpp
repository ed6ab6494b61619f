#include "record/schema.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "record/buffer.h"
#include "record/json.h"

namespace cvf::record {

bool belongs(const FieldInfo& field, std::string_view type) {
    std::string_view rest = field.types;
    if (rest == "*") return true;
    while (!rest.empty()) {
        const size_t end = std::min(rest.find(' '), rest.size());
        if (rest.substr(0, end) == type) return true;
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return false;
}

bool can_have(RecordType type, const FieldInfo& field) {
    return belongs(field, info(type).name) || (type == RecordType::metric && has_one_value(field.kind));
}

namespace {

template <typename T>
std::vector<T> all_of() {
    std::vector<T> out;
    for (size_t i = 0; i < static_cast<size_t>(T::count); i++) out.push_back(static_cast<T>(i));
    return out;
}

std::string_view origin_name(Origin origin) {
    switch (origin) {
        case Origin::otel:
            return "otel";
        case Origin::otel_dev:
            return "otel_dev";
        case Origin::ecs:
            return "ecs";
        case Origin::join:
            return "join";
        case Origin::cvf:
            return "cvf";
    }
    return "";
}

// ---- JSON Schema, draft 2020-12

constexpr std::string_view ip_schema = R"("type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}])";

// What JSON a value of this kind is: the members of a schema object.
std::string kind_schema(Kind kind) {
    switch (kind) {
        case Kind::text:
            return R"("type": "string")";
        case Kind::uint:
            return R"("type": "integer", "minimum": 0)";
        case Kind::sint:
            return R"("type": "integer")";
        case Kind::real:
            return R"("type": "number")";
        case Kind::flag:
            return R"("type": "boolean")";
        case Kind::ip:
            return std::string(ip_schema);
        case Kind::mac:
            return R"("type": "string", "pattern": "^[0-9A-F]{2}(-[0-9A-F]{2}){5}$")";
        case Kind::time:
            return R"("type": "string", "format": "date-time", "pattern": "\\.[0-9]{9}Z$")";
        case Kind::hex:
            return R"("type": "string", "pattern": "^([0-9a-f]{2})*$")";
        case Kind::list_text:
            return R"("type": "array", "items": {"type": "string"})";
        case Kind::list_uint:
            return R"("type": "array", "items": {"type": "integer", "minimum": 0})";
        case Kind::list_ip:
            return fmt::format(R"("type": "array", "items": {{{}}})", ip_schema);
        case Kind::map:
            return R"("type": "object", "additionalProperties": {"type": "string"})";
    }
    return {};
}

std::string quoted(std::string_view text) {
    record::Buffer out;
    record::write_json_string(text, out);
    return std::string(out.view());
}

constexpr std::string_view schema_head = R"({
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "$id": "urn:cvf:record:v1",
  "title": "CVF record",
  "description": "One line of CVF's output, made from the field table by `cvf schema`. x-origin: where a name comes from (otel, otel_dev: not stable yet, ecs, join, cvf).",
  "type": "object",
  "required": ["@timestamp", "record.type", "record.id"],
  "properties": {"record.type": {"enum": [)";

}  // namespace

std::string json_schema() {
    std::vector<std::string> names, choices, types, fields;
    for (RecordType t : all_of<RecordType>()) {
        const std::string_view name = info(t).name;
        names.push_back(quoted(name));
        choices.push_back(fmt::format(
            R"(    {{"if": {{"properties": {{"record.type": {{"const": "{0}"}}}}}}, "then": {{"$ref": "#/$defs/types/{0}"}}}})",
            name));
        std::vector<std::string> keys;
        for (Field f : all_of<Field>())
            if (can_have(t, info(f)))
                keys.push_back(fmt::format(R"(          "{0}": {{"$ref": "#/$defs/fields/{0}"}})", info(f).key));
        types.push_back(fmt::format(R"(      "{}": {{
        "description": {},
        "type": "object",
        "additionalProperties": false,
        "properties": {{
{}
        }}
      }})",
                                    name, quoted(info(t).doc), fmt::join(keys, ",\n")));
    }
    for (Field f : all_of<Field>())
        fields.push_back(fmt::format(R"(      "{}": {{{}, "x-origin": "{}", "description": {}}})", info(f).key,
                                     kind_schema(info(f).kind), origin_name(info(f).origin), quoted(info(f).doc)));
    return fmt::format(
        "{}{}]}}}},\n  \"allOf\": [\n{}\n  ],\n  \"$defs\": {{\n    \"types\": {{\n{}\n    }},\n    \"fields\": {{\n{}\n    }}\n "
        " }}\n}}\n",
        schema_head, fmt::join(names, ", "), fmt::join(choices, ",\n"), fmt::join(types, ",\n"), fmt::join(fields, ",\n"));
}

}  // namespace cvf::record
