#include "controller/directives.h"

#include <fmt/format.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>

#include "bus/subjects.h"
#include "controller/listeners.h"
#include "controller/uuid.h"
#include "directive/parse.h"
#include "directive/write.h"

namespace cvf::controller {

namespace {

std::string key_of(directive::Kind kind, std::string_view name) {
    return fmt::format("{}/{}", directive::name_of(kind), name);
}

class Mirror final : public Directives {
 public:
    Mirror(bus::Bus& bus, Audit& audit) : bus_(bus), audit_(audit) {}

    std::optional<std::string> open() {
        auto watch = bus_.watch(bus::bucket::directives, [this](const bus::Document* document) { told(document); });
        if (!watch) return watch.error();
        watch_ = std::move(*watch);
        return std::nullopt;
    }

    bool ready() const override { return ready_.load(std::memory_order_acquire); }
    uint64_t version() const override { return version_.load(std::memory_order_acquire); }

    std::vector<Stored> list() const override {
        const std::lock_guard lock(mutex_);
        std::vector<Stored> out;
        for (const auto& [key, stored] : all_) out.push_back(stored);
        return out;
    }

    std::optional<Stored> find(directive::Kind kind, std::string_view name) const override {
        const std::lock_guard lock(mutex_);
        const auto at = all_.find(key_of(kind, name));
        return at == all_.end() ? std::nullopt : std::optional(at->second);
    }

    std::expected<Applied, Refusal> apply(const directive::Directive& wanted, const Who& who, bool dry_run,
                                          std::optional<uint64_t> expected) override {
        const std::string key = key_of(wanted.kind, wanted.metadata.name);
        if (auto problems = directive::validate(wanted); !problems.empty()) {
            Refusal refusal{422, fmt::format("{} is not valid", key), std::move(problems)};
            refuse(who, "apply", key, refusal.problems.front().show());
            return std::unexpected(std::move(refusal));
        }
        if (!ready()) return std::unexpected(Refusal{503, "the bus has not told yet what is in force", {}});
        // Another controller may change it between our look and our put: then look again.
        for (int attempt = 0; attempt < 5; attempt++) {
            const auto there = find(wanted.kind, wanted.metadata.name);
            const uint64_t revision = there ? there->revision : 0;
            if (expected && *expected != revision) return std::unexpected(gone(key, *expected, revision));
            directive::Applied applied = directive::apply(there ? &there->directive : nullptr, wanted, random_uuid());
            if (dry_run || applied.change == directive::Change::unchanged)
                return Applied{applied.change, {std::move(applied.directive), revision}};
            const auto put = bus_.put(bus::bucket::directives, key, directive::canonical(applied.directive), revision);
            if (put) {
                Stored stored{std::move(applied.directive), *put};
                audit_.note({0,
                             who,
                             "apply",
                             key,
                             stored.directive.metadata.generation,
                             directive::change_names[static_cast<size_t>(applied.change)],
                             {}});
                await(*put);
                return Applied{applied.change, std::move(stored)};
            }
            if (!changes(key, revision)) return std::unexpected(Refusal{503, put.error(), {}});
        }
        return std::unexpected(Refusal{409, fmt::format("{} is being changed by others; try again", key), {}});
    }

    std::expected<Stored, Refusal> remove(directive::Kind kind, std::string_view name, const Who& who,
                                          std::optional<uint64_t> expected) override {
        const std::string key = key_of(kind, name);
        if (!ready()) return std::unexpected(Refusal{503, "the bus has not told yet what is in force", {}});
        auto there = find(kind, name);
        if (!there) return std::unexpected(Refusal{404, fmt::format("there is no {}", key), {}});
        if (expected && *expected != there->revision) return std::unexpected(gone(key, *expected, there->revision));
        if (const auto removed = bus_.remove(bus::bucket::directives, key, expected); !removed) {
            if (!expected || !changes(key, *expected)) return std::unexpected(Refusal{503, removed.error(), {}});
            const auto now = find(kind, name);
            return std::unexpected(gone(key, *expected, now ? now->revision : 0));
        }
        audit_.note({0, who, "delete", key, there->directive.metadata.generation, "deleted", {}});
        {
            // Who deletes and then lists does not see it any more; another of its name may be there by then.
            std::unique_lock lock(mutex_);
            seen_.wait_for(lock, told_within, [&] {
                const auto at = all_.find(key);
                return at == all_.end() || at->second.revision > there->revision;
            });
        }
        return std::move(*there);
    }

