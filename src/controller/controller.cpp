#include "controller/controller.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <ctime>
#include <map>
#include <mutex>
#include <thread>

#include "bus/subjects.h"
#include "controller/uuid.h"
#include "directive/lease.h"
#include "directive/parse.h"
#include "directive/write.h"
#include "filter/filter.h"
#include "history/sink.h"
#include "record/parse.h"
#include "sink/threaded.h"

namespace cvf::controller {

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto lease = std::chrono::seconds(60), renewal = std::chrono::seconds(20);
// So long after its end nobody puts a lease off any more: its controller has died.
constexpr auto orphaned = std::chrono::minutes(5), sweep_every = std::chrono::minutes(1);

class BusController final : public Controller {
 public:
    BusController(ControllerOptions options, bus::Bus& bus) : options_(std::move(options)), bus_(bus) {}

    ~BusController() override {
        {
            const std::lock_guard lock(mutex_);
            stop_ = true;
        }
        wake_.notify_all();
        records_.reset();
        shared_.reset();
        foreign_.reset();
        if (thread_.joinable()) thread_.join();
        if (keeper_) keeper_->finish();
    }

    std::optional<std::string> open() {
        auto audit = Audit::open(bus_);
        if (!audit) return audit.error();
        audit_ = std::move(*audit);
        auto directives = Directives::open(bus_, *audit_);
        if (!directives) return directives.error();
        directives_ = std::move(*directives);
        auto nodes = Nodes::open(bus_, audit_.get());
        if (!nodes) return nodes.error();
        nodes_ = std::move(*nodes);
        if (options_.history)
            keeper_ =
                sink::make_threaded_sink(history::make_history_sink(options_.history), {.buffer_bytes = options_.history_buffer});
        // A history shared with other controllers gets a share of the records; who looks on, and the count of what is missing,
        // all.
        const bool shares = options_.history && !options_.queue.empty();
        if (shares) {
            auto records = bus_.subscribe("cvf.v1.records.>", options_.queue, [this](const bus::Message& m) { keep_share(m); });
            if (!records) return records.error();
            shared_ = std::move(*records);
        }
        if (options_.history || options_.live) {
            auto records =
                bus_.subscribe("cvf.v1.records.>", {}, [this, shares](const bus::Message& m) { received(m, !shares); });
            if (!records) return records.error();
            records_ = std::move(*records);
        }
        auto foreign =
            bus_.subscribe(bus::subject::directives, "cvf-controller", [this](const bus::Message& m) { told_directive(m); });
        if (!foreign) return foreign.error();
        foreign_ = std::move(*foreign);
        thread_ = std::thread([this] { work(); });
        return std::nullopt;
    }

    Directives& directives() override { return *directives_; }
    Nodes& nodes() override { return *nodes_; }
    Audit& audit() override { return *audit_; }
    std::shared_ptr<history::History> history() override { return options_.history; }
    sink::Hub& hub() override { return hub_; }

    ControllerNumbers numbers() const override {
        ControllerNumbers n;
        {
            const std::lock_guard lock(mutex_);
            n = numbers_;
        }
        if (keeper_) n.history_lost = keeper_->stats().records_overrun;
        return n;
    }

    std::optional<std::string> why_not_ready() const override {
        if (!bus_.state().connected) return "the bus is not connected: " + bus_.state().last_error;
        if (!directives_->ready()) return "the directives have not been read from the bus yet";
        if (!nodes_->ready()) return "the nodes have not been read from the bus yet";
        return std::nullopt;
    }

    std::shared_ptr<void> ask(const std::vector<std::string>& types, const std::string& filter,
                              const std::vector<std::string>& fields) override {
        directive::Directive d;
        d.metadata.uid = random_uuid();
        d.metadata.name = "watch-" + d.metadata.uid;
        d.spec.types = types;
        d.spec.filter = filter;
        d.spec.fields = fields;
        // The hub judges once more what arrives.
        if (const auto compiled = fields.empty() ? filter::Filter::compile("") : filter::Filter::compile(filter); compiled)
            for (size_t field = 0; field < record::field_count; field++)
                if (compiled->used()[field]) d.spec.fields.emplace_back(record::info(static_cast<record::Field>(field)).key);
        // Such as types that no record matching the filter can have: nothing will come, and no agent need be asked.
        if (!directive::validate(d).empty()) return nullptr;
        const std::string name = d.metadata.name;
        {
            const std::lock_guard lock(mutex_);
            asked_[name] = {std::move(d), Clock::time_point{}};
        }
        wake_.notify_all();
        return {nullptr, [this, name](void*) {
                    {
                        const std::lock_guard lock(mutex_);
                        asked_.erase(name);
                        ended_.push_back(name);
                    }
                    wake_.notify_all();
                }};
    }

 private:
    struct Asked {
        directive::Directive directive;
        Clock::time_point renew;
    };

    void keep_share(const bus::Message& message) {
        if (share_.note(message.subject, message.headers)) keep(message.payload);
    }

    void keep(std::string_view lines) {
        if (!keeper_ || lines.empty()) return;
        auto records = static_cast<uint64_t>(std::ranges::count(lines, '\n'));
        if (lines.ends_with('\n')) {
            keeper_->write(lines, records);
        } else {  // whoever sent it: the next record begins on its own line
            keeper_->write(std::string(lines) + '\n', records + 1);
        }
    }

