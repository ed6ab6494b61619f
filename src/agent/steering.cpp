#include "agent/steering.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "agent/namesake.h"
#include "agent/steering_state.h"
#include "bus/subjects.h"
#include "directive/lease.h"
#include "directive/parse.h"
#include "directive/replay.h"
#include "directive/selection.h"
#include "directive/write.h"
#include "host/clock.h"
#include "host/usage.h"
#include "metric/windows.h"

namespace cvf::agent {

namespace {

// What is refused or degraded for a reason that may pass (a clock, a full disk) is tried again this often.
constexpr auto retry_every = std::chrono::seconds(30);
constexpr auto goodbye = std::chrono::milliseconds(1000);  // for the last word to arrive

using directive::Directive;
using directive::Kind;
using directive::Origin;
using directive::State;
using directive::Status;
using record::RecordType;
using Clock = std::chrono::steady_clock;

// A document that is wanted here, or what is wrong with it.
struct Wanted {
    Directive directive;
    std::string error;
    Origin origin = Origin::bus;
};

struct Running {
    Directive directive;
    Origin origin = Origin::bus;
    bool trusted = false;  // signed by a key this agent trusts
    std::string life;      // SteeringState::life_of()
    Status status;
    std::shared_ptr<pipeline::RuleCounts> counts = std::make_shared<pipeline::RuleCounts>();
    std::shared_ptr<pipeline::RuleMeter> meter = std::make_shared<pipeline::RuleMeter>();
    std::shared_ptr<metric::Windows> sums;  // of a directive that aggregates
    std::vector<std::shared_ptr<sink::RecordSink>> ways;
    // A limit in time is counted by a clock that nobody sets: so long it had been in force when this process took it up.
    std::optional<Clock::time_point> resumed;
    std::chrono::nanoseconds ran_before{0};

    std::chrono::nanoseconds ran() const { return resumed ? ran_before + (Clock::now() - *resumed) : ran_before; }
    bool in_force() const { return status.state == State::active || status.state == State::degraded; }
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
            // Another spec is another life: what a file asks for after a change has not ended with what it asked for before.
            if (own.metadata.uid.empty())
                own.metadata.uid = fmt::format("own-{:016x}", std::hash<std::string>()(directive::canonical_spec(own)));
            own_[directive::identity(own)] = {own, {}, Origin::file};
        }
        if (options_.bus) namesake_.emplace(*options_.bus, options_.node.name, options_.node.instance, 3 * options_.status_every);
    }

