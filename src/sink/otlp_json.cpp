#include "sink/otlp_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "record/text.h"
#include "sink/summary.h"

namespace cvf::sink::otlp {

using record::Buffer;
using record::Field;
using record::Kind;
using record::Value;

namespace {

void write_string_value(std::string_view text, Buffer& out) {
    out.append(R"({"stringValue":)");
    record::write_json_string(text, out);
    out.append("}");
}

void write_value(const Value& v, Buffer& out) {
    char text[64];
    switch (v.kind) {
        case Kind::text:
            return write_string_value(v.as_text(), out);
        case Kind::uint:
            // intValue is signed; what does not fit keeps its digits.
            if (v.uint > INT64_MAX) return write_string_value({text, record::write_uint(text, v.uint)}, out);
            out.append(R"({"intValue":)");
            write_number(v.uint, out);
            return out.append("}");
        case Kind::sint:
            out.append({text, fmt::format_to(text, R"({{"intValue":"{}"}})", v.sint)});
            return;
        case Kind::real:
            out.append({text, fmt::format_to(text, R"({{"doubleValue":{}}})", v.real)});
            return;
        case Kind::flag:
            return out.append(v.flag ? R"({"boolValue":true})" : R"({"boolValue":false})");
        case Kind::ip:
            return write_string_value({text, record::write_ip(text, {v.inline_bytes, v.short_size})}, out);
        case Kind::mac:
            return write_string_value({text, record::write_mac(text, v.inline_bytes)}, out);
        case Kind::time:
            return write_string_value({text, record::write_time(text, v.sint)}, out);
        case Kind::hex: {
            out.append(R"({"stringValue":")");
            static constexpr char digits[] = "0123456789abcdef";
            char* to = out.reserve(2 * size_t{v.size});
            for (uint32_t i = 0; i < v.size; i++) {
                *to++ = digits[v.bytes[i] >> 4];
                *to++ = digits[v.bytes[i] & 15];
            }
            out.commit(to);
            return out.append(R"("})");
        }
        case Kind::list_text:
        case Kind::list_uint:
        case Kind::list_ip: {
            out.append(R"({"arrayValue":{"values":[)");
            const char* between = "";
            for (const Value& item : v.as_items()) {
                out.append(std::exchange(between, ","));
                write_value(item, out);
            }
            return out.append("]}}");
        }
        case Kind::map: {
            out.append(R"({"kvlistValue":{"values":[)");
            const auto items = std::span(v.items, 2 * size_t{v.size});
            for (size_t i = 0; i + 1 < items.size(); i += 2) {
                if (i) out.append(",");
                write_attribute(items[i].as_text(), items[i + 1].as_text(), out);
            }
            return out.append("]}}");
        }
    }
}

void begin(std::string_view what, std::string_view entries, std::string_view node, Buffer& out) {
    out.append(fmt::format(R"({{"resource{0}":[{{"resource":{{"attributes":[)", what));
    write_attribute("service.name", "cvf", out);
    out.append(",");
    write_attribute("service.version", CVF_VERSION, out);
    if (!node.empty()) {
        out.append(",");
        write_attribute("service.instance.id", node, out);
        out.append(",");
        write_attribute("host.name", node, out);
    }
    out.append(fmt::format(R"(]}},"scope{0}":[{{"scope":{{"name":"cvf","version":"{1}"}},"{2}":[)", what, CVF_VERSION, entries));
}

// An id of 2*bytes hex digits that is not zero, shorter ones (B3 has trace ids of 64 bits) with zeros in front; empty: none.
std::string id_text(const Value* v, size_t digits) {
    if (!v || v->kind != Kind::text || v->size == 0 || v->size > digits) return {};
    std::string out(digits - v->size, '0');
    for (char c : v->as_text()) {
        if (c >= 'A' && c <= 'F') c = static_cast<char>(c | 0x20);
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return {};
        out += c;
    }
    return out.find_first_not_of('0') == std::string::npos ? std::string() : out;
}

bool always(Field f) {
    return f == Field::record_id || f == Field::flow_id;
}

}  // namespace

