#include "api/threads.h"

#include <exception>
#include <system_error>

#include "http/workers.h"

namespace cvf::api {

Threads::~Threads() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        for (One& one : all_) one.stop();
    }
    for (One& one : all_) one.thread.join();
}

bool Threads::begin(const char* name, std::function<void()> body, std::function<void()> stop) {
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
    for (auto at = all_.begin(); at != all_.end();) {
        if (!at->over->load(std::memory_order_acquire)) {
            ++at;
            continue;
        }
        at->thread.join();
        at = all_.erase(at);
    }
    One one{std::make_shared<std::atomic<bool>>(false), std::move(stop), {}};
    try {
        one.thread = http::quiet_thread(name, [over = one.over, body = std::move(body)]() mutable {
            try {
                body();
            } catch (const std::exception&) {  // its owner has a guard of its own where it must answer somebody
            }
            body = nullptr;  // what it holds is let go before it counts as over
            over->store(true, std::memory_order_release);
        });
    } catch (const std::system_error&) {
        return false;
    }
    all_.push_back(std::move(one));
    return true;
}

}  // namespace cvf::api
