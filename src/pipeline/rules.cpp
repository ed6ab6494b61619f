#include "pipeline/rules.h"

#include <algorithm>
#include <utility>

namespace cvf::pipeline {

namespace {

constexpr double second = 1e9;
constexpr double burst_seconds = 1;    // a rate that was not used is saved up for this long
constexpr size_t sums_per_turn = 512;  // of one rule: a millisecond or so

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
        TypeBits types = active.rule.selection.types;
        if (active.rule.selection.filter) types &= active.rule.selection.filter->possible_types();
        if (active.rule.sums) {
            types.reset(static_cast<size_t>(record::RecordType::metric));
            active.rule.selection.fields.reset();  // those of single records: a sum has its own
        }
        for (size_t type = 0; type < record::type_count; type++)
            if (types[type]) by_type_[type].push_back(static_cast<uint32_t>(rules_.size()));
        wanted_ |= types;
        rules_.push_back(std::move(active));
    }
    chosen_.reserve(rules_.size());
}

// Not when they are built: that is another thread, and a meter may still be in use by the set before.
void Rules::begin() {
    begun_ = true;
    for (const Active& active : rules_) {
        const Rule& rule = active.rule;
        RuleMeter& meter = *rule.meter;
        if (std::exchange(meter.begun, true)) continue;
        if (rule.sample.per_second > 0) meter.sampler.emplace(rule.sample.per_second);
        meter.records_left = static_cast<double>(rule.limits.records_per_second) * burst_seconds;
        meter.bytes_left = static_cast<double>(rule.limits.bytes_per_second) * burst_seconds;
    }
}

bool Rules::sampled(Active& active, const record::Record& record) const {
    const directive::Sample& sample = active.rule.sample;
    // By the time of the turn: records tell of times past, in no order.
    if (auto& sampler = active.rule.meter->sampler) return sampler->take(record, last_ != 0 ? last_ : record.timestamp());
    return sample.one_in <= 1 || directive::in_sample(record, sample.one_in);
}

bool Rules::used_up(const Active& active) {
    const RuleLimits& limits = active.rule.limits;
    RuleCounts& counts = *active.rule.counts;
    if (counts.used_up.load(std::memory_order_relaxed)) return true;
    if ((limits.records == 0 || counts.sent.load(std::memory_order_relaxed) < limits.records) &&
        (limits.bytes == 0 || counts.bytes.load(std::memory_order_relaxed) < limits.bytes))
        return false;
    counts.used_up.store(true, std::memory_order_relaxed);
    return true;
}

bool Rules::over_rate(const Active& active) {
    const RuleLimits& limits = active.rule.limits;
    const RuleMeter& meter = *active.rule.meter;
    return (limits.records_per_second && meter.records_left < 1) || (limits.bytes_per_second && meter.bytes_left <= 0);
}

void Rules::choose(const record::Record& record) {
    for (const uint32_t index : by_type_[static_cast<size_t>(record.type())]) {
        Active& active = rules_[index];
        Rule& rule = active.rule;
        if (rule.counts->used_up.load(std::memory_order_relaxed)) continue;
        if (rule.selection.filter && !rule.selection.filter->matches(record)) continue;
        count(rule.counts->matched);
        if (!sampled(active, record)) {
            count(rule.counts->sampled_out);
        } else if (rule.sums) {
            rule.sums->add(record);
        } else if (used_up(active)) {
            continue;
        } else if (over_rate(active)) {
            count(rule.counts->limited);
        } else {
            chosen_.push_back(&active);
        }
    }
}

void Rules::route_wanted(const record::Record& record) {
    if (!begun_) begin();
    chosen_.clear();
    choose(record);
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
        RuleMeter& meter = *active->rule.meter;
        meter.records_left -= 1;
        // The record that crosses the line is the last: what is owed is paid first.
        meter.bytes_left -= static_cast<double>(bytes);
    }
}

void Rules::send_sums(Active& active, size_t most, bool whatever) {
    for (; most > 0 && !used_up(active) && (whatever || !over_rate(active)); most--) {
        const record::Record* made = active.rule.sums->next();
        if (!made) return;
        chosen_.assign(1, &active);
        choose(*made);
        send(*made);
        if (on_made) on_made(*made);
    }
}

// What the rate lets out, and what is left as one.
void Rules::send_all_sums(Active& active) {
    send_sums(active, SIZE_MAX, false);
    if (used_up(active)) return;
    count(active.rule.counts->limited, active.rule.sums->fold());
    send_sums(active, SIZE_MAX, true);
}

void Rules::flush(int64_t now) {
    if (!begun_) begin();
    if (last_ == 0 || now < last_) last_ = now;
    const double passed = static_cast<double>(now - last_) / second;
    last_ = now;
    for (Active& active : rules_) {
        const auto refill = [&](double& left, uint64_t rate) {
            const double full = static_cast<double>(rate);
            left = std::min(left + full * passed, full * burst_seconds);
        };
        refill(active.rule.meter->records_left, active.rule.limits.records_per_second);
        refill(active.rule.meter->bytes_left, active.rule.limits.bytes_per_second);
        if (!active.rule.sums || used_up(active)) continue;
        if (active.rule.sums->advance(now)) {
            send_all_sums(active);  // of the window before
            active.rule.sums->turn(now);
        }
        send_sums(active, sums_per_turn, false);
    }
    for (Way& way : ways_) way.sink->flush();
}

void Rules::finish(int64_t now, const Rules* next) {
    if (!begun_) begin();
    for (Active& active : rules_) {
        metric::Windows* sums = active.rule.sums.get();
        if (!sums || (next && std::ranges::any_of(next->rules_, [&](const Active& a) { return a.rule.sums.get() == sums; })))
            continue;
        sums->advance(now);
        send_all_sums(active);
        sums->turn(now);
        send_all_sums(active);
    }
    for (Way& way : ways_) way.sink->flush();
}

void Rules::tick() {
    for (Way& way : ways_) way.sink->tick();
}

}  // namespace cvf::pipeline
