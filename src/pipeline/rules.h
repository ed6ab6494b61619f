// What directives ask of the records of this node: the union of all rules in force.
//
// A rule is one directive as the data path sees it: which records, of how many conversations, with which fields, how much of
// them, where to. A record that several rules want goes to each place once, with every field that one of them wants there.
//
// Rules are built whole by whoever reconciles directives, and put in place between two turns of the pipeline (RuleSlot). The
// counts of a rule live as long as someone looks at them; a rule that stays in force while others come and go keeps its own.
//
// Thread rule: Rules belongs to the pipeline's thread. RuleCounts and RuleSlot may be used by any.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "directive/directive.h"
#include "directive/sample.h"
#include "pipeline/outlet.h"
#include "sink/record_sink.h"

namespace cvf::pipeline {

// 0: without limit.
struct RuleLimits {
    uint64_t records_per_second = 0, bytes_per_second = 0;
    uint64_t records = 0, bytes = 0;  // in all: then the rule is over
};

// Plain counts since the rule came into force, in records where nothing else is said.
struct RuleCounts {
    std::atomic<uint64_t> matched{0};      // by type and filter
    std::atomic<uint64_t> sampled_out{0};  // of them, of conversations not in the sample
    std::atomic<uint64_t> limited{0};      // of them, over the rate
    std::atomic<uint64_t> sent{0}, bytes{0};
    std::atomic<bool> used_up{false};  // a limit in all is reached: nothing more comes from this rule
};

// Takes records instead of sending them, and makes others of them (aggregation).
class Aggregator {
 public:
    using Emit = std::function<void(record::Record&)>;
    virtual ~Aggregator() = default;
    virtual void add(const record::Record& record) = 0;
    // The time that has come, as UTC nanoseconds: emits what windows ended.
    virtual void advance(int64_t now, const Emit& emit) = 0;
};

struct Rule {
    std::string directive;  // its name
    Selection selection;
    directive::Sample sample;
    RuleLimits limits;
    std::vector<std::shared_ptr<sink::RecordSink>> ways;
    std::shared_ptr<Aggregator> aggregate;  // null: records go out as they are. The pipeline's thread alone uses it
    std::shared_ptr<RuleCounts> counts = std::make_shared<RuleCounts>();
};

class Rules {
 public:
    Rules() = default;
    explicit Rules(std::vector<Rule> rules);

    // Types of which a record might be wanted.
    TypeBits wanted() const { return wanted_; }
    bool empty() const { return rules_.empty(); }

    void route(const record::Record& record) {
        if (wanted_[static_cast<size_t>(record.type())]) route_wanted(record);
    }
    // Once each turn: `now` as UTC nanoseconds. Refills rates and lets the ways send what is due.
    void flush(int64_t now);
    // About once a second.
    void tick();

 private:
    struct Active {
        Rule rule;
        std::vector<size_t> ways;  // in ways_
        std::optional<directive::RateSampler> sampler;
        double records_left = 0, bytes_left = 0;  // of the rate, now
    };
    struct Way {
        std::shared_ptr<sink::RecordSink> sink;
        record::Projection fields;  // of the rules that want the record at hand here
        bool wanted = false, all_fields = false;
        size_t bytes = 0;
    };

    void route_wanted(const record::Record& record);
    static bool sampled(Active& active, const record::Record& record);
    bool allowed(Active& active);
    void send(const record::Record& record);

    std::vector<Active> rules_;
    std::vector<Way> ways_;
    std::array<std::vector<uint32_t>, record::type_count> by_type_;  // indices into rules_
    std::vector<Active*> chosen_;                                    // by the record at hand
    TypeBits wanted_;
    int64_t last_ = 0;
};

// Where the next set of rules waits for the pipeline.
class RuleSlot {
 public:
    void put(std::unique_ptr<Rules> rules) {
        std::lock_guard lock(mutex_);
        next_ = std::move(rules);
        filled_.store(true, std::memory_order_release);
    }
    // Null when there is nothing new.
    std::unique_ptr<Rules> take() {
        if (!filled_.load(std::memory_order_acquire)) return nullptr;
        std::lock_guard lock(mutex_);
        filled_.store(false, std::memory_order_relaxed);
        return std::move(next_);
    }

 private:
    std::mutex mutex_;
    std::unique_ptr<Rules> next_;
    std::atomic<bool> filled_{false};
};

}  // namespace cvf::pipeline
