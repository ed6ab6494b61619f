#include "bus/worker.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>

namespace cvf::bus {

Worker::Worker(Body body, std::function<void()> wake) : wake_(std::move(wake)) {
    // Signals are the program's main thread's.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this, body = std::move(body)] {
        self_.store(std::this_thread::get_id(), std::memory_order_release);
        body(*this);
        finished_.store(true, std::memory_order_release);
    });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

// The roster keeps a worker until it has finished, so this is never the worker's own thread.
Worker::~Worker() {
    end();
}

bool Worker::sleep(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    return !stopped_.wait_for(lock, time, [&] { return stopping(); });
}

void Worker::ask_to_stop() {
    {
        const std::lock_guard lock(mutex_);
        if (stop_.exchange(true)) return;
        stopped_.notify_all();
    }
    if (wake_) wake_();
}

void Worker::end() {
    ask_to_stop();
    if (self_.load(std::memory_order_acquire) == std::this_thread::get_id()) return;
    const std::lock_guard lock(join_mutex_);
    if (thread_.joinable()) thread_.join();
}

namespace {

class Enlisted : public Subscription {
 public:
    explicit Enlisted(std::shared_ptr<Worker> worker) : worker_(std::move(worker)) {}
    ~Enlisted() override { worker_->end(); }

 private:
    std::shared_ptr<Worker> worker_;
};

}  // namespace

std::unique_ptr<Subscription> Roster::enlist(std::shared_ptr<Worker> worker) {
    std::vector<std::shared_ptr<Worker>> gone;
    bool ended;
    {
        const std::lock_guard lock(mutex_);
        const auto live = std::partition(workers_.begin(), workers_.end(), [](const auto& w) { return !w->finished(); });
        gone.assign(live, workers_.end());
        workers_.erase(live, workers_.end());
        ended = ended_;
        if (!ended) workers_.push_back(worker);
    }
    if (ended) worker->end();
    return std::make_unique<Enlisted>(std::move(worker));
}

void Roster::end() {
    std::vector<std::shared_ptr<Worker>> workers;
    {
        const std::lock_guard lock(mutex_);
        ended_ = true;
        workers.swap(workers_);
    }
    for (auto& w : workers) w->ask_to_stop();
    for (auto& w : workers) w->end();
}

}  // namespace cvf::bus
