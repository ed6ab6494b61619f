// A thread that belongs to a bus or to one subscription of it.
//
// Ending one from its own handler is allowed: then it ends when the handler returns, and the bus joins it later. So a worker is
// shared by its subscription and by the bus (Roster). Thread rule: any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "bus/bus.h"

namespace cvf::bus {

class Worker {
 public:
    using Body = std::function<void(Worker&)>;

    // `body` returns soon after stopping() has become true; `wake`, if any, is called once then, to end what it waits for.
    Worker(Body body, std::function<void()> wake = {});
    ~Worker();
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    bool stopping() const { return stop_.load(std::memory_order_acquire); }
    bool finished() const { return finished_.load(std::memory_order_acquire); }
    // Waits; false when it was told to stop meanwhile.
    bool sleep(std::chrono::milliseconds time);
    void ask_to_stop();
    // ask_to_stop(), and waits for its end unless called by the worker itself.
    void end();

 private:
    std::atomic<bool> stop_{false}, finished_{false};
    std::function<void()> wake_;
    std::mutex mutex_, join_mutex_;
    std::condition_variable stopped_;
    std::atomic<std::thread::id> self_{};
    std::thread thread_;
};

// The workers of subscriptions, for the bus to end them all.
class Roster {
 public:
    ~Roster() { end(); }
    // The subscription that ends this worker. After end() there are no new ones: the worker is ended at once.
    std::unique_ptr<Subscription> enlist(std::shared_ptr<Worker> worker);
    void end();

 private:
    std::mutex mutex_;
    bool ended_ = false;
    std::vector<std::shared_ptr<Worker>> workers_;
};

}  // namespace cvf::bus
