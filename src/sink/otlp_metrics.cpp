#include "sink/otlp_metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sink/otlp_json.h"

namespace cvf::sink::otlp {

using record::Buffer;
using record::Field;

namespace {

constexpr Field flow_attributes[] = {
    Field::source_address,       Field::destination_address,       Field::destination_port,
    Field::network_transport,    Field::network_protocol_name,     Field::server_address,
    Field::source_process_name,  Field::destination_process_name,  Field::source_container_name,
    Field::source_pod_name,      Field::source_pod_namespace,      Field::destination_container_name,
    Field::destination_pod_name, Field::destination_pod_namespace,
};

constexpr std::string_view directions[] = {"transmit", "receive"};

}  // namespace

size_t FlowMetrics::add(const record::Record& record, const record::Projection* fields) {
    const record::FlowDelta delta = deltas_.take(record);
    key_.clear();
    for (const Field field : flow_attributes) {
        if (fields && !fields->has(field)) continue;
        const record::Value* v = record.lookup(field);
        if (!v) continue;
        if (!key_.empty()) key_.append(",");
        write_attribute(record::info(field).key, *v, key_);
    }
    records_++;
    auto found = groups_.find(key_.view());
    const bool added = found == groups_.end();
    if (added) {
        found = groups_.emplace(std::string(key_.view()), Sums{}).first;
        size_ += 5 * (key_.size() + 200) + 300;
    }
    Sums& sums = found->second;
    for (int i : {0, 1}) {
        sums.bytes[i] += delta.bytes[i];
        sums.packets[i] += delta.packets[i];
    }
    const record::Value* duration = record.lookup(Field::event_duration);
    if (delta.final && duration) {
        const double seconds = static_cast<double>(duration->uint) / 1e9;
        const auto bucket = std::ranges::lower_bound(duration_bounds, seconds) - duration_bounds.begin();
        sums.buckets[bucket]++;
        sums.least = sums.ended ? std::min(sums.least, seconds) : seconds;
        sums.most = std::max(sums.most, seconds);
        sums.seconds += seconds;
        sums.ended++;
    }
    return added ? key_.size() : 0;
}

FlowMetrics::Written FlowMetrics::write(int64_t now, Buffer& out) {
    // A clock that was set back must not make a window that ends before it begins.
    const int64_t end = std::max(now, window_start_ + 1);
    size_t points = 0;
    const auto times = [&] {
        out.append(R"("startTimeUnixNano":)");
        write_nanoseconds(window_start_, out);
        out.append(R"(,"timeUnixNano":)");
        write_nanoseconds(end, out);
    };
    const auto sum = [&](std::string_view name, std::string_view doc, std::string_view unit, auto values) {
        out.append(fmt::format(
            R"({{"name":"{}","description":"{}","unit":"{}","sum":{{"aggregationTemporality":1,"isMonotonic":true,"dataPoints":[)",
            name, doc, unit));
        const char* between = "";
        for (const auto& [key, sums] : groups_)
            for (int i : {0, 1}) {
                const uint64_t value = (sums.*values)[i];
                if (value == 0 && i == 1) continue;  // one-way: the first direction stands for the group
                out.append(std::exchange(between, ","));
                out.append(R"({"attributes":[)");
                out.append(key);
                if (!key.empty()) out.append(",");
                write_attribute("network.io.direction", directions[i], out);
                out.append("],");
                times();
                out.append(R"(,"asInt":)");
                write_number(std::min<uint64_t>(value, INT64_MAX), out);
                out.append("}");
                points++;
            }
        out.append("]}}");
    };
    sum("cvf.flow.io", "Bytes of IP packets of conversations", "By", &Sums::bytes);
    out.append(",");
    sum("cvf.flow.packets", "Packets of conversations", "{packet}", &Sums::packets);
    const bool ended = std::ranges::any_of(groups_, [](const auto& group) { return group.second.ended > 0; });
    if (ended) {
        out.append(R"(,{"name":"cvf.flow.duration","description":"From first to last packet of conversations that ended",)"
                   R"("unit":"s","histogram":{"aggregationTemporality":1,"dataPoints":[)");
        const char* between = "";
        for (const auto& [key, sums] : groups_) {
            if (sums.ended == 0) continue;
            out.append(std::exchange(between, ","));
            out.append(R"({"attributes":[)");
            out.append(key);
            out.append("],");
            times();
            out.append(fmt::format(R"(,"count":"{}","sum":{},"min":{},"max":{},"bucketCounts":["{}"],"explicitBounds":[{}]}})",
                                   sums.ended, sums.seconds, sums.least, sums.most, fmt::join(sums.buckets, "\",\""),
                                   fmt::join(duration_bounds, ",")));
            points++;
        }
        out.append("]}}");
    }
    const Written written{records_, points};
    groups_.clear();
    records_ = size_ = 0;
    window_start_ = end;
    return written;
}

}  // namespace cvf::sink::otlp