    ~Reconciler() override {
        stop();
        if (options_.bus) {
            directive::NodeStatus last = status();
            last.leaving = true;
            last.sent = host::utc_now();
            const std::string text = directive::to_json(last);
            options_.bus->put(bus::bucket::nodes, last.name, text);
            if (tell_change(last, text)) options_.bus->drain(goodbye);
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

    void finish(std::chrono::milliseconds wait) override {
        stop();  // from here on nobody else makes or ends ways
        ways_.finish(wait);
    }

 private:
    void stop() {
        watch_.reset();
        {
            const std::lock_guard lock(mutex_);
            stop_ = true;
        }
        wake_.notify_all();
        if (!thread_.joinable()) return;
        thread_.join();
        remember();
        state_.save();
    }

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
                publish_status(news);
                remember();
                state_.save();
                next_status = Clock::now() + options_.status_every;
            }
            ways_.sweep();
            lock.lock();
            if (!changed_ && !stop_)
                wake_.wait_for(lock, std::min<Clock::duration>(std::chrono::seconds(1), next_status - Clock::now()));
        }
    }

    // Ends what has run out, and tries again what could not be. True when something is new.
    bool review() {
        const int64_t now = host::utc_now();
        const bool over = std::ranges::any_of(running_, [&](const auto& one) {
            const Running& r = one.second;
            return r.in_force() && (r.counts->used_up.load(std::memory_order_relaxed) ||
                                    (r.status.ends > 0 && now >= r.status.ends) || !time_left(r));
        });
        const bool again = Clock::now() >= next_try_ && std::ranges::any_of(running_, [](const auto& one) {
                               const State state = one.second.status.state;
                               return state == State::rejected || state == State::degraded;
                           });
        return (over || again) && reconcile();
    }

    static bool time_left(const Running& r) {
        const std::chrono::nanoseconds limit = r.directive.spec.limits.duration;
        return limit.count() == 0 || r.ran() < limit;
    }

    // How far the limits of those that have some are used up: with the state file, for a next life of the agent.
    void remember() {
        for (const auto& [key, running] : running_) {
            const directive::Limits& limits = running.directive.spec.limits;
            if (!running.resumed || (limits.duration.count() == 0 && limits.records == 0 && limits.bytes == 0)) continue;
            if (SteeringState::Life* life = state_.at(key, running.life)) {
                life->ran = running.ran().count();
                life->sent = running.counts->sent.load(std::memory_order_relaxed);
                life->bytes = running.counts->bytes.load(std::memory_order_relaxed);
            }
        }
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
        const int64_t now = host::utc_now();
        next_try_ = Clock::now() + retry_every;
        std::map<std::string, Running> next;
        std::vector<pipeline::Rule> rules;
        bool in_force = false;
        const bool all = caught_up_.load();  // before the look at what there is, which may still be coming
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
                in_force |= !directive::lease_end(running.directive);  // someone who looks on asks for no less
                rules.push_back(std::move(*rule));
            }
        }
        if (all) state_.keep_only([&](const std::string& key) { return next.contains(key); });
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
        const Directive& d = wanted.directive;
        const bool trusted = wanted.origin == Origin::bus && directive::trusts(options_.policy, d);
        std::string life = SteeringState::life_of(d, trusted);
        if (const auto at = running_.find(key); at != running_.end() && wanted.error.empty()) {
            if (at->second.life == life && at->second.directive.spec == d.spec) {
                Running same = at->second;
                same.directive = d;
                same.status.uid = d.metadata.uid;
                same.status.generation = d.metadata.generation;
                return same;
            }
        }
        Running fresh;
        fresh.directive = d;
        fresh.origin = wanted.origin;
        fresh.trusted = trusted;
        fresh.life = std::move(life);
        fresh.status.directive = key;
        fresh.status.node = options_.node.name;
        fresh.status.uid = d.metadata.uid;
        fresh.status.generation = d.metadata.generation;
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
            running.sums.reset();  // the data path ends them; another time begins others
            return std::nullopt;
        };
        const auto expire = [&](std::string why) -> std::optional<pipeline::Rule> {
            set(running, State::expired, std::move(why), now);
            running.ways.clear();
            running.sums.reset();
            return std::nullopt;
        };
        if (const auto allowed = directive::judge(options_.policy, d, running.origin); !allowed) return reject(allowed.error());
        if (d.signature && d.signature->expires <= now) return expire("its signature has run out");
        if (running.trusted)
            if (const auto fresh = state_.guard().accept(d, now); !fresh) return reject(fresh.error());
        // A lease is over only for now: its asker may have been cut off, and puts it off again.
        const auto lease = directive::lease_end(d);
        if (lease && now >= *lease) return expire("nobody asks for it any more");
        SteeringState::Life* life = state_.at(running.status.directive, running.life);
        if (!life) return reject(fmt::format("this agent remembers {} directives, and there are more", SteeringState::max_known));
        if (!life->ended.empty()) return expire(life->ended);
        const auto end = [&](std::string why) {
            life->ended = why;
            return expire(std::move(why));
        };
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
        if (!running.resumed) {
            running.resumed = Clock::now();
            // The time the agent was away counts too, as far as the clock can be believed.
            if (life->began == 0 || life->began > now) life->began = now - life->ran;
            running.ran_before = std::chrono::nanoseconds(std::max(life->ran, now - life->began));
            running.counts->sent.store(life->sent, std::memory_order_relaxed);
            running.counts->bytes.store(life->bytes, std::memory_order_relaxed);
        }
        if (!time_left(running)) return end("its time is over");
        if (running.counts->used_up.load(std::memory_order_relaxed)) return end("its volume is used up");
        running.status.ends = lease ? *lease : 0;
        if (const auto limit = d.spec.limits.duration; limit.count() > 0)
            running.status.ends = now + std::chrono::nanoseconds(limit - running.ran()).count();
        if (d.signature && (running.status.ends == 0 || d.signature->expires < running.status.ends))
            running.status.ends = d.signature->expires;

        auto selection = directive::compile(d, directive::restriction_of(options_.policy, d));
        if (!selection) return reject(selection.error());
        pipeline::Rule rule;
        rule.directive = d.metadata.name;
        rule.selection.types = selection->types;
        if (!selection->filter.always_true()) rule.selection.filter = std::move(selection->filter);
        rule.selection.fields = selection->fields;
        rule.sample = d.spec.sample;
        rule.limits.records_per_second = d.spec.limits.record_rate;
        rule.limits.bytes_per_second = d.spec.limits.rate;
        rule.limits.records = d.spec.limits.records;
        rule.limits.bytes = d.spec.limits.bytes;
        rule.counts = running.counts;
        rule.meter = running.meter;
        if (d.spec.aggregate && !running.sums) running.sums = windows_of(running.status.directive, *d.spec.aggregate, now);
        rule.sums = running.sums;
        std::string missing;
        for (const directive::Output& output : d.spec.output) {
            auto way = ways_.find(output, running.origin == Origin::file);
            if (way)
                rule.ways.push_back(std::move(*way));
            else
                missing += (missing.empty() ? "" : "; ") + way.error();
        }
        running.ways = rule.ways;
        if (rule.ways.empty()) return reject(missing);
        if (missing.empty())
            set(running, State::active, {}, now);
        else
            set(running, State::degraded, missing, now);
        return rule;
    }

    std::shared_ptr<metric::Windows> windows_of(const std::string& name, const directive::Aggregate& aggregate, int64_t now) {
        metric::WindowOptions options;
        options.length = aggregate.window.count();
        for (const std::string& key : aggregate.by)
            if (const auto field = record::field_by_key(key)) options.by.push_back(*field);  // checked with the directive
        const auto sums = [&](directive::Sum sum) { return std::ranges::find(aggregate.values, sum) != aggregate.values.end(); };
        options.bytes = sums(directive::Sum::bytes);
        options.packets = sums(directive::Sum::packets);
        options.latency = sums(directive::Sum::latency);
        options.directive = name;
        options.node = options_.node.name;
        // Nobody else's: of this node, this life of the agent, and the windows begun in it.
        options.id_seed = std::hash<std::string>()(
            fmt::format("{} {} {} {}", options_.node.name, options_.node.instance, options_.node.started, ++windows_begun_));
        options.born = now;
        return std::make_shared<metric::Windows>(std::move(options));
    }

    // Each change also as a message, for whoever follows what happens: the document is only the last. One that the bus does not
    // take now goes with a later status. False: not taken.
    bool tell_change(const directive::NodeStatus& s, std::string_view text) {
        const bus::Header headers[] = {{bus::header::content_type, "application/json"}};
        bus::Message message;
        const std::string subject = bus::subject::status(s.name);
        message.subject = subject;
        message.payload = text;
        message.headers = headers;
        message.durable = true;
        return options_.bus->publish(message) == bus::Accepted::yes;
    }

    void publish_status(bool news) {
        directive::NodeStatus s = options_.node;
        s.sent = host::utc_now();
        if (options_.numbers) s.numbers = options_.numbers();
        s.numbers.records_lost += ways_.lost();
        add_rates(s.numbers);
        for (const auto& [key, running] : running_) {
            Status status = running.status;
            const pipeline::RuleCounts& counts = *running.counts;
            status.matched = counts.matched.load(std::memory_order_relaxed);
            status.sampled_out = counts.sampled_out.load(std::memory_order_relaxed);
            status.limited = counts.limited.load(std::memory_order_relaxed);
            status.sent = counts.sent.load(std::memory_order_relaxed);
            status.bytes = counts.bytes.load(std::memory_order_relaxed);
            // What its own ways out gave up; that of the bus is all directives' together and stands with the node's numbers.
            for (const auto& way : running.ways)
                if (way != options_.ways.bus) status.lost += way->stats().lost;
            s.directives.push_back(std::move(status));
        }
        if (namesake_)
            if (auto problem = namesake_->look()) s.problems.push_back(std::move(*problem));
        if (options_.ways.bus)
            if (const auto error = options_.ways.bus->stats().last_error; !error.empty())
                s.problems.push_back("records for the bus: " + error);
        {
            const std::lock_guard lock(mutex_);
            status_ = s;
        }
        // What the bus does not take now is told again in a few seconds.
        if (!options_.bus) return;
        const std::string text = directive::to_json(s);
        if (const auto put = options_.bus->put(bus::bucket::nodes, s.name, text)) namesake_->wrote(*put);
        untold_ |= news;
        if (untold_ && tell_change(s, text)) untold_ = false;
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
    uint64_t windows_begun_ = 0;
    Clock::time_point next_try_{};
    std::optional<Namesake> namesake_;
    bool untold_ = true;  // a change of which no message has gone out; to begin is one
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
