#include "sink/summary_metric.h"

#include <fmt/format.h>

#include "record/schema.h"
#include "record/text.h"
#include "sink/units.h"

namespace cvf::sink {

using record::Field;
using record::Kind;
using record::Value;

namespace {

// Of a field it was grouped by; other kinds than these make no groups that people look at.
std::string shown(const Value& v) {
    char out[64];
    const auto until = [&](const char* end) { return std::string(out, static_cast<size_t>(end - out)); };
    switch (v.kind) {
        case Kind::text:
            return std::string(v.as_text());
        case Kind::uint:
            return until(record::write_uint(out, v.uint));
        case Kind::sint:
            return fmt::format("{}", v.sint);
        case Kind::flag:
            return v.flag ? "true" : "false";
        case Kind::ip:
            return until(record::write_ip(out, {v.inline_bytes, v.short_size}));
        case Kind::mac:
            return until(record::write_mac(out, v.inline_bytes));
        case Kind::time:
            return until(record::write_time(out, v.sint));
        default:
            return {};
    }
}

// What every metric record has, whatever it was grouped by.
bool own(const record::FieldInfo& info, Field field) {
    return field == Field::timestamp || field == Field::record_type || field == Field::record_id || field == Field::host_name ||
           (info.types != "*" && record::belongs(info, "metric"));
}

}  // namespace

Summary summarize_metric(const record::Record& record) {
    const auto number = [&](Field field) {
        const Value* v = record.lookup(field);
        return v && v->kind == Kind::uint ? v->uint : 0;
    };
    const auto text = [&](Field field) {
        const Value* v = record.lookup(field);
        return v && v->kind == Kind::text ? v->as_text() : std::string_view{};
    };
    std::string out;
    if (record.lookup(Field::metric_other)) out = "other groups";
    for (const Value& v : record.values()) {
        const record::FieldInfo& info = record::info(v.field);
        if (!own(info, v.field)) out += fmt::format("{}{}={}", out.empty() ? "" : " ", info.key, shown(v));
    }
    const std::string_view type = text(Field::metric_type);
    const uint64_t errors = number(Field::metric_errors);
    out += fmt::format("{}{} {}", out.empty() ? "" : " · ", show_count(number(Field::metric_count)),
                       type.empty() ? std::string_view("records") : type);
    if (errors > 0) out += fmt::format(", {} {}", show_count(errors), errors == 1 ? "error" : "errors");
    if (record.lookup(Field::network_bytes)) out += fmt::format(" · {}", show_bytes(number(Field::network_bytes)));
    if (record.lookup(Field::network_packets)) out += fmt::format(" · {} packets", show_count(number(Field::network_packets)));
    if (record.lookup(Field::metric_latency_count))
        out += fmt::format(" · p50 {} p99 {}", show_duration(number(Field::metric_latency_p50)),
                           show_duration(number(Field::metric_latency_p99)));
    return {std::move(out), errors > 0 ? Tone::warning : Tone::plain};
}

}  // namespace cvf::sink
