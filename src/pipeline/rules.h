// What directives ask of the records of this node: the union of all rules in force.
//
// A rule is one directive as the data path sees it: which records, of how many conversations, with which fields, how much of
// them, where to. A record that several rules want goes to each place once, with every field that one of them wants there.
//
// A rule may send sums over windows of time in place of the records it takes (metric/windows.h). What it makes is a record like
// any other: other rules may want it too. Only what is summed already is never summed again. A window's records go out over
// several turns, so that no turn is long. Where the rate does not let all of them out until the next window is over, what is left
// goes out as one sum: no record that was taken is missing from the sums, unless the rule ends by its volume.
//
// Rules are built whole by whoever reconciles directives, and put in place between two turns of the pipeline (RuleSlot). The
// counts of a rule live as long as someone looks at them; a rule that stays in force while others come and go keeps its own, and
// its meter.
//
// Thread rule: Rules belongs to the pipeline's thread. RuleCounts and RuleSlot may be used by any.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "directive/directive.h"
#include "directive/sample.h"
#include "metric/windows.h"
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
    std::atomic<uint64_t> limited{0};      // of them, over the rate; of sums those that went out as one
    std::atomic<uint64_t> sent{0}, bytes{0};
    std::atomic<bool> used_up{false};  // a limit in all is reached: nothing more comes from this rule
};

// What a rule has left of its rates, and its share of conversations. Goes on when the set of rules is built anew, so that a
// change of another directive gives no second burst. The pipeline's thread alone uses it.
struct RuleMeter {
    std::optional<directive::RateSampler> sampler;
    double records_left = 0, bytes_left = 0;
    bool begun = false;
};

struct Rule {
    std::string directive;  // its name
    Selection selection;
    directive::Sample sample;
    RuleLimits limits;
    std::vector<std::shared_ptr<sink::RecordSink>> ways;
    std::shared_ptr<metric::Windows> sums;  // null: records go out as they are. The pipeline's thread alone uses it
    std::shared_ptr<RuleCounts> counts = std::make_shared<RuleCounts>();
    std::shared_ptr<RuleMeter> meter = std::make_shared<RuleMeter>();
};

class Rules {
 public:
    Rules() = default;
    explicit Rules(std::vector<Rule> rules);

    // Types of which a record might be wanted.
    TypeBits wanted() const { return wanted_; }
    template <typename F>
    void each_selection(F&& see) const {
        for (const Active& active : rules_) see(active.rule.selection);
    }
    bool empty() const { return rules_.empty(); }

    void route(const record::Record& record) {
        if (wanted_[static_cast<size_t>(record.type())]) route_wanted(record);
    }
    // Once each turn: `now` as UTC nanoseconds. Refills rates, ends windows and lets the ways send what is due.
    void flush(int64_t now);
    // No record comes any more: sends the sums of windows that are open, but of those that `next` goes on with (null: there is
    // none). Nothing but another finish() may follow.
    void finish(int64_t now, const Rules* next = nullptr);
    // Told of each record that a rule has made; may be empty.
    std::function<void(const record::Record&)> on_made;

    // About once a second.
    void tick();

 private:
    struct Active {
        Rule rule;
        std::vector<size_t> ways;  // in ways_
    };
    struct Way {
        std::shared_ptr<sink::RecordSink> sink;
        record::Projection fields;  // of the rules that want the record at hand here
        bool wanted = false, all_fields = false;
        size_t bytes = 0;
    };

    void begin();
    void route_wanted(const record::Record& record);
    bool sampled(Active& active, const record::Record& record) const;
    // Adds to chosen_ the rules that want the record as it is; those that sum take it.
    void choose(const record::Record& record);
    static bool used_up(const Active& active);
    static bool over_rate(const Active& active);
    void send(const record::Record& record);
    // Sends so many of the sums that are due, as far as the rate allows, or `whatever` it says.
    void send_sums(Active& active, size_t most, bool whatever);
    void send_all_sums(Active& active);

    std::vector<Active> rules_;
    std::vector<Way> ways_;
    std::array<std::vector<uint32_t>, record::type_count> by_type_;  // indices into rules_
    std::vector<Active*> chosen_;                                    // by the record at hand
    TypeBits wanted_;
    bool begun_ = false;
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
