#include "cli/publisher.h"

#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "cli/columns.h"
#include "cli/fabric.h"

namespace cvf::cli {

namespace {

constexpr uint64_t most_waiting = 20'000;             // records: some tens of MB at most
constexpr auto last_wait = std::chrono::seconds(30);  // for a broker that has gone away in the end

}  // namespace

std::expected<std::unique_ptr<Publisher>, std::string> Publisher::open(const config::Settings& settings,
                                                                       pipeline::Selection selection) {
    std::unique_ptr<Publisher> publisher(new Publisher);
    auto link = agent::BusLink::open(settings, {.node = node_name(settings), .instance = new_instance(), .spool = false});
    if (!link) return std::unexpected(link.error());
    publisher->link_ = std::move(*link);
    std::vector<pipeline::Rule> rules(1);
    rules[0].directive = "read";
    rules[0].selection = std::move(selection);
    rules[0].ways.push_back(publisher->link_->sink());
    publisher->slot_.put(std::make_unique<pipeline::Rules>(std::move(rules)));
    return publisher;
}

void Publisher::keep_pace(const std::atomic<int>& stop) {
    while (!stop && link_->sink()->stats().waiting > most_waiting) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

bool Publisher::finish(bool quiet) {
    link_->sink()->finish(last_wait);
    const sink::RecordSinkStats stats = link_->sink()->stats();
    if (stats.lost > 0)
        fmt::print(stderr, "cvf read: {} of {} records could not be published: {}\n", human_count(stats.lost),
                   human_count(stats.given), stats.last_error.empty() ? "the broker did not take them" : stats.last_error);
    else if (!quiet)
        fmt::print(stderr, "{} records published ({})\n", human_count(stats.delivered), human_bytes(stats.bytes));
    return stats.lost == 0;
}

}  // namespace cvf::cli
