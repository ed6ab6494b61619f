#include "api/watch_source.h"

#include <fmt/format.h>

#include <algorithm>

namespace cvf::api {
namespace {

constexpr auto least_often = std::chrono::seconds(1);
constexpr auto heart_beat = std::chrono::seconds(10);
constexpr auto ask_again = std::chrono::seconds(5);

}  // namespace

http::BodySource::Piece WatchSource::next() {
    const auto now = Clock::now();
    if (now < not_before_) {
        look_at_ = std::min(look_at_, not_before_);  // woken too early: not to be forgotten
        return {State::wait, {}};
    }
    if (subject_.still_let && now - asked_at_ >= ask_again) {
        asked_at_ = now;
        if (!subject_.still_let()) return {State::end, {}};
    }
    out_.clear();
    const Seen seen = subject_.look(now);
    not_before_ = seen.next;
    look_at_ = seen.current ? std::max(not_before_, now + least_often) : not_before_;
    if (seen.look != last_) {
        compare(seen);
        last_ = seen.look;
    }
    if (out_.empty()) return {State::wait, {}};
    spoke_at_ = now;
    return {State::more, out_};
}

void WatchSource::compare(const Seen& seen) {
    const auto event = [&](std::string_view name, std::string_view data) {
        fmt::format_to(std::back_inserter(out_), "event: {}\ndata: {}\n\n", name, data);
    };
    auto at = told_.begin();
    for (const Seen::Item& item : seen.items) {
        while (at != told_.end() && at->first < item.key) {
            event("deleted", at->second.data);
            at = told_.erase(at);
        }
        if (at != told_.end() && at->first == item.key) {
            if (at->second.mark != item.mark) {
                at->second = {std::string(item.mark), subject_.data(seen, item.number)};
                event("modified", at->second.data);
            }
        } else {
            at = told_.emplace_hint(at, item.key, Told{std::string(item.mark), subject_.data(seen, item.number)});
            event("added", at->second.data);
        }
        ++at;
    }
    while (at != told_.end()) {
        event("deleted", at->second.data);
        at = told_.erase(at);
    }
    if (!synced_ && seen.complete) {
        synced_ = true;
        event("synced", fmt::format("{{\"items\":{}}}", told_.size()));
    }
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
