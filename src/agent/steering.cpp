#include "agent/steering.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <ctime>
#include <map>
#include <mutex>
#include <thread>

#include "agent/steering_state.h"
#include "bus/subjects.h"
#include "config/quantity.h"
#include "directive/parse.h"
#include "directive/replay.h"
#include "directive/selection.h"
#include "host/usage.h"

namespace cvf::agent {

namespace {

constexpr const char* lease_label = "cvf/until";  // UTC seconds: whoever asked puts it off for as long as he is there

using directive::Directive;
using directive::Kind;
using directive::Origin;
using directive::State;
using directive::Status;
using record::RecordType;
using Clock = std::chrono::steady_clock;

int64_t utc_now() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

// A document that is wanted here, or what is wrong with it.
struct Wanted {
    Directive directive;
    std::string error;
    Origin origin = Origin::bus;
};

struct Running {
    Directive directive;
    Origin origin = Origin::bus;
    Status status;
    std::shared_ptr<pipeline::RuleCounts> counts = std::make_shared<pipeline::RuleCounts>();
    std::shared_ptr<pipeline::Aggregator> aggregate;
    int64_t began = 0;  // UTC ns: first in force
};

pipeline::Selection types_only(std::initializer_list<RecordType> types) {
    pipeline::Selection selection;
    selection.types.reset();
    for (const RecordType type : types) selection.types.set(static_cast<size_t>(type));
    return selection;
}

class Reconciler final : public Steering {
 public:
    explicit Reconciler(SteeringOptions options)
        : options_(std::move(options)), ways_(options_.ways), state_(SteeringState::load(options_.state_file)) {
        for (Directive& own : options_.own) {
            own.metadata.generation = std::max<uint64_t>(own.metadata.generation, 1);
            if (own.metadata.uid.empty()) own.metadata.uid = "own";
            own_[directive::identity(own)] = {own, {}, Origin::file};
        }
    }

    ~Reconciler() override {
        watch_.reset();
        {
            const std::lock_guard lock(mutex_);
            stop_ = true;
        }
        wake_.notify_all();
        if (thread_.joinable()) thread_.join();
        if (options_.bus) {
            directive::NodeStatus last = status();
            last.leaving = true;
            last.sent = utc_now();
            options_.bus->put(bus::bucket::nodes, last.name, directive::to_json(last));
        }
    }

    std::optional<std::string> open() {
        // What the agent's own configuration asks for holds from the first packet, whether or not there is a broker.
        reconcile();
        if (options_.bus) {
            auto watch = options_.bus->watch(bus::bucket::directives, [this](const bus::Document* document) { told(document); });
            if (!watch) return watch.error();
            watch_ = std::move(*watch);
        }
        thread_ = std::thread([this] { work(); });
        return std::nullopt;
    }

    directive::NodeStatus status() const override {
        const std::lock_guard lock(mutex_);
        return status_;
    }

    void finish(std::chrono::milliseconds wait) override { ways_.finish(wait); }

 private:
    void told(const bus::Document* document) {
        const std::lock_guard lock(mutex_);
        if (!document) caught_up_ = true;
        if (document) {
            const std::string key(document->key);
            if (document->removed) {
                from_bus_.erase(key);
            } else {
                Wanted wanted;
                if (auto parsed = directive::parse_one(document->value)) {
                    wanted.directive = std::move(*parsed);
                    if (directive::identity(wanted.directive) != key) wanted.error = "its key is not its kind and name";
                } else {
                    wanted.error = parsed.error().front().show();
                }
                from_bus_[key] = std::move(wanted);
            }
        }
        changed_ = true;
        wake_.notify_all();
    }

    void work() {
        auto next_status = Clock::now();
        std::unique_lock lock(mutex_);
        while (!stop_) {
            const bool changed = std::exchange(changed_, false);
            lock.unlock();
            const bool news = changed ? reconcile() : review();
            if (news || Clock::now() >= next_status) {
                publish_status();
                next_status = Clock::now() + options_.status_every;
            }
            ways_.sweep();
            lock.lock();
            if (!changed_ && !stop_)
                wake_.wait_for(lock, std::min<Clock::duration>(std::chrono::seconds(1), next_status - Clock::now()));
        }
    }

    // Ends what has run out. True when something has.
    bool review() {
        const int64_t now = utc_now();
        const bool due = std::ranges::any_of(running_, [&](const auto& one) {
            const Running& r = one.second;
            return (r.status.state == State::active || r.status.state == State::degraded) &&
                   (r.counts->used_up.load(std::memory_order_relaxed) || (r.status.ends > 0 && now >= r.status.ends));
        });
        return due && reconcile();
    }

    std::map<std::string, Wanted> wanted() {
        std::map<std::string, Wanted> all = own_;
        const std::lock_guard lock(mutex_);
        for (const auto& [key, one] : from_bus_)
            if (!all.contains(key)) all[key] = one;  // the agent's own configuration has the last word
        return all;
    }

