#include "api/watch_source.h"

#include <fmt/format.h>

#include <algorithm>

namespace cvf::api {
namespace {

constexpr auto most_often = std::chrono::milliseconds(100);
constexpr auto least_often = std::chrono::seconds(1);
constexpr auto heart_beat = std::chrono::seconds(10);

}  // namespace

http::BodySource::Piece WatchSource::next() {
    const auto now = Clock::now();
    if (now < not_before_) {
        look_at_ = std::min(look_at_, not_before_);  // woken too early: not to be forgotten
        return {State::wait, {}};
    }
    look(now);
    if (out_.empty()) return {State::wait, {}};
    spoke_at_ = now;
    return {State::more, out_};
}

void WatchSource::look(Clock::time_point now) {
    out_.clear();
    const bool complete = !subject_.ready || subject_.ready();
    auto items = subject_.list();
    const auto event = [&](std::string_view name, std::string_view data) {
        fmt::format_to(std::back_inserter(out_), "event: {}\ndata: {}\n\n", name, data);
    };
    auto at = told_.begin();
    for (WatchSource::Item& item : items) {
        while (at != told_.end() && at->first < item.key) {
            event("deleted", at->second.data);
            at = told_.erase(at);
        }
        if (at != told_.end() && at->first == item.key) {
            if (at->second.mark != item.mark) {
                at->second = {std::move(item.mark), item.data()};
                event("modified", at->second.data);
            }
        } else {
            at = told_.emplace_hint(at, item.key, Told{std::move(item.mark), item.data()});
            event("added", at->second.data);
        }
        ++at;
    }
    while (at != told_.end()) {
        event("deleted", at->second.data);
        at = told_.erase(at);
    }
    if (!synced_ && complete) {
        synced_ = true;
        event("synced", fmt::format("{{\"items\":{}}}", told_.size()));
    }
    const auto end = Clock::now();
    not_before_ = end + std::max<Clock::duration>(most_often, (end - now) * 10);
    look_at_ = std::max(not_before_, end + least_often);
}

std::string_view WatchSource::idle() {
    const auto now = Clock::now();
    if (now - spoke_at_ < heart_beat) return {};
    spoke_at_ = now;
    return ":\n\n";
}

std::chrono::milliseconds WatchSource::idle_time() const {
    const auto rest = std::chrono::ceil<std::chrono::milliseconds>(look_at_ - Clock::now());
    return std::max(rest, std::chrono::milliseconds(1));
}

}  // namespace cvf::api
