#include "metric/windows.h"

#include <algorithm>
#include <utility>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "metric/group_key.h"
#include "record/hex.h"
#include "record/text.h"

namespace cvf::metric {

using record::Field;
using record::RecordType;
using record::Value;

namespace {

constexpr int64_t small_step = 1'000'000'000;  // ns: by how much a clock may be set back without a new window

}  // namespace

size_t Windows::Hash::operator()(std::string_view key) const {
    return XXH3_64bits_withSeed(key.data(), key.size(), seed);
}

void Windows::Sums::note_slowest(uint64_t duration, std::string_view id) {
    if (!slowest_id.empty() && duration <= slowest) return;
    slowest = duration;
    slowest_id.assign(id);
}

void Windows::Sums::note_type(RecordType of) {
    mixed |= type != of && type != RecordType::count;
    type = of;
}

void Windows::Sums::merge(const Sums& more) {
    if (more.count == 0) return;
    count += more.count;
    errors += more.errors;
    for (const int end : {0, 1}) {
        bytes[end] += more.bytes[end];
        packets[end] += more.packets[end];
    }
    latency.merge(more.latency);
    if (!more.slowest_id.empty()) note_slowest(more.slowest, more.slowest_id);
    note_type(more.type);
    mixed |= more.mixed;
}

Windows::Windows(WindowOptions options)
    : options_(std::move(options)),
      names_node_(!options_.node.empty() && std::ranges::find(options_.by, Field::host_name) == options_.by.end()),
      deltas_(options_.born),
      groups_(0, Hash{options_.id_seed}) {}

Windows::Sums& Windows::group_of(const record::Record& record) {
    key_.clear();
    pack_key(record, options_.by, key_);
    if (const auto at = groups_.find(std::string_view(key_)); at != groups_.end()) return at->second->sums;
    if (groups_.size() >= options_.max_groups || key_.size() > options_.max_key_bytes - key_bytes_) return other_;
    auto group = std::make_unique<Group>();
    group->key = key_;
    key_bytes_ += key_.size();
    const std::string_view key = group->key;
    return groups_.emplace(key, std::move(group)).first->second->sums;
}

void Windows::add(const record::Record& record) {
    Sums& sums = group_of(record);
    sums.count++;
    sums.note_type(record.type());
    if (record.lookup(Field::error_type)) sums.errors++;
    bool ended = true;
    if (record.type() == RecordType::flow) {
        if (options_.bytes || options_.packets) {
            const record::FlowDelta delta = deltas_.take(record);
            for (const int end : {0, 1}) {
                sums.bytes[end] += delta.bytes[end];
                sums.packets[end] += delta.packets[end];
            }
            ended = delta.final;
        } else if (options_.latency) {
            const Value* state = record.lookup(Field::flow_state);
            ended = !state || state->as_text() != "interim";
        }
    }
    if (!options_.latency || !ended) return;
    const Value* duration = record.lookup(Field::event_duration);
    if (!duration) return;
    sums.latency.add(duration->uint);
    if (const Value* id = record.lookup(Field::record_id)) sums.note_slowest(duration->uint, id->as_text());
}

bool Windows::advance(int64_t now) {
    if (now <= 0) return false;
    if (start_ == 0) {
        start_ = last_ = now;
        end_ = aligned(now) + options_.length;
        return false;
    }
    if (now >= end_ || now < last_ - small_step) return true;
    last_ = std::max(last_, now);
    return false;
}

void Windows::turn(int64_t now) {
    if (start_ == 0) advance(now);
    for (const auto& group : due_) due_other_.merge(group->sums);
    due_.clear();
    due_.reserve(groups_.size());
    for (auto& [key, group] : groups_) due_.push_back(std::move(group));
    groups_.clear();
    key_bytes_ = 0;
    due_other_.merge(std::exchange(other_, {}));
    const bool whole = now >= end_;
    const int64_t end = whole ? end_ : std::max(last_, now);
    due_start_ = start_;
    due_length_ = std::max<int64_t>(end - start_, 1);
    // A window is aligned but for the first, and the first after a step backwards.
    start_ = whole ? aligned(now) : now;
    end_ = aligned(now) + options_.length;
    last_ = now;
}

size_t Windows::fold() {
    if (due() < 2) return 0;
    const size_t folded = due();
    for (const auto& group : due_) due_other_.merge(group->sums);
    due_.clear();
    return folded;
}

record::Record* Windows::next() {
    if (!due_.empty()) {
        taken_ = std::move(due_.back());
        due_.pop_back();
        write(taken_->sums, &taken_->key);
        return &made_;
    }
    if (due_other_.count == 0) return nullptr;
    taken_ = std::make_unique<Group>();
    taken_->sums = std::exchange(due_other_, {});
    write(taken_->sums, nullptr);
    return &made_;
}

void Windows::write(const Sums& sums, const std::string* key) {
    made_.begin(RecordType::metric, due_start_);
    char* id = static_cast<char*>(made_.arena().take(1 + 16 + 1 + 20, 1));
    char* end = id;
    *end++ = 'm';
    end = record::write_hex64(end, options_.id_seed);
    *end++ = '-';
    end = record::write_uint(end, number_++);
    made_.text(Field::record_id, {id, static_cast<size_t>(end - id)});
    if (names_node_) made_.text(Field::host_name, options_.node);
    if (!options_.directive.empty()) made_.text(Field::metric_directive, options_.directive);
    made_.uint(Field::metric_window, static_cast<uint64_t>(due_length_));
    if (!sums.mixed) made_.text(Field::metric_type, record::info(sums.type).name);
    if (key)
        unpack_key(*key, options_.by, made_);
    else
        made_.flag(Field::metric_other, true);
    made_.uint(Field::metric_count, sums.count);
    made_.uint(Field::metric_errors, sums.errors);
    if (options_.bytes) {
        made_.uint(Field::network_bytes, sums.bytes[0] + sums.bytes[1]);
        made_.uint(Field::source_bytes, sums.bytes[0]);
        made_.uint(Field::destination_bytes, sums.bytes[1]);
    }
    if (options_.packets) {
        made_.uint(Field::network_packets, sums.packets[0] + sums.packets[1]);
        made_.uint(Field::source_packets, sums.packets[0]);
        made_.uint(Field::destination_packets, sums.packets[1]);
    }
    const Histogram& latency = sums.latency;
    if (latency.count() == 0) return;
    made_.uint(Field::metric_latency_count, latency.count());
    made_.uint(Field::metric_latency_sum, latency.sum());
    made_.uint(Field::metric_latency_min, latency.min());
    made_.uint(Field::metric_latency_max, latency.max());
    made_.uint(Field::metric_latency_p50, latency.quantile(0.5));
    made_.uint(Field::metric_latency_p95, latency.quantile(0.95));
    made_.uint(Field::metric_latency_p99, latency.quantile(0.99));
    made_.uint(Field::metric_latency_scale, latency.scale());
    if (latency.zeros()) made_.uint(Field::metric_latency_zeros, latency.zeros());
    indices_.clear();
    counts_.clear();
    for (size_t i = 0; i < latency.size(); i++) {
        const Histogram::Bucket bucket = latency.bucket(i);
        indices_.push_back(bucket.index);
        counts_.push_back(bucket.count);
    }
    made_.uints(Field::metric_latency_buckets, indices_);
    made_.uints(Field::metric_latency_counts, counts_);
    if (!sums.slowest_id.empty()) made_.text(Field::metric_latency_slowest, sums.slowest_id);
}

}  // namespace cvf::metric
