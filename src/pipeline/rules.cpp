#include "pipeline/rules.h"

#include <algorithm>
#include <utility>

namespace cvf::pipeline {

namespace {

constexpr double second = 1e9;
constexpr double burst_seconds = 1;  // a rate that was not used is saved up for this long

void count(std::atomic<uint64_t>& counter, uint64_t by = 1) {
    counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);  // one writer
}

}  // namespace

Rules::Rules(std::vector<Rule> rules) {
    rules_.reserve(rules.size());
    for (Rule& rule : rules) {
        Active active;
        active.rule = std::move(rule);
        if (active.rule.selection.filter && active.rule.selection.filter->always_true()) active.rule.selection.filter.reset();
        for (const auto& way : active.rule.ways) {
            auto at = std::ranges::find(ways_, way, &Way::sink);
            if (at == ways_.end()) at = ways_.insert(at, Way{way, {}});
            active.ways.push_back(static_cast<size_t>(at - ways_.begin()));
        }
        if (active.rule.sample.per_second > 0) active.sampler.emplace(active.rule.sample.per_second);
        active.records_left = static_cast<double>(active.rule.limits.records_per_second) * burst_seconds;
        active.bytes_left = static_cast<double>(active.rule.limits.bytes_per_second) * burst_seconds;
        TypeBits types = active.rule.selection.types;
        if (active.rule.selection.filter) types &= active.rule.selection.filter->possible_types();
        for (size_t type = 0; type < record::type_count; type++)
            if (types[type]) by_type_[type].push_back(static_cast<uint32_t>(rules_.size()));
        wanted_ |= types;
        rules_.push_back(std::move(active));
    }
    chosen_.reserve(rules_.size());
}

bool Rules::sampled(Active& active, const record::Record& record) {
    const directive::Sample& sample = active.rule.sample;
    if (active.sampler) return active.sampler->take(record, record.timestamp());
    return sample.one_in <= 1 || directive::in_sample(record, sample.one_in);
}

bool Rules::allowed(Active& active) {
    const RuleLimits& limits = active.rule.limits;
    RuleCounts& counts = *active.rule.counts;
    if ((limits.records && counts.sent.load(std::memory_order_relaxed) >= limits.records) ||
        (limits.bytes && counts.bytes.load(std::memory_order_relaxed) >= limits.bytes)) {
        counts.used_up.store(true, std::memory_order_relaxed);
        return false;
    }
    if ((limits.records_per_second && active.records_left < 1) || (limits.bytes_per_second && active.bytes_left <= 0)) {
        count(counts.limited);
        return false;
    }
    return true;
}

void Rules::route_wanted(const record::Record& record) {
    chosen_.clear();
    for (const uint32_t index : by_type_[static_cast<size_t>(record.type())]) {
        Active& active = rules_[index];
        Rule& rule = active.rule;
        if (rule.counts->used_up.load(std::memory_order_relaxed)) continue;
        if (rule.selection.filter && !rule.selection.filter->matches(record)) continue;
        count(rule.counts->matched);
        if (!sampled(active, record)) {
            count(rule.counts->sampled_out);
            continue;
        }
        if (rule.aggregate) {
            rule.aggregate->add(record);
            continue;
        }
        if (!allowed(active)) continue;
        chosen_.push_back(&active);
    }
    if (!chosen_.empty()) send(record);
}

void Rules::send(const record::Record& record) {
    for (const Active* active : chosen_)
        for (const size_t index : active->ways) {
            Way& way = ways_[index];
            if (!way.wanted) {
                way.wanted = true;
                way.all_fields = false;
                way.fields = {};
            }
            if (active->rule.selection.fields)
                way.fields |= *active->rule.selection.fields;
            else
                way.all_fields = true;
        }
    for (Way& way : ways_) {
        way.bytes = way.wanted ? way.sink->write(record, way.all_fields ? nullptr : &way.fields) : 0;
        way.wanted = false;
    }
    for (Active* active : chosen_) {
        size_t bytes = 0;
        for (const size_t index : active->ways) bytes += ways_[index].bytes;
        count(active->rule.counts->sent);
        count(active->rule.counts->bytes, bytes);
        active->records_left -= 1;
        active->bytes_left -=
            static_cast<double>(bytes);  // the record that crosses the line is the last: what is owed is paid first
    }
}

void Rules::flush(int64_t now) {
    if (last_ == 0 || now < last_) last_ = now;
    const double passed = static_cast<double>(now - last_) / second;
    last_ = now;
    for (Active& active : rules_) {
        const auto refill = [&](double& left, uint64_t rate) {
            const double full = static_cast<double>(rate);
            left = std::min(left + full * passed, full * burst_seconds);
        };
        refill(active.records_left, active.rule.limits.records_per_second);
        refill(active.bytes_left, active.rule.limits.bytes_per_second);
        if (!active.rule.aggregate || active.rule.counts->used_up.load(std::memory_order_relaxed)) continue;
        active.rule.aggregate->advance(now, [&](record::Record& made) {
            if (!allowed(active)) return;
            chosen_.assign(1, &active);
            // A window's sums have their own fields: the rule's choice was of what went in.
            auto fields = std::exchange(active.rule.selection.fields, std::nullopt);
            send(made);
            active.rule.selection.fields = std::move(fields);
        });
    }
    for (Way& way : ways_) way.sink->flush();
}

void Rules::tick() {
    for (Way& way : ways_) way.sink->tick();
}

}  // namespace cvf::pipeline
