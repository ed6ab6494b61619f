// Live records for whoever follows them, over REST or GraphQL: what is wanted, checked once, and the seats of those who read.
//
// Thread rule: subscription_of(): any; Streams and LiveReader: the HTTP server's thread.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <unordered_set>

#include "api/call.h"
#include "sink/subscription.h"

namespace cvf::api {

// The error names the parameter: types, fields or filter.
std::expected<sink::SubscriptionOptions, Problem> subscription_of(const ServerOptions& options, const Following& following);

// One who reads. From its making to its end it has a seat among Streams, and the agents are asked for what it follows.
class LiveReader {
 public:
    ~LiveReader();
    LiveReader(const LiveReader&) = delete;
    LiveReader& operator=(const LiveReader&) = delete;

    // Once, before take(). `wake` is called from another thread.
    void begin(std::function<void()> wake);
    sink::Subscription::Taken take();

    uint64_t lost() const { return subscription_ ? subscription_->lost() : 0; }
    uint64_t sent() const { return sent_; }

 private:
    friend class Streams;
    LiveReader(Streams& streams, sink::Hub& hub, sink::SubscriptionOptions options, std::shared_ptr<void> alive);

    Streams& streams_;
    sink::Hub& hub_;
    sink::SubscriptionOptions options_;
    const std::shared_ptr<void> alive_;
    std::shared_ptr<sink::Subscription> subscription_;
    uint64_t sent_ = 0;
};

// Those that are open, and what has gone through all there ever were.
class Streams {
 public:
    explicit Streams(size_t most) : most_(most) {}

    // 503 when no more are allowed. `options` is of subscription_of(), with its framing if there is one.
    std::expected<std::unique_ptr<LiveReader>, Problem> open(const Services& services, const Following& following,
                                                             sink::SubscriptionOptions options);
    size_t count() const { return open_.size(); }
    uint64_t lost() const;
    uint64_t sent() const;

 private:
    friend class LiveReader;
    const size_t most_;
    std::unordered_set<const LiveReader*> open_;
    uint64_t lost_before_ = 0, sent_before_ = 0;  // of those that have ended
};

}  // namespace cvf::api
