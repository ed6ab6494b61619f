#include "http/workers.h"

#include <pthread.h>
#include <signal.h>

#include <system_error>

namespace cvf::http {

bool Workers::submit(std::function<void()> job) {
    const std::lock_guard lock(mutex_);
    if (stopping_ || waiting_.size() >= most_waiting_) return false;
    waiting_.push_back(std::move(job));
    if (idle_ < waiting_.size() && threads_.size() < most_threads_) {
        try {
            threads_.push_back(quiet_thread("cvf-http-work", [this] { work(); }));
        } catch (const std::system_error&) {
            // Others will come to it; without any nobody would.
            if (threads_.empty()) {
                waiting_.pop_back();
                return false;
            }
        }
    }
    wake_.notify_one();
    return true;
}

void Workers::stop() {
    std::deque<std::function<void()>> never_begun;
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        never_begun.swap(waiting_);
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
}

void Workers::work() {
    std::unique_lock lock(mutex_);
    for (;;) {
        ++idle_;
        wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
        --idle_;
        if (stopping_) return;
        const auto job = std::move(waiting_.front());
        waiting_.pop_front();
        lock.unlock();
        job();
        lock.lock();
    }
}

std::thread quiet_thread(const char* name, std::function<void()> body) {
    // Signals are as they were whatever happens.
    struct Quiet {
        sigset_t before;
        Quiet() {
            sigset_t all;
            sigfillset(&all);
            pthread_sigmask(SIG_SETMASK, &all, &before);
        }
        ~Quiet() { pthread_sigmask(SIG_SETMASK, &before, nullptr); }
    } const quiet;
    return std::thread([name, body = std::move(body)] {
        pthread_setname_np(pthread_self(), name);
        body();
    });
}

}  // namespace cvf::http
