#include "context/resolver.h"

#include <pthread.h>

#include <utility>

namespace cvf::context {

Resolver::Resolver(AskContainer ask, ListNetns list, size_t max_pending)
    : ask_(std::move(ask)), list_(std::move(list)), max_pending_(max_pending), thread_(&Resolver::loop, this) {}

Resolver::~Resolver() {
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

bool Resolver::ask_container(const std::string& id, Runtime runtime) {
    {
        const std::lock_guard lock(mutex_);
        if (pending_.size() >= max_pending_) return false;
        pending_.emplace_back(id, runtime);
    }
    changed_.notify_one();
    return true;
}

void Resolver::ask_netns() {
    {
        const std::lock_guard lock(mutex_);
        netns_pending_ = true;
    }
    changed_.notify_one();
}

Resolver::Answers Resolver::take() {
    const std::lock_guard lock(mutex_);
    ready_.store(false, std::memory_order_relaxed);
    return std::exchange(answers_, {});
}

void Resolver::loop() {
    ::pthread_setname_np(::pthread_self(), "cvf-resolver");
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [this] { return stop_ || netns_pending_ || !pending_.empty(); });
        if (stop_) return;
        if (netns_pending_) {
            netns_pending_ = false;
            lock.unlock();
            auto list = list_();
            lock.lock();
            answers_.netns = std::move(list);
        } else {
            const auto [id, runtime] = std::move(pending_.front());
            pending_.pop_front();
            lock.unlock();
            auto found = ask_(id, runtime);
            lock.lock();
            answers_.containers.push_back({id, std::move(found)});
        }
        ready_.store(true, std::memory_order_release);
    }
}

}  // namespace cvf::context