    // Compares what is wanted with what runs and hands the data path a new set of rules. True when a status has changed.
    bool reconcile() {
        const int64_t now = utc_now();
        std::map<std::string, Running> next;
        std::vector<pipeline::Rule> rules;
        bool in_force = false;
        for (auto& [key, one] : wanted()) {
            if (one.error.empty() &&
                !directive::selects_node(one.directive.spec.selector, options_.node.name, options_.node.labels))
                continue;
            Running& running = next[key] = take_over(key, one);
            if (!one.error.empty()) {
                set(running, State::rejected, one.error, now);
                continue;
            }
            if (auto rule = put_in_force(running, now)) {
                in_force |= !running.directive.metadata.labels.contains(lease_label);  // someone who looks on asks for no less
                rules.push_back(std::move(*rule));
            }
        }
        if (caught_up_.load()) state_.keep_only([&](const std::string& key) { return next.contains(key); });
        if (options_.ways.bus) {
            // What everyone may count on: health always, and flows when nobody has asked for anything.
            pipeline::Rule rule;
            rule.selection = !in_force && options_.flows_by_default ? types_only({RecordType::flow, RecordType::health})
                                                                    : types_only({RecordType::health});
            rule.ways.push_back(options_.ways.bus);
            rules.push_back(std::move(rule));
        }
        const bool news = !std::ranges::equal(next, running_, [](const auto& a, const auto& b) {
            const Status &x = a.second.status, &y = b.second.status;
            return a.first == b.first && x.state == y.state && x.generation == y.generation && x.uid == y.uid &&
                   x.reason == y.reason;
        });
        running_ = std::move(next);
        if (options_.slot) options_.slot->put(std::make_unique<pipeline::Rules>(std::move(rules)));
        state_.save();
        return news;
    }

    // What runs under this name already goes on, if it is the same; else begins anew.
    Running take_over(const std::string& key, const Wanted& wanted) {
        if (const auto at = running_.find(key); at != running_.end()) {
            const Directive& old = at->second.directive;
            if (old.metadata.uid == wanted.directive.metadata.uid && old.spec == wanted.directive.spec &&
                old.signature == wanted.directive.signature) {
                Running same = at->second;
                same.directive = wanted.directive;
                same.status.generation = wanted.directive.metadata.generation;
                return same;
            }
        }
        Running fresh;
        fresh.directive = wanted.directive;
        fresh.origin = wanted.origin;
        fresh.status.directive = key;
        fresh.status.node = options_.node.name;
        fresh.status.uid = wanted.directive.metadata.uid;
        fresh.status.generation = wanted.directive.metadata.generation;
        return fresh;
    }

    static void set(Running& running, State state, std::string reason, int64_t now) {
        if (running.status.state == state && running.status.reason == reason && running.status.since != 0) return;
        running.status.state = state;
        running.status.reason = std::move(reason);
        running.status.since = now;
    }

