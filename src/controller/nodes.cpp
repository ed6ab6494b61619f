#include "controller/nodes.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <utility>

#include "bus/subjects.h"
#include "controller/listeners.h"
#include "directive/selection.h"
#include "host/clock.h"

namespace cvf::controller {

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto forgotten_after = std::chrono::hours(24);
constexpr auto skew_holds = std::chrono::minutes(1);  // a clock may be set

class Registry final : public Nodes {
 public:
    Registry(bus::Bus& bus, Audit* audit) : bus_(bus), audit_(audit) {}

    std::optional<std::string> open() {
        auto watch = bus_.watch(bus::bucket::nodes, [this](const bus::Document* document) { told(document); });
        if (!watch) return watch.error();
        watch_ = std::move(*watch);
        return std::nullopt;
    }

    bool ready() const override { return ready_.load(std::memory_order_acquire); }
    uint64_t version() const override { return version_.load(std::memory_order_acquire); }

    std::vector<Node> list() const override {
        const std::lock_guard lock(mutex_);
        std::vector<Node> out;
        const auto now = Clock::now();
        for (const auto& [name, known] : all_)
            if (now - known.seen < forgotten_after) out.push_back(as_node(known, now));
        return out;
    }

    std::optional<Node> find(std::string_view name) const override {
        const std::lock_guard lock(mutex_);
        const auto at = all_.find(name);
        if (at == all_.end()) return std::nullopt;
        return as_node(at->second, Clock::now());
    }

    Standing standing(const directive::Directive& d) const override {
        const std::lock_guard lock(mutex_);
        const auto now = Clock::now();
        const std::string identity = directive::identity(d);
        std::vector<std::string> meant;
        Standing out;
        for (const auto& [name, known] : all_) {
            if (is_lost(known, now) || !directive::selects_node(d.spec.selector, name, known.status.labels)) continue;
            meant.push_back(name);
            for (const directive::Status& status : known.status.directives)
                if (status.directive == identity && status.uid == d.metadata.uid) out.agents.push_back(status);
        }
        out.summary = directive::summarize(d.metadata.uid, d.metadata.generation, meant, out.agents);
        return out;
    }

    std::shared_ptr<void> listen(Listener listener) override { return listeners_.add(std::move(listener)); }

 private:
    // One agent of several that have written under a name of late.
    struct Life {
        std::string instance, machine;
        Clock::time_point seen;
        std::optional<Clock::time_point> came_back = {};  // wrote again after another had: no restart looks like that
        bool alive(Clock::time_point now) const { return now - seen <= lost_after; }
        bool returned(Clock::time_point now) const { return came_back && now - *came_back <= lost_after; }
    };
    struct Known {
        directive::NodeStatus status;
        Clock::time_point seen;
        // What its clock is behind ours, ns, as the fastest status of the last minute has it: a slow one only seems to add to
        // that.
        int64_t behind = 0;
        Clock::time_point measured{};
        std::vector<Life> lives;
        bool doubled = false;  // as last told
    };
    static constexpr size_t most_lives = 8;

    static bool is_lost(const Known& known, Clock::time_point now) {
        return known.status.leaving || now - known.seen > lost_after;
    }
    static Node as_node(const Known& known, Clock::time_point now) {
        Node node{known.status, now - known.seen, is_lost(known, now), std::chrono::nanoseconds(-known.behind), {}};
        if (is_doubled(known, now))
            for (const Life& life : known.lives)
                if (life.instance != known.status.instance && life.alive(now)) node.namesakes.push_back(life.instance);
        return node;
    }

    // Of two that have been heard lately one came back: a restart has one that never does.
    static bool is_doubled(const Known& known, Clock::time_point now) {
        return std::ranges::count_if(known.lives, [&](const Life& life) { return life.alive(now); }) > 1 &&
               std::ranges::any_of(known.lives, [&](const Life& life) { return life.alive(now) && life.returned(now); });
    }

