// A stream of changes for whoever watches a list: server-sent events `added`, `modified`, `deleted`, and `synced` once all that
// was there in the beginning has been told.
//
// It compares what is there with what it has told, so nothing is missed, nothing piles up for a slow reader, and several changes
// of one thing in a moment are one event. When woken it looks at once, but not more often than every 100 ms, nor for more than a
// tenth of the time; unwoken every second (that an agent is lost is told by nobody).
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
    struct Item {
        std::string key;
        std::string mark;                   // differs when there is something to tell
        std::function<std::string()> data;  // one line of JSON
    };
    struct Subject {
        std::function<std::vector<Item>()> list;  // in order of keys
        std::function<std::vector<std::shared_ptr<void>>(http::Waker)> subscribe;
        std::function<bool()> ready;  // list() is complete
        std::shared_ptr<void> alive;  // held while the stream is open
    };

    explicit WatchSource(Subject subject) : subject_(std::move(subject)) {}

    void start(http::Waker waker) override { handles_ = subject_.subscribe(std::move(waker)); }
    Piece next() override;
    std::string_view idle() override;
    std::chrono::milliseconds idle_time() const override;

 private:
    using Clock = std::chrono::steady_clock;
    struct Told {
        std::string mark, data;
    };

    void look(Clock::time_point now);

    Subject subject_;
    std::vector<std::shared_ptr<void>> handles_;
    std::map<std::string, Told, std::less<>> told_;
    std::string out_;
    Clock::time_point not_before_{}, look_at_{}, spoke_at_ = Clock::now();
    bool synced_ = false;
};

}  // namespace cvf::api