void write_number(uint64_t value, Buffer& out) {
    char* to = out.reserve(22);
    *to++ = '"';
    to = record::write_uint(to, value);
    *to++ = '"';
    out.commit(to);
}

void write_nanoseconds(int64_t unix_ns, Buffer& out) {
    write_number(static_cast<uint64_t>(std::max<int64_t>(0, unix_ns)), out);
}

bool write_attribute(std::string_view key, const Value& value, Buffer& out) {
    if (value.kind == Kind::real && !std::isfinite(value.real)) return false;
    out.append(R"({"key":)");
    record::write_json_string(key, out);
    out.append(R"(,"value":)");
    write_value(value, out);
    out.append("}");
    return true;
}

void write_attribute(std::string_view key, std::string_view text, Buffer& out) {
    out.append(R"({"key":)");
    record::write_json_string(key, out);
    out.append(R"(,"value":)");
    write_string_value(text, out);
    out.append("}");
}

void begin_logs(std::string_view node, Buffer& out) {
    begin("Logs", "logRecords", node, out);
}
void end_logs(Buffer& out) {
    out.append("]}]}]}");
}
void begin_metrics(std::string_view node, Buffer& out) {
    begin("Metrics", "metrics", node, out);
}
void end_metrics(Buffer& out) {
    out.append("]}]}]}");
}

void write_log(const record::Record& record, const record::Projection* fields, std::string_view node, int64_t observed,
               Buffer& out) {
    out.append(R"({"timeUnixNano":)");
    write_nanoseconds(record.timestamp(), out);
    out.append(R"(,"observedTimeUnixNano":)");
    write_nanoseconds(observed, out);
    const std::string_view type = record::info(record.type()).name;
    // The severity draws on error.type and the like, and tells no more than that there was one.
    Summary summary = summarize(record);
    static constexpr std::string_view severities[] = {R"(9,"severityText":"INFO")", R"(13,"severityText":"WARN")",
                                                      R"(17,"severityText":"ERROR")"};
    out.append(R"(,"severityNumber":)");
    out.append(severities[static_cast<size_t>(summary.tone)]);
    out.append(R"(,"body":)");
    write_string_value(fields || summary.text.empty() ? std::string(type) : fmt::format("{} {}", type, summary.text), out);

    const auto wanted = [&](Field f) { return !fields || always(f) || fields->has(f); };
    const auto id = [&](Field f, size_t digits) { return wanted(f) ? id_text(record.lookup(f), digits) : std::string(); };
    const std::string trace = id(Field::trace_id, 32), span = id(Field::span_id, 16);
    // Ids that are not ids stay among the attributes.
    if (!trace.empty()) out.append(fmt::format(R"(,"traceId":"{}")", trace));
    if (!span.empty()) out.append(fmt::format(R"(,"spanId":"{}")", span));

    out.append(R"(,"attributes":[)");
    write_attribute("record.type", type, out);
    const auto add = [&](const Value& v) {
        if (v.field == Field::timestamp || v.field == Field::record_type || !wanted(v.field)) return;
        if ((v.field == Field::trace_id && !trace.empty()) || (v.field == Field::span_id && !span.empty())) return;
        if (v.field == Field::host_name && v.as_text() == node) return;
        if (v.kind == Kind::real && !std::isfinite(v.real)) return;
        const record::JsonKey& key = record::json_key(v.field);  // ,"key":
        char* to = out.reserve(160);
        to = std::copy_n(R"(,{"key":)", 8, to);
        to = std::copy_n(key.text + 1, key.size - 2, to);
        to = std::copy_n(R"(,"value":)", 9, to);
        out.commit(to);
        write_value(v, out);
        out.append("}");
    };
    for (const Value& v : record.values()) add(v);
    for (const record::FieldSet* set : record.attached())
        for (const Value& v : set->values()) add(v);
    out.append("]}");
}

}  // namespace cvf::sink::otlp