    // False: this is the last word of one of two, and the other goes on.
    static bool note_life(Known& known, const directive::NodeStatus& status, Clock::time_point now) {
        std::erase_if(known.lives, [&](const Life& life) { return now - life.seen > 2 * lost_after; });
        auto at = std::ranges::find(known.lives, status.instance, &Life::instance);
        if (status.leaving) {
            if (at != known.lives.end()) known.lives.erase(at);
            return std::ranges::none_of(known.lives, [&](const Life& life) { return life.alive(now) && life.returned(now); });
        }
        if (at == known.lives.end()) {
            if (known.lives.size() == most_lives) known.lives.erase(std::ranges::min_element(known.lives, {}, &Life::seen));
            known.lives.push_back({status.instance, status.machine, now});
            return true;
        }
        if (known.status.instance != status.instance) at->came_back = now;
        at->seen = now;
        return true;
    }

    // What is new about an agent's being alone with its name; nothing mostly.
    std::optional<AuditEntry> note_doubled(Known& known, Clock::time_point now) {
        if (std::exchange(known.doubled, is_doubled(known, now)) || !known.doubled) return std::nullopt;
        std::string who;
        for (const Life& life : known.lives)
            who += fmt::format("{}instance {} on machine {}", who.empty() ? "" : ", ", life.instance,
                               life.machine.empty() ? "unknown" : life.machine);
        AuditEntry entry;
        entry.who = {"controller", "", "bus"};
        entry.action = "notice";
        entry.object = "Node/" + known.status.name;
        entry.outcome = "doubled";
        entry.reason = "more than one agent is alive under this name: " + who;
        return entry;
    }

    void told(const bus::Document* document) {
        if (!document) {
            ready_.store(true, std::memory_order_release);
            return;
        }
        Node news;
        std::optional<AuditEntry> noticed;
        {
            const std::lock_guard lock(mutex_);
            const std::string key(document->key);
            if (document->removed) {
                all_.erase(key);
                version_.fetch_add(1, std::memory_order_release);
                return;
            }
            auto status = directive::node_status_from_json(document->value);
            if (!status || status->name != key) return;  // not an agent's
            Known& known = all_[key];
            // Before the watch has caught up a document may be of any age: its own clock says which.
            const int64_t now = host::utc_now();
            const auto late = std::chrono::nanoseconds(std::max<int64_t>(0, now - status->sent));
            const bool fresh = ready() || late < lost_after;
            const int64_t behind = now - status->sent;
            if (behind < known.behind || known.status.instance != status->instance ||
                Clock::now() - known.measured > skew_holds) {
                known.behind = behind;
                known.measured = Clock::now();
            }
            known.seen = fresh ? Clock::now() : Clock::now() - std::min<Clock::duration>(late, forgotten_after);
            const bool replaces = note_life(known, *status, known.seen);
            if (replaces) known.status = std::move(*status);
            noticed = note_doubled(known, known.seen);
            news = as_node(known, Clock::now());
        }
        if (noticed && audit_) audit_->note(std::move(*noticed));
        version_.fetch_add(1, std::memory_order_release);
        listeners_.tell(news);
    }

    bus::Bus& bus_;
    Audit* const audit_;
    std::atomic<bool> ready_{false};
    std::atomic<uint64_t> version_{0};
    mutable std::mutex mutex_;
    std::map<std::string, Known, std::less<>> all_;
    Listeners<Node> listeners_;
    std::unique_ptr<bus::Subscription> watch_;  // last: it calls told()
};

}  // namespace

std::expected<std::unique_ptr<Nodes>, std::string> Nodes::open(bus::Bus& bus, Audit* audit) {
    auto registry = std::make_unique<Registry>(bus, audit);
    if (auto error = registry->open()) return std::unexpected(std::move(*error));
    return registry;
}

}  // namespace cvf::controller