    // The rule of a directive that may and can run; nothing, and a status that says why, otherwise.
    std::optional<pipeline::Rule> put_in_force(Running& running, int64_t now) {
        const Directive& d = running.directive;
        const auto reject = [&](std::string why) -> std::optional<pipeline::Rule> {
            set(running, State::rejected, std::move(why), now);
            return std::nullopt;
        };
        const auto expire = [&](std::string why) -> std::optional<pipeline::Rule> {
            state_.ended(running.status.directive, d.metadata.uid, d.metadata.generation, why);
            set(running, State::expired, std::move(why), now);
            return std::nullopt;
        };
        if (running.status.state == State::expired) return std::nullopt;
        if (const auto why = state_.why_ended(running.status.directive, d.metadata.uid, d.metadata.generation); !why.empty())
            return expire(why);
        if (const auto allowed = directive::judge(options_.policy, d, running.origin); !allowed) return reject(allowed.error());
        if (running.origin == Origin::bus && d.signature)
            if (const auto fresh = state_.guard().accept(d, now); !fresh) return reject(fresh.error());
        switch (d.kind) {
            case Kind::metadata:
            case Kind::flow:
                break;
            case Kind::capture:
            case Kind::plaintext:
            case Kind::topology:
                return reject(fmt::format("this version of the agent has no {} yet", directive::name_of(d.kind)));
        }
        if (d.spec.tap == directive::Tap::wire) return reject("this version of the agent has no wire tap yet");
        if (d.spec.aggregate) return reject("this version of the agent does not aggregate yet");
        if (running.began == 0)
            running.began = state_.began(running.status.directive, d.metadata.uid, d.metadata.generation, now);
        running.status.ends = d.spec.limits.duration.count() > 0 ? running.began + d.spec.limits.duration.count() : 0;
        if (const auto until = d.metadata.labels.find(lease_label); until != d.metadata.labels.end())
            if (const auto seconds = config::parse_count(until->second); seconds && *seconds < INT64_MAX / 1'000'000'000)
                running.status.ends = static_cast<int64_t>(*seconds) * 1'000'000'000;
        if (d.signature && (running.status.ends == 0 || d.signature->expires < running.status.ends))
            running.status.ends = d.signature->expires;
        if (running.status.ends > 0 && now >= running.status.ends) return expire("its time is over");
        if (running.counts->used_up.load(std::memory_order_relaxed)) return expire("its volume is used up");

        auto selection = directive::compile(d, directive::restriction_of(options_.policy, d));
        if (!selection) return reject(selection.error());
        pipeline::Rule rule;
        rule.directive = d.metadata.name;
        rule.selection.types = selection->types;
        if (!selection->filter.always_true()) rule.selection.filter = std::move(selection->filter);
        rule.selection.fields = std::move(selection->fields);
        rule.sample = d.spec.sample;
        rule.limits.records_per_second = d.spec.limits.record_rate;
        rule.limits.bytes_per_second = d.spec.limits.rate;
        rule.limits.records = d.spec.limits.records;
        rule.limits.bytes = d.spec.limits.bytes;
        rule.counts = running.counts;
        rule.aggregate = running.aggregate;
        std::string missing;
        for (const directive::Output& output : d.spec.output) {
            auto way = ways_.find(output, running.origin == Origin::file);
            if (way)
                rule.ways.push_back(std::move(*way));
            else
                missing += (missing.empty() ? "" : "; ") + way.error();
        }
        if (rule.ways.empty()) return reject(missing);
        if (missing.empty())
            set(running, State::active, {}, now);
        else
            set(running, State::degraded, missing, now);
        return rule;
    }

    void publish_status() {
        directive::NodeStatus s = options_.node;
        s.sent = utc_now();
        if (options_.numbers) s.numbers = options_.numbers();
        add_rates(s.numbers);
        for (const auto& [key, running] : running_) {
            Status status = running.status;
            const pipeline::RuleCounts& counts = *running.counts;
            status.matched = counts.matched.load(std::memory_order_relaxed);
            status.sampled_out = counts.sampled_out.load(std::memory_order_relaxed);
            status.limited = counts.limited.load(std::memory_order_relaxed);
            status.sent = counts.sent.load(std::memory_order_relaxed);
            status.bytes = counts.bytes.load(std::memory_order_relaxed);
            s.directives.push_back(std::move(status));
        }
        {
            const std::lock_guard lock(mutex_);
            status_ = s;
        }
        // What the bus does not take now is told again in a few seconds.
        if (options_.bus) options_.bus->put(bus::bucket::nodes, s.name, directive::to_json(s));
    }

    void add_rates(directive::NodeNumbers& n) {
        const host::Usage usage = host::own_usage();
        n.memory = usage.resident_bytes;
        const auto now = Clock::now();
        const double seconds = std::chrono::duration<double>(now - rated_at_).count();
        if (seconds > 0.1) {
            const auto rate = [&](uint64_t is, uint64_t was) {
                return is > was ? static_cast<uint64_t>(static_cast<double>(is - was) / seconds) : 0;
            };
            rates_.records_per_second = rate(n.records_made, rated_.records_made);
            rates_.bytes_per_second = rate(n.bytes_published, rated_.bytes_published);
            rates_.cpu = static_cast<uint64_t>(std::max(0.0, usage.cpu_seconds - rated_cpu_) / seconds * 1000);
            rated_ = n;
            rated_cpu_ = usage.cpu_seconds;
            rated_at_ = now;
        }
        n.records_per_second = rates_.records_per_second;
        n.bytes_per_second = rates_.bytes_per_second;
        n.cpu = rates_.cpu;
    }

    SteeringOptions options_;
    std::map<std::string, Wanted> own_;

    // The thread's (and open()'s).
    Ways ways_;
    SteeringState state_;
    std::map<std::string, Running> running_;
    directive::NodeNumbers rated_, rates_;
    double rated_cpu_ = 0;
    Clock::time_point rated_at_ = Clock::now();

    std::atomic<bool> caught_up_{false};  // from_bus_ is all that is there
    mutable std::mutex mutex_;
    std::condition_variable wake_;
    std::map<std::string, Wanted> from_bus_;
    directive::NodeStatus status_;
    bool changed_ = false, stop_ = false;
    std::thread thread_;
    std::unique_ptr<bus::Subscription> watch_;
};

}  // namespace

std::expected<std::unique_ptr<Steering>, std::string> Steering::start(SteeringOptions options) {
    auto steering = std::make_unique<Reconciler>(std::move(options));
    if (auto error = steering->open()) return std::unexpected(std::move(*error));
    return steering;
}

}  // namespace cvf::agent
