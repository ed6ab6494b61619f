#include "cli/bus_news.h"

#include <pthread.h>

#include <chrono>
#include <utility>

#include "cli/columns.h"
#include "cli/say.h"

namespace cvf::cli {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds look_each{1}, say_each{60};

}  // namespace

std::string bus_place(const bus::State& state) {
    return state.connected ? state.server : "not connected yet";
}

BusNews::BusNews(const bus::Bus& bus, std::string who, bool quiet) : bus_(bus), who_(std::move(who)), quiet_(quiet) {
    thread_ = std::thread([this] { work(); });
}

BusNews::~BusNews() {
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
    }
    wake_.notify_all();
    thread_.join();
}

void BusNews::work() {
    pthread_setname_np(pthread_self(), "cvf-bus-news");
    std::string said;  // empty: all is well, as far as has been told
    Clock::time_point said_at{};
    std::unique_lock lock(mutex_);
    while (!stop_) {
        wake_.wait_for(lock, look_each, [this] { return stop_; });
        if (stop_) return;
        const bus::State state = bus_.state();
        const auto now = Clock::now();
        if (state.connected) {
            if (!std::exchange(said, {}).empty() && !quiet_)
                say("{}: connected to the bus at {}\n", who_, printable(state.server));
            continue;
        }
        const std::string why = state.last_error.empty() ? "no broker answers" : state.last_error;
        if (why == said || (!said.empty() && now - said_at < say_each)) continue;
        said = why;
        said_at = now;
        say("{}: the bus is not connected: {}; trying on\n", who_, printable(why));
    }
}

}  // namespace cvf::cli