    std::shared_ptr<void> listen(Listener listener) override { return listeners_.add(std::move(listener)); }

 private:
    static Refusal gone(const std::string& key, uint64_t expected, uint64_t there) {
        return {
            409, fmt::format("{} has changed since you read it (revision {}, now {}); get it again", key, expected, there), {}};
    }

    void refuse(const Who& who, std::string action, const std::string& key, std::string reason) {
        audit_.note({0, who, std::move(action), key, 0, "refused", std::move(reason)});
    }

    static constexpr std::chrono::milliseconds told_within{2000};

    // Until the mirror has seen this revision: who applies and then lists sees what he applied.
    void await(uint64_t revision) {
        std::unique_lock lock(mutex_);
        seen_.wait_for(lock, told_within, [&] { return revision_ >= revision; });
    }

    // Waits until the mirror has another revision of it than this one (0: none); false: it was not that which stood in the way.
    bool changes(const std::string& key, uint64_t revision) {
        if (!bus_.state().connected) return false;
        std::unique_lock lock(mutex_);
        return seen_.wait_for(lock, told_within, [&] {
            const auto at = all_.find(key);
            return (at == all_.end() ? 0 : at->second.revision) != revision;
        });
    }

    void told(const bus::Document* document) {
        if (!document) {
            ready_.store(true, std::memory_order_release);
            return;
        }
        Event event;
        bool changed = true;
        const std::string key(document->key);
        if (document->removed) {
            const std::lock_guard lock(mutex_);
            const auto at = all_.find(key);
            changed = at != all_.end();
            if (changed) {
                event = {Event::What::deleted, std::move(at->second)};
                all_.erase(at);
            }
            revision_ = std::max(revision_, document->revision);
        } else {
            auto parsed = directive::parse_one(document->value);
            const std::lock_guard lock(mutex_);
            revision_ = std::max(revision_, document->revision);
            if (!parsed || directive::identity(*parsed) != key) {
                // Whoever wrote it went round every check; agents refuse it as well.
                audit_.note({0,
                             {"unknown", "", "bus"},
                             "apply",
                             key,
                             0,
                             "refused",
                             parsed ? "its key is not its kind and name" : parsed.error().front().show()});
                changed = all_.erase(key) > 0;
                if (!changed) return seen_.notify_all();
                event.what = Event::What::deleted;
            } else {
                Stored stored{std::move(*parsed), document->revision};
                event = {all_.contains(key) ? Event::What::modified : Event::What::added, stored};
                all_[key] = std::move(stored);
            }
        }
        version_.fetch_add(1, std::memory_order_release);
        seen_.notify_all();
        if (changed) listeners_.tell(event);
    }

    bus::Bus& bus_;
    Audit& audit_;
    std::atomic<bool> ready_{false};
    std::atomic<uint64_t> version_{0};
    mutable std::mutex mutex_;
    std::condition_variable seen_;
    std::map<std::string, Stored, std::less<>> all_;
    uint64_t revision_ = 0;  // the newest seen
    Listeners<Event> listeners_;
    std::unique_ptr<bus::Subscription> watch_;  // last: it calls told()
};

}  // namespace

std::expected<std::unique_ptr<Directives>, std::string> Directives::open(bus::Bus& bus, Audit& audit) {
    auto mirror = std::make_unique<Mirror>(bus, audit);
    if (auto error = mirror->open()) return std::unexpected(std::move(*error));
    return mirror;
}

}  // namespace cvf::controller
