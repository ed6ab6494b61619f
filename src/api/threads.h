// Threads for what takes long and is waited for by nobody in particular: whoever began one may go, it is told to stop and joined
// later.
//
// Thread rule: any. The destructor tells all to stop and waits for them. Errors: begin() is false when the system gives no
// thread, or all is ending; what `body` throws ends its thread alone.
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <thread>

namespace cvf::api {

class Threads {
 public:
    Threads() = default;
    ~Threads();
    Threads(const Threads&) = delete;
    Threads& operator=(const Threads&) = delete;

    // `stop` makes `body` return soon; it is called at most once, from the destructor, while `body` runs or after it.
    bool begin(const char* name, std::function<void()> body, std::function<void()> stop);

 private:
    struct One {
        std::shared_ptr<std::atomic<bool>> over;
        std::function<void()> stop;
        std::thread thread;
    };
    std::mutex mutex_;
    std::list<One> all_;
    bool stopping_ = false;
};

}  // namespace cvf::api
