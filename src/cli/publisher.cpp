#include "cli/publisher.h"

#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "cli/columns.h"
#include "cli/fabric.h"
#include "cli/say.h"
#include "sink/units.h"

namespace cvf::cli {

namespace {

constexpr auto last_wait = std::chrono::seconds(30);  // for a broker that has gone away in the end
constexpr size_t look_every = 256 * 1024;             // bytes of records

// Makes the pipeline wait for the broker, which no live agent may: a capture has time. Also where many records come at once, as
// when the input ends and with it every conversation.
class PacedSink final : public sink::RecordSink {
 public:
    PacedSink(std::shared_ptr<sink::RecordSink> inner, uint64_t most_waiting, const std::atomic<bool>& stop)
        : inner_(std::move(inner)), most_waiting_(most_waiting), stop_(stop) {}

    size_t write(const record::Record& record, const record::Projection* fields) override {
        const size_t size = inner_->write(record, fields);
        if ((since_look_ += size) >= look_every) keep_pace();
        return size;
    }
    void flush() override { inner_->flush(); }
    void tick() override { inner_->tick(); }
    void finish(std::chrono::milliseconds wait) override { inner_->finish(wait); }
    sink::RecordSinkStats stats() const override { return inner_->stats(); }

 private:
    void keep_pace() {
        since_look_ = 0;
        while (!stop_ && waiting() > most_waiting_) {
            inner_->flush();
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    }
    uint64_t waiting() const {  // bytes
        const sink::RecordSinkStats stats = inner_->stats();
        return stats.given == 0 ? 0 : stats.waiting * (stats.bytes / stats.given);
    }

    const std::shared_ptr<sink::RecordSink> inner_;
    const uint64_t most_waiting_;
    const std::atomic<bool>& stop_;
    size_t since_look_ = 0;
};

}  // namespace

std::expected<std::unique_ptr<Publisher>, std::string> Publisher::open(const config::Settings& settings,
                                                                       pipeline::Selection selection,
                                                                       const std::atomic<bool>& stop) {
    std::unique_ptr<Publisher> publisher(new Publisher);
    auto link = agent::BusLink::open(settings, {.node = node_name(settings), .instance = new_instance(), .spool = false});
    if (!link) return std::unexpected(link.error());
    publisher->link_ = std::move(*link);
    std::vector<pipeline::Rule> rules(1);
    rules[0].directive = "read";
    rules[0].selection = std::move(selection);
    // Well below what the sink has, which counts what batches cost besides and keeps a part for what matters most.
    rules[0].ways.push_back(std::make_shared<PacedSink>(publisher->link_->sink(), settings.bus_memory / 4, stop));
    publisher->slot_.put(std::make_unique<pipeline::Rules>(std::move(rules)));
    return publisher;
}

bool Publisher::finish(bool quiet) {
    link_->sink()->finish(last_wait);
    const sink::RecordSinkStats stats = link_->sink()->stats();
    if (stats.lost > 0)
        say("cvf read: {} of {} records could not be published: {}\n", sink::show_count(stats.lost),
            sink::show_count(stats.given), stats.last_error.empty() ? "the broker did not take them" : stats.last_error);
    else if (!quiet)
        say("{} records published ({})\n", sink::show_count(stats.delivered), sink::show_bytes(stats.bytes));
    return stats.lost == 0;
}

}  // namespace cvf::cli
