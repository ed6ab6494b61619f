#include "controller/audit.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "bus/subjects.h"
#include "host/clock.h"
#include "record/utf8.h"

namespace cvf::controller {

namespace {

constexpr size_t remembered = 1000;
constexpr size_t most_waiting = 1000;  // for a bus that is gone
constexpr int most_refusals = 5;       // of one entry, by a bus that is there
constexpr auto retry = std::chrono::seconds(1);
constexpr auto last_words = std::chrono::seconds(2);

class BusAudit final : public Audit {
 public:
    explicit BusAudit(bus::Bus& bus) : bus_(bus) {}
    ~BusAudit() override {
        {
            const std::lock_guard lock(mutex_);
            stop_ = true;
            until_ = std::chrono::steady_clock::now() + last_words;
        }
        wake_.notify_all();
        if (thread_.joinable()) thread_.join();
    }

    std::optional<std::string> open() {
        auto watch = bus_.watch(bus::bucket::audit, [this](const bus::Document* document) {
            if (!document || document->removed) return;
            if (auto entry = audit_entry_from_json(document->value)) remember(std::string(document->key), std::move(*entry));
        });
        if (!watch) return watch.error();
        watch_ = std::move(*watch);
        thread_ = std::thread([this] { work(); });
        return std::nullopt;
    }

    void note(AuditEntry entry) override {
        entry.time = host::utc_now();
        for (std::string* text :
             {&entry.who.name, &entry.who.role, &entry.who.from, &entry.action, &entry.object, &entry.outcome, &entry.reason})
            *text = record::valid_utf8(*text, audit_text_bytes);
        const std::lock_guard lock(mutex_);
        if (waiting_.size() >= most_waiting) {
            ++lost_;
            return;
        }
        std::string key = fmt::format("{:020}-{:04}", entry.time, number_++ % 10'000);
        waiting_.emplace_back(std::move(key), std::move(entry));
        wake_.notify_all();
    }

    std::vector<AuditEntry> newest(size_t count) const override {
        const std::lock_guard lock(mutex_);
        std::vector<const Keyed*> all;
        for (const Keyed& one : known_) all.push_back(&one);
        // The bus may have told us of one before it told us that it has taken it.
        for (const Keyed& one : waiting_)
            if (!std::ranges::binary_search(known_, one.first, {}, &Keyed::first)) all.push_back(&one);
        std::ranges::sort(all, std::greater<>(), [](const Keyed* one) -> const std::string& { return one->first; });
        if (all.size() > count) all.resize(count);
        std::vector<AuditEntry> out;
        for (const Keyed* one : all) out.push_back(one->second);
        return out;
    }

    uint64_t lost() const override {
        const std::lock_guard lock(mutex_);
        return lost_;
    }

 private:
    using Keyed = std::pair<std::string, AuditEntry>;  // the key begins with the time

    void remember(std::string key, AuditEntry entry) {
        const std::lock_guard lock(mutex_);
        const auto at = std::ranges::lower_bound(known_, key, {}, &Keyed::first);
        if (at != known_.end() && at->first == key) return;
        known_.emplace(at, std::move(key), std::move(entry));
        if (known_.size() > remembered) known_.pop_front();
    }

    bool over() const { return stop_ && std::chrono::steady_clock::now() >= until_; }

    void work() {
        std::unique_lock lock(mutex_);
        int refusals = 0;
        while (!over()) {
            if (waiting_.empty()) {
                if (stop_) return;
                wake_.wait(lock);
                continue;
            }
            const auto [key, entry] = waiting_.front();
            lock.unlock();
            const bool put = bus_.put(bus::bucket::audit, key, to_json(entry)).has_value();
            const bool there = put || bus_.state().connected;
            if (put) remember(key, entry);
            lock.lock();
            if (put || (there && ++refusals == most_refusals)) {
                if (!put) ++lost_;
                refusals = 0;
                waiting_.pop_front();
            } else if (stop_ && !there) {
                break;  // nobody is coming back for it
            } else {
                wake_.wait_for(lock, stop_ ? retry / 10 : retry, [this, before = stop_] { return stop_ != before; });
            }
        }
        lost_ += waiting_.size();
    }

    bus::Bus& bus_;
    mutable std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<Keyed> waiting_, known_;  // by key: not yet on the bus; there
    uint64_t number_ = 0, lost_ = 0;
    bool stop_ = false;
    std::chrono::steady_clock::time_point until_{};  // when it stops at the latest
    std::thread thread_;
    std::unique_ptr<bus::Subscription> watch_;
};

}  // namespace

std::string to_json(const AuditEntry& e) {
    boost::json::object object{{"time", e.time},     {"who", e.who.name},  {"role", e.who.role},   {"from", e.who.from},
                               {"action", e.action}, {"object", e.object}, {"outcome", e.outcome}, {"generation", e.generation}};
    if (!e.reason.empty()) object["reason"] = e.reason;
    return boost::json::serialize(object);
}

std::expected<AuditEntry, std::string> audit_entry_from_json(std::string_view text) {
    boost::system::error_code error;
    const boost::json::value value = boost::json::parse(text, error);
    if (error || !value.is_object()) return std::unexpected("an audit entry is a JSON object");
    const boost::json::object& object = value.get_object();
    const auto text_of = [&](std::string_view key) -> std::string {
        const boost::json::value* v = object.if_contains(key);
        return v && v->is_string() ? std::string(v->get_string()) : std::string();
    };
    AuditEntry e;
    if (const auto* v = object.if_contains("time")) e.time = v->is_int64() ? v->get_int64() : 0;
    if (const auto* v = object.if_contains("generation"); v && (v->is_int64() || v->is_uint64()))
        e.generation = v->to_number<uint64_t>(error);
    e.who = {text_of("who"), text_of("role"), text_of("from")};
    e.action = text_of("action");
    e.object = text_of("object");
    e.outcome = text_of("outcome");
    e.reason = text_of("reason");
    return e;
}

std::expected<std::unique_ptr<Audit>, std::string> Audit::open(bus::Bus& bus) {
    auto audit = std::make_unique<BusAudit>(bus);
    if (auto error = audit->open()) return std::unexpected(std::move(*error));
    return audit;
}

}  // namespace cvf::controller
