// A stream of changes for whoever watches a list: server-sent events `added`, `modified`, `deleted`, and `synced` once all that
// was there in the beginning has been told.
//
// It compares what is there with what it has told, so nothing is missed, nothing piles up for a slow reader, and several changes
// of one thing in a moment are one event. When woken it looks at once, but not more often than the look says (looks.h: all
// watchers of a list share one); unwoken every second (that an agent is lost is told by nobody).
//
// Thread rule: the HTTP server's thread; the function of `subscribe` is called from others.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/server.h"

namespace cvf::api {

class WatchSource final : public http::BodySource {
 public:
    using Clock = std::chrono::steady_clock;

    // What there is, for this watcher.
    struct Seen {
        std::shared_ptr<const void> look;  // what the views below are of; the same for all who see the same
        struct Item {
            std::string_view key, mark;  // the mark differs when there is something to tell
            size_t number;               // in the look
        };
        std::vector<Item> items;  // in order of keys
        bool complete = true;
        bool current = true;     // false: the list has changed since
        Clock::time_point next;  // when there may be another look, at the earliest
    };
    struct Subject {
        std::function<Seen(Clock::time_point now)> look;
        std::function<std::string(const Seen&, size_t number)> data;  // one line of JSON
        std::function<std::vector<std::shared_ptr<void>>(http::Waker)> subscribe;
        std::shared_ptr<void> alive;      // held while the stream is open
        std::function<bool()> still_let;  // asked each five seconds; false ends the stream
    };

    explicit WatchSource(Subject subject) : subject_(std::move(subject)) {}

    void start(http::Waker waker) override { handles_ = subject_.subscribe(std::move(waker)); }
    Piece next() override;
    std::string_view idle() override;
    std::chrono::milliseconds idle_time() const override;

 private:
    struct Told {
        std::string mark, data;
    };

    void compare(const Seen& seen);

    Subject subject_;
    std::vector<std::shared_ptr<void>> handles_;
    std::map<std::string, Told, std::less<>> told_;
    std::shared_ptr<const void> last_;
    std::string out_;
    Clock::time_point not_before_{}, look_at_{}, spoke_at_ = Clock::now(), asked_at_ = Clock::now();
    bool synced_ = false;
};

}  // namespace cvf::api
