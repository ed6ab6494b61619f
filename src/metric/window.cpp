#include "metric/window.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace cvf::metric {

using record::Field;
using record::Kind;
using record::Value;

namespace {

// A value as bytes that are the same for equal values, behind its kind; lists and maps group as if absent.
void append_value(const Value* value, std::string& key) {
    const auto raw = [&](const void* bytes, size_t size) { key.append(static_cast<const char*>(bytes), size); };
    if (!value) {
        key.push_back('\0');
        return;
    }
    key.push_back(static_cast<char>(static_cast<int>(value->kind) + 1));
    switch (value->kind) {
        case Kind::text:
        case Kind::hex:
            raw(&value->size, sizeof value->size);
            raw(value->text, value->size);
            break;
        case Kind::ip:
            key.push_back(static_cast<char>(value->short_size));
            raw(value->inline_bytes, value->short_size);
            break;
        case Kind::mac:
            raw(value->inline_bytes, 6);
            break;
        case Kind::flag:
            key.push_back(value->flag ? '\1' : '\0');
            break;
        case Kind::uint:
        case Kind::sint:
        case Kind::real:
        case Kind::time:
            raw(&value->uint, sizeof value->uint);
            break;
        case Kind::list_text:
        case Kind::list_uint:
        case Kind::list_ip:
        case Kind::map:
            key.back() = '\0';
            break;
    }
}

void copy_value(const Value& value, record::FieldSet& to) {
    switch (value.kind) {
        case Kind::text:
            return to.copy(value.field, value.as_text());
        case Kind::hex: {
            const std::string_view kept = to.arena().copy({reinterpret_cast<const char*>(value.bytes), value.size});
            return to.hex(value.field, {reinterpret_cast<const uint8_t*>(kept.data()), kept.size()});
        }
        case Kind::ip:
            return to.ip(value.field, {value.inline_bytes, value.short_size});
        case Kind::mac:
            return to.mac(value.field, value.inline_bytes);
        case Kind::flag:
            return to.flag(value.field, value.flag);
        case Kind::uint:
            return to.uint(value.field, value.uint);
        case Kind::sint:
            return to.sint(value.field, value.sint);
        case Kind::real:
            return to.real(value.field, value.real);
        case Kind::time:
            return to.time(value.field, value.sint);
        case Kind::list_text:
        case Kind::list_uint:
        case Kind::list_ip:
        case Kind::map:
            return;
    }
}

uint64_t number(const record::Record& record, Field field) {
    const Value* value = record.lookup(field);
    return value ? value->uint : 0;
}

}  // namespace

Window::Group* Window::group_of(const record::Record& record) {
    key_.clear();
    for (const Field field : options_.by) append_value(record.lookup(field), key_);
    if (const auto at = groups_.find(key_); at != groups_.end()) return at->second.get();
    if (groups_.size() >= options_.max_groups) return &other_;
    auto group = std::make_unique<Group>();
    for (const Field field : options_.by)
        if (const Value* value = record.lookup(field)) copy_value(*value, group->by);
    return groups_.emplace(key_, std::move(group)).first->second.get();
}

void Window::add(const record::Record& record) {
    if (start_ == 0) {
        const int64_t time = record.timestamp();
        start_ = time - time % options_.length;
    }
    Group& group = *group_of(record);
    group.count++;
    if (record.lookup(Field::error_type)) group.errors++;
    if (options_.bytes) group.bytes += number(record, Field::flow_new_bytes);
    if (options_.packets) group.packets += number(record, Field::flow_new_packets);
    if (!options_.latency) return;
    const Value* duration = record.lookup(Field::event_duration);
    if (!duration) return;
    group.latency.add(duration->uint);
    if (duration->uint < group.slowest || !group.slowest_id.empty()) {
        if (duration->uint <= group.slowest) return;
    }
    group.slowest = duration->uint;
    if (const Value* id = record.lookup(Field::record_id)) group.slowest_id.assign(id->as_text());
}

void Window::write(Group& group, int64_t start, int64_t end, bool other, const Emit& emit) {
    made_.begin(record::RecordType::metric, start);
    made_.copy(Field::record_id, fmt::format("{}-{}-{}-{}", options_.node, options_.name, start / 1'000'000, number_++));
    if (!options_.node.empty()) made_.text(Field::host_name, options_.node);
    made_.text(Field::metric_directive, options_.name);
    made_.uint(Field::metric_window, static_cast<uint64_t>(end - start));
    if (other) made_.flag(Field::metric_other, true);
    made_.uint(Field::metric_count, group.count);
    if (group.errors) made_.uint(Field::metric_errors, group.errors);
    if (options_.bytes) made_.uint(Field::metric_bytes, group.bytes);
    if (options_.packets) made_.uint(Field::metric_packets, group.packets);
    std::vector<uint64_t> indices, counts;
    if (options_.latency && group.latency.count() > 0) {
        const Histogram& h = group.latency;
        made_.uint(Field::metric_latency_count, h.count());
        made_.uint(Field::metric_latency_sum, h.sum());
        made_.uint(Field::metric_latency_min, h.min());
        made_.uint(Field::metric_latency_max, h.max());
        made_.uint(Field::metric_latency_p50, h.quantile(0.5));
        made_.uint(Field::metric_latency_p95, h.quantile(0.95));
        made_.uint(Field::metric_latency_p99, h.quantile(0.99));
        if (h.zeros()) made_.uint(Field::metric_latency_zeros, h.zeros());
        for (const Histogram::Bucket& bucket : h.buckets()) {
            indices.push_back(bucket.index);
            counts.push_back(bucket.count);
        }
        made_.uints(Field::metric_latency_buckets, indices);
        made_.uints(Field::metric_latency_counts, counts);
        if (!group.slowest_id.empty()) made_.text(Field::metric_latency_slowest, group.slowest_id);
    }
    made_.attach(&group.by);
    emit(made_);
}

void Window::advance(int64_t now, const Emit& emit) {
    if (start_ == 0 || (now >= start_ && now < start_ + options_.length)) return;
    // A clock that was set back ends the window too: what comes belongs to another.
    close(start_ + options_.length, emit);
}

void Window::close(int64_t now, const Emit& emit) {
    if (start_ == 0) return;
    for (auto& [key, group] : groups_) write(*group, start_, now, false, emit);
    if (other_.count > 0) write(other_, start_, now, true, emit);
    groups_.clear();
    other_ = {};
    start_ = 0;
}

}  // namespace cvf::metric
