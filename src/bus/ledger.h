// What a bus has accepted and not settled yet, and all that State tells. Every implementation has one.
//
// Each message is taken once and settled once; take() is what bounds the memory. Thread rule: any thread; on_settled and on_state
// are called by whoever calls settle(), connected() and disconnected(), with no lock held.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

#include "bus/bus.h"

namespace cvf::bus {

// What waits for its settlement.
struct Taken {
    uint64_t token = 0;
    size_t bytes = 0;  // as counted against Options::pending_bytes
};

class Ledger {
 public:
    explicit Ledger(const Options& options);

    // Room for this message: yes, full, down or refused. A `yes` must be followed by settle(). A single message larger than the
    // whole limit is taken when nothing else waits.
    Accepted take(const Message& message, Taken& taken);
    // `refused`: not delivered, and never will be.
    void settle(const Taken& taken, bool delivered, bool refused = false);

    void received() { received_.fetch_add(1, std::memory_order_relaxed); }
    void dropped(uint64_t count) { dropped_.fetch_add(count, std::memory_order_relaxed); }

    void connected(std::string server, bool again);
    // Empty error: one that is known already stays.
    void disconnected(std::string error);
    // Something went wrong that did not end the connection.
    void note(std::string error);
    bool is_connected() const { return connected_.load(std::memory_order_acquire); }

    State state() const;
    bool drain(std::chrono::milliseconds wait);

 private:
    const size_t limit_;
    const std::function<void(const Settled&)> on_settled_;
    const std::function<void(bool)> on_state_;

    std::atomic<size_t> pending_bytes_{0}, pending_messages_{0};
    std::atomic<uint64_t> published_{0}, published_bytes_{0}, delivered_{0}, undelivered_{0}, received_{0}, dropped_{0};
    std::atomic<bool> connected_{false};

    mutable std::mutex mutex_;
    std::condition_variable drained_;
    unsigned draining_ = 0;
    std::string server_, error_;
    uint64_t reconnects_ = 0;
};

}  // namespace cvf::bus