    void received(const bus::Message& message, bool kept) {
        const auto records = static_cast<uint64_t>(std::ranges::count(message.payload, '\n'));
        bool fresh;
        {
            const std::lock_guard lock(mutex_);
            fresh = sequences_.note(message.subject, message.headers);
            numbers_.sequences = sequences_.totals();
            numbers_.batches++;
            numbers_.records += records;
            numbers_.bytes += message.payload.size();
        }
        if (!fresh) return;  // delivered at least once: this time it is once too often
        if (kept) keep(message.payload);
        if (options_.live) feed(message.payload);
    }

    // To those who follow live, who have filters of their own.
    void feed(std::string_view lines) {
        if (hub_.subscribers() > 0) {
            while (!lines.empty()) {
                const size_t end = lines.find('\n');
                if (record::parse_record(lines.substr(0, end), record_)) hub_.publish(record_);
                lines.remove_prefix(end == std::string_view::npos ? lines.size() : end + 1);
            }
        }
        hub_.flush();
    }

    // On the subscription's thread, which waits with it while the bus is away: until this returns the bus keeps the message.
    void told_directive(const bus::Message& message) {
        const std::string text(message.payload);
        std::unique_lock lock(mutex_);
        while (!stop_) {
            lock.unlock();
            const bool done = directives_->ready() && apply_foreign(text);
            lock.lock();
            if (done) return;
            wake_.wait_for(lock, std::chrono::seconds(1), [this] { return stop_; });
        }
        if (message.untaken) *message.untaken = true;
    }

    void work() {
        std::unique_lock lock(mutex_);
        while (!stop_) {
            std::vector<std::string> ended;
            ended.swap(ended_);
            std::vector<directive::Directive> due;
            const auto now = Clock::now();
            for (auto& [name, asked] : asked_)
                if (asked.renew <= now) {
                    due.push_back(asked.directive);
                    asked.renew = now + renewal;
                }
            lock.unlock();
            std::vector<std::string> not_renewed;
            for (directive::Directive& one : due)
                if (!renew(one)) not_renewed.push_back(one.metadata.name);
            std::erase_if(ended, [&](const std::string& name) { return remove_lease(name); });
            if (now >= next_sweep_) sweep(now);
            lock.lock();
            // What the bus did not take is tried again in a second.
            for (const std::string& name : not_renewed)
                if (const auto at = asked_.find(name); at != asked_.end()) at->second.renew = {};
            const bool busy = !ended_.empty();
            ended_.insert(ended_.end(), std::make_move_iterator(ended.begin()), std::make_move_iterator(ended.end()));
            if (!busy && !stop_) wake_.wait_for(lock, std::chrono::seconds(1));
        }
        // What was asked for ends with its askers, and they end with us.
        for (const auto& [name, asked] : asked_) remove_lease(name);
        for (const std::string& name : ended_) remove_lease(name);
    }

    bool remove_lease(const std::string& name) {
        return bus_.remove(bus::bucket::directives, fmt::format("{}/{}", directive::name_of(directive::Kind::metadata), name))
            .has_value();
    }

    bool renew(directive::Directive& d) {
        d.metadata.labels[directive::lease_label] = std::to_string(::time(nullptr) + lease.count());
        d.metadata.generation = 1;
        return bus_.put(bus::bucket::directives, directive::identity(d), directive::canonical(d)).has_value();
    }

    // Leases that a controller left behind which did not end in good order: any controller may.
    void sweep(Clock::time_point now) {
        if (!directives_->ready()) return;
        next_sweep_ = now + sweep_every;
        const int64_t past = (::time(nullptr) - std::chrono::seconds(orphaned).count()) * 1'000'000'000;
        for (const Stored& stored : directives_->list())
            if (const auto end = directive::lease_end(stored.directive); end && *end < past)
                bus_.remove(bus::bucket::directives, directive::identity(stored.directive));
    }

    // False: not now, for the bus is away.
    bool apply_foreign(const std::string& text) {
        const Who who{"unknown", "", "bus"};
        bool good = false;
        auto parsed = directive::parse(text);
        if (!parsed) {
            audit_->note({0, who, "apply", "", 0, "refused", parsed.error().front().show()});
        } else {
            good = true;
            for (const directive::Directive& d : *parsed) {
                const auto applied = directives_->apply(d, who, false);
                if (!applied && applied.error().status == 503) return false;  // what was applied already changes nothing again
                good &= applied.has_value();
            }
        }
        const std::lock_guard lock(mutex_);
        (good ? numbers_.foreign_applied : numbers_.foreign_refused)++;
        return true;
    }

    ControllerOptions options_;
    bus::Bus& bus_;
    std::unique_ptr<Audit> audit_;
    std::unique_ptr<Directives> directives_;
    std::unique_ptr<Nodes> nodes_;
    std::unique_ptr<sink::Sink> keeper_;

    Sequences share_;  // of the shared subscription's thread

    // The subscription's thread.
    sink::Hub hub_;
    record::Record record_;

    Clock::time_point next_sweep_{};  // the thread's

    mutable std::mutex mutex_;
    std::condition_variable wake_;
    Sequences sequences_;
    ControllerNumbers numbers_;
    std::map<std::string, Asked> asked_;
    std::vector<std::string> ended_;
    bool stop_ = false;
    std::thread thread_;
    std::unique_ptr<bus::Subscription> records_, shared_, foreign_;
};

}  // namespace

std::expected<std::unique_ptr<Controller>, std::string> Controller::open(ControllerOptions options, bus::Bus& bus) {
    auto controller = std::make_unique<BusController>(std::move(options), bus);
    if (auto error = controller->open()) return std::unexpected(std::move(*error));
    return controller;
}

}  // namespace cvf::controller
