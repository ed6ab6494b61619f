#include "sink/otlp_sums.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "record/schema.h"
#include "sink/otlp_json.h"

namespace cvf::sink::otlp {

using record::Buffer;
using record::Field;
using record::Kind;
using record::Value;

namespace {

struct About {
    std::string_view name, doc, unit;
};
constexpr About about[] = {
    {"cvf.metric.count", "Records of a group in a window", "{record}"},
    {"cvf.metric.errors", "Records of a group in a window with an error", "{record}"},
    {"cvf.metric.io", "Bytes of IP packets of a group in a window", "By"},
    {"cvf.metric.packets", "Packets of a group in a window", "{packet}"},
    {"cvf.metric.latency", "Durations of a group in a window", "ns"},
};

// The widest histogram there is: scale 3 of 64 bits. What a foreign record may claim beyond is no histogram.
constexpr uint64_t most_buckets = 512;

bool is_attribute(Field field) {
    if (field == Field::metric_directive || field == Field::metric_type || field == Field::metric_other) return true;
    const record::FieldInfo& info = record::info(field);
    return field != Field::timestamp && field != Field::record_type && field != Field::record_id &&
           (info.types == "*" || !record::belongs(info, "metric"));
}

}  // namespace

size_t SumMetrics::add(const record::Record& record, const record::Projection* fields, std::string_view node) {
    size_t before = 0, after = 0;
    for (const Buffer& b : points_) before += b.size();
    const auto number = [&](Field field) {
        const Value* v = record.lookup(field);
        return v && v->kind == Kind::uint ? v->uint : 0;
    };
    head_.clear();
    head_.append(R"({"attributes":[)");
    const size_t empty = head_.size();
    const auto add_attribute = [&](const Value& v) {
        if (!is_attribute(v.field) || (fields && !fields->has(v.field))) return;
        if (v.field == Field::host_name && v.as_text() == node) return;
        if (head_.size() > empty) head_.append(",");
        write_attribute(record::info(v.field).key, v, head_);
    };
    for (const Value& v : record.values()) add_attribute(v);
    for (const record::FieldSet* set : record.attached())
        for (const Value& v : set->values()) add_attribute(v);
    const bool some = head_.size() > empty;

    const auto begin = [&](Metric metric, std::string_view direction = {}) -> Buffer& {
        Buffer& out = points_[metric];
        if (out.size() > 0) out.append(",");
        out.append(head_.view());
        if (!direction.empty()) {
            if (some) out.append(",");
            write_attribute("network.io.direction", direction, out);
        }
        out.append(R"(],"startTimeUnixNano":)");
        write_nanoseconds(record.timestamp(), out);
        out.append(R"(,"timeUnixNano":)");
        write_nanoseconds(
            record.timestamp() + static_cast<int64_t>(std::min<uint64_t>(number(Field::metric_window), INT64_MAX / 4)), out);
        written_++;
        return out;
    };
    const auto sum = [&](Metric metric, Field field, std::string_view direction = {}) {
        if (!record.lookup(field)) return;
        Buffer& out = begin(metric, direction);
        out.append(R"(,"asInt":)");
        write_number(std::min<uint64_t>(number(field), INT64_MAX), out);
        out.append("}");
    };
    sum(count, Field::metric_count);
    sum(errors, Field::metric_errors);
    sum(io, Field::source_bytes, "transmit");
    sum(io, Field::destination_bytes, "receive");
    sum(packets, Field::source_packets, "transmit");
    sum(packets, Field::destination_packets, "receive");

    const Value *indices = record.lookup(Field::metric_latency_buckets), *counts = record.lookup(Field::metric_latency_counts);
    if (indices && counts && indices->size == counts->size) {
        Buffer& out = begin(latency);
        out.append(fmt::format(R"(,"count":"{}","sum":{},"min":{},"max":{},"scale":{},"zeroCount":"{}","zeroThreshold":1)",
                               number(Field::metric_latency_count), number(Field::metric_latency_sum),
                               number(Field::metric_latency_min), number(Field::metric_latency_max),
                               std::min<uint64_t>(number(Field::metric_latency_scale), 20), number(Field::metric_latency_zeros)));
        if (indices->size > 0) {
            // Those between that are empty are written out: OTLP has them dense.
            uint64_t next = indices->items[0].uint;
            out.append(fmt::format(R"(,"positive":{{"offset":{},"bucketCounts":[)", std::min(next, most_buckets)));
            const uint64_t end = next + most_buckets;
            const char* between = "";
            for (uint32_t i = 0; i < indices->size; i++) {
                const uint64_t index = indices->items[i].uint;
                if (index < next || index >= end) break;
                for (; next < index; next++) out.append(std::exchange(between, ",")), out.append(R"("0")");
                out.append(std::exchange(between, ","));
                write_number(counts->items[i].uint, out);
                next++;
            }
            out.append("]}");
        }
        if (const Value* slowest = record.lookup(Field::metric_latency_slowest)) {
            out.append(R"(,"exemplars":[{"timeUnixNano":)");
            write_nanoseconds(record.timestamp(), out);
            out.append(fmt::format(R"(,"asDouble":{},"filteredAttributes":[)", number(Field::metric_latency_max)));
            write_attribute("record.id", slowest->as_text(), out);
            out.append("]}]");
        }
        out.append("}");
    }
    records_++;
    for (const Buffer& b : points_) after += b.size();
    size_ = after;
    return after - before;
}

SumMetrics::Written SumMetrics::write(Buffer& out) {
    const char* between = "";
    for (size_t m = 0; m < metrics; m++) {
        if (points_[m].size() == 0) continue;
        out.append(std::exchange(between, ","));
        out.append(
            fmt::format(R"({{"name":"{}","description":"{}","unit":"{}","{}":{{"aggregationTemporality":1,{}"dataPoints":[)",
                        about[m].name, about[m].doc, about[m].unit, m == latency ? "exponentialHistogram" : "sum",
                        m == latency ? "" : R"("isMonotonic":true,)"));
        out.append(points_[m].view());
        out.append("]}}");
        points_[m].clear();
    }
    const Written written{records_, written_};
    records_ = written_ = size_ = 0;
    return written;
}

}  // namespace cvf::sink::otlp
