#include "history/clickhouse_schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "filter/values.h"
#include "history/indexed.h"
#include "record/json.h"

namespace cvf::history {

using record::Field;
using record::Kind;
using record::Value;

namespace {

const std::array<std::string, record::field_count>& names() {
    static const auto all = [] {
        std::array<std::string, record::field_count> made;
        for (size_t i = 0; i < made.size(); ++i) {
            made[i] = record::info(static_cast<Field>(i)).key;
            if (made[i].starts_with('@')) made[i].erase(0, 1);
            std::ranges::replace(made[i], '.', '_');
            std::ranges::replace(made[i], '-', '_');
        }
        return made;
    }();
    return all;
}

void put_key(std::string_view name, std::string_view ending, record::Buffer& out) {
    out.append(",\"");
    out.append(name);
    out.append(ending);
    out.append("\":");
}

void put_texts(std::span<const Value> items, size_t first, size_t step, record::Buffer& out) {
    filter::TextBuffer buffer;
    std::string_view text;
    out.append("[");
    for (size_t i = first; i < items.size(); i += step) {
        if (i != first) out.append(",");
        if (items[i].kind == Kind::uint)
            out.append(fmt::format_int(items[i].uint).str());
        else
            record::write_json_string(filter::as_text(items[i], buffer, text) ? text : std::string_view(), out);
    }
    out.append("]");
}

std::string hex_of(const Value& v) {
    std::string text;
    for (uint32_t i = 0; i < v.size; ++i) text += fmt::format("{:02x}", v.bytes[i]);
    return text;
}

void put_value(const Value& v, record::Buffer& out) {
    if (v.field == Field::timestamp || v.field == Field::record_type) return;  // written already
    if (v.kind == Kind::real && !std::isfinite(v.real)) return;
    const std::string& name = names()[static_cast<size_t>(v.field)];
    if (v.kind == Kind::map) {
        const std::span<const Value> texts{v.items, size_t{v.size} * 2};
        put_key(name, "_key", out);
        put_texts(texts, 0, 2, out);
        put_key(name, "_value", out);
        return put_texts(texts, 1, 2, out);
    }
    put_key(name, "", out);
    filter::TextBuffer buffer;
    std::string_view text;
    switch (v.kind) {
        case Kind::uint:
            return out.append(fmt::format_int(v.uint).str());
        case Kind::sint:
        case Kind::time:
            return out.append(fmt::format_int(v.sint).str());
        case Kind::real:
            return out.append(fmt::format("{}", v.real));
        case Kind::flag:
            return out.append(v.flag ? "1" : "0");
        case Kind::list_text:
        case Kind::list_uint:
        case Kind::list_ip:
            return put_texts(v.as_items(), 0, 1, out);
        case Kind::hex:
            return record::write_json_string(hex_of(v), out);
        default:
            return record::write_json_string(filter::as_text(v, buffer, text) ? text : std::string_view(), out);
    }
}

}  // namespace

std::string column_name(Field field) {
    return names()[static_cast<size_t>(field)];
}

std::vector<SqlColumn> sql_columns(ServerVersion version) {
    std::vector<SqlColumn> columns = {{"time", "DateTime"}, {"timestamp", "Int64"}, {"record_type", "String"}};
    columns.push_back({"line", version.has_codecs() ? "String CODEC(ZSTD(3))" : "String"});
    for (size_t i = 0; i < record::field_count; ++i) {
        const auto field = static_cast<Field>(i);
        if (field == Field::timestamp || field == Field::record_type) continue;
        const std::string name = column_name(field);
        switch (record::info(field).kind) {
            case Kind::text:
                columns.push_back(
                    {name, version.has_codecs() && column_of(field) ? "LowCardinality(Nullable(String))" : "Nullable(String)"});
                break;
            case Kind::ip:
            case Kind::mac:
            case Kind::hex:
                columns.push_back({name, "Nullable(String)"});
                break;
            case Kind::uint:
                columns.push_back({name, "Nullable(UInt64)"});
                break;
            case Kind::sint:
            case Kind::time:
                columns.push_back({name, "Nullable(Int64)"});
                break;
            case Kind::real:
                columns.push_back({name, "Nullable(Float64)"});
                break;
            case Kind::flag:
                columns.push_back({name, "Nullable(UInt8)"});
                break;
            case Kind::list_text:
            case Kind::list_ip:
                columns.push_back({name, "Array(String)"});
                break;
            case Kind::list_uint:
                columns.push_back({name, "Array(UInt64)"});
                break;
            case Kind::map:
                columns.push_back({name + "_key", "Array(String)"});
                columns.push_back({name + "_value", "Array(String)"});
        }
    }
    return columns;
}

std::string create_table(std::string_view table, ServerVersion version, std::chrono::seconds max_age) {
    std::string sql = fmt::format("CREATE TABLE IF NOT EXISTS {} (", table);
    const auto columns = sql_columns(version);
    for (size_t i = 0; i < columns.size(); ++i) sql += fmt::format("{}{} {}", i ? ", " : "", columns[i].name, columns[i].type);
    sql += ") ENGINE = MergeTree() PARTITION BY toDate(time) ORDER BY (time, record_type)";
    if (version.has_ttl()) sql += fmt::format(" TTL time + INTERVAL {} SECOND", max_age.count());
    return sql;
}

uint32_t day_second(int64_t unix_ns) {
    return static_cast<uint32_t>(std::clamp<int64_t>(unix_ns / 1'000'000'000, 0, UINT32_MAX));
}

void write_row(const record::Record& record, std::string_view line, record::Buffer& out) {
    out.append("{\"time\":");
    out.append(fmt::format_int(day_second(record.timestamp())).str());
    out.append(",\"timestamp\":");
    out.append(fmt::format_int(record.timestamp()).str());
    out.append(",\"record_type\":");
    record::write_json_string(record::info(record.type()).name, out);
    out.append(",\"line\":");
    record::write_json_string(line, out);
    for (const Value& v : record.values()) put_value(v, out);
    for (const record::FieldSet* set : record.attached())
        for (const Value& v : set->values()) put_value(v, out);
    out.append("}\n");
}

}  // namespace cvf::history
