#include "controller/controller.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <ctime>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "bus/subjects.h"
#include "controller/uuid.h"
#include "directive/parse.h"
#include "directive/write.h"
#include "history/sink.h"
#include "record/parse.h"
#include "sink/threaded.h"

namespace cvf::controller {

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto lease = std::chrono::seconds(60), renewal = std::chrono::seconds(20);
constexpr size_t most_foreign = 1000;  // directives from the bus that wait for their turn

class BusController final : public Controller {
 public:
    BusController(ControllerOptions options, bus::Bus& bus) : options_(std::move(options)), bus_(bus) {}

    ~BusController() override {
        records_.reset();
        foreign_.reset();
        {
            const std::lock_guard lock(mutex_);
            stop_ = true;
        }
        wake_.notify_all();
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
        auto nodes = Nodes::open(bus_);
        if (!nodes) return nodes.error();
        nodes_ = std::move(*nodes);
        if (options_.history)
            keeper_ =
                sink::make_threaded_sink(history::make_history_sink(options_.history), {.buffer_bytes = options_.history_buffer});
        if (options_.history || options_.live) {
            auto records = bus_.subscribe("cvf.v1.records.>", options_.queue, [this](const bus::Message& m) { received(m); });
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
        const std::lock_guard lock(mutex_);
        ControllerNumbers n = numbers_;
        if (keeper_) n.history_lost = keeper_->stats().records_lost;
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
    struct Foreign {
        std::string text;
    };

    void received(const bus::Message& message) {
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
        if (keeper_) keeper_->write(message.payload, records);
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

    void told_directive(const bus::Message& message) {
        const std::lock_guard lock(mutex_);
        if (waiting_.size() >= most_foreign) {
            numbers_.foreign_refused++;
            return;
        }
        waiting_.push_back({std::string(message.payload)});
        wake_.notify_all();
    }

    void work() {
        std::unique_lock lock(mutex_);
        while (!stop_) {
            std::deque<Foreign> foreign;
            foreign.swap(waiting_);
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
            for (const Foreign& one : foreign) apply_foreign(one);
            for (directive::Directive& one : due) renew(std::move(one));
            for (const std::string& name : ended)
                bus_.remove(bus::bucket::directives, fmt::format("{}/{}", directive::name_of(directive::Kind::metadata), name));
            lock.lock();
            if (waiting_.empty() && ended_.empty() && !stop_) wake_.wait_for(lock, std::chrono::seconds(1));
        }
        // What was asked for ends with its askers, and they end with us.
        for (const auto& [name, asked] : asked_)
            bus_.remove(bus::bucket::directives, fmt::format("{}/{}", directive::name_of(directive::Kind::metadata), name));
    }

    void renew(directive::Directive d) {
        d.metadata.labels[lease_label] = std::to_string(::time(nullptr) + lease.count());
        d.metadata.generation = 1;
        bus_.put(bus::bucket::directives, directive::identity(d), directive::canonical(d));
    }

    void apply_foreign(const Foreign& one) {
        const Who who{"unknown", "", "bus"};
        bool good = false;
        auto parsed = directive::parse(one.text);
        if (!parsed) {
            audit_->note({0, who, "apply", "", 0, "refused", parsed.error().front().show()});
        } else {
            good = true;
            for (const directive::Directive& d : *parsed) good &= directives_->apply(d, who, false).has_value();
        }
        const std::lock_guard lock(mutex_);
        (good ? numbers_.foreign_applied : numbers_.foreign_refused)++;
    }

    ControllerOptions options_;
    bus::Bus& bus_;
    std::unique_ptr<Audit> audit_;
    std::unique_ptr<Directives> directives_;
    std::unique_ptr<Nodes> nodes_;
    std::unique_ptr<sink::Sink> keeper_;

    // The subscription's thread.
    sink::Hub hub_;
    record::Record record_;

    mutable std::mutex mutex_;
    std::condition_variable wake_;
    Sequences sequences_;
    ControllerNumbers numbers_;
    std::deque<Foreign> waiting_;
    std::map<std::string, Asked> asked_;
    std::vector<std::string> ended_;
    bool stop_ = false;
    std::thread thread_;
    std::unique_ptr<bus::Subscription> records_, foreign_;
};

}  // namespace

std::expected<std::unique_ptr<Controller>, std::string> Controller::open(ControllerOptions options, bus::Bus& bus) {
    auto controller = std::make_unique<BusController>(std::move(options), bus);
    if (auto error = controller->open()) return std::unexpected(std::move(*error));
    return controller;
}

}  // namespace cvf::controller
