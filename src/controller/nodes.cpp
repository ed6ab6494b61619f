#include "controller/nodes.h"

#include <algorithm>
#include <atomic>
#include <ctime>
#include <map>
#include <mutex>

#include "bus/subjects.h"
#include "controller/listeners.h"
#include "directive/selection.h"

namespace cvf::controller {

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto forgotten_after = std::chrono::hours(24);

int64_t utc_now() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

class Registry final : public Nodes {
 public:
    explicit Registry(bus::Bus& bus) : bus_(bus) {}

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
    struct Known {
        directive::NodeStatus status;
        Clock::time_point seen;
        int64_t skew = 0;  // the least of this instance
    };

    static bool is_lost(const Known& known, Clock::time_point now) {
        return known.status.leaving || now - known.seen > lost_after;
    }
    static Node as_node(const Known& known, Clock::time_point now) {
        return {known.status, now - known.seen, is_lost(known, now), std::chrono::nanoseconds(known.skew)};
    }

    void told(const bus::Document* document) {
        if (!document) {
            ready_.store(true, std::memory_order_release);
            return;
        }
        Node news;
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
            const int64_t now = utc_now();
            const auto late = std::chrono::nanoseconds(std::max<int64_t>(0, now - status->sent));
            const bool fresh = ready() || late < lost_after;
            const int64_t skew = now - status->sent;
            known.skew = known.status.instance == status->instance && std::abs(known.skew) < std::abs(skew) ? known.skew : skew;
            known.seen = fresh ? Clock::now() : Clock::now() - std::min<Clock::duration>(late, forgotten_after);
            known.status = std::move(*status);
            news = as_node(known, Clock::now());
        }
        version_.fetch_add(1, std::memory_order_release);
        listeners_.tell(news);
    }

    bus::Bus& bus_;
    std::atomic<bool> ready_{false};
    std::atomic<uint64_t> version_{0};
    mutable std::mutex mutex_;
    std::map<std::string, Known, std::less<>> all_;
    Listeners<Node> listeners_;
    std::unique_ptr<bus::Subscription> watch_;  // last: it calls told()
};

}  // namespace

std::expected<std::unique_ptr<Nodes>, std::string> Nodes::open(bus::Bus& bus) {
    auto registry = std::make_unique<Registry>(bus);
    if (auto error = registry->open()) return std::unexpected(std::move(*error));
    return registry;
}

}  // namespace cvf::controller
