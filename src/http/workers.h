// A few threads for what must wait.
//
// Thread rule: any. What is waiting is bounded; the destructor throws away what has not begun and waits for what has.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace cvf::http {

class Workers {
 public:
    Workers(size_t threads, size_t waiting) : most_threads_(threads ? threads : 1), most_waiting_(waiting) {}
    ~Workers() { stop(); }
    Workers(const Workers&) = delete;
    Workers& operator=(const Workers&) = delete;

    // False: too much is waiting, or there is no thread for it and the system gives none. Threads are begun when first needed.
    bool submit(std::function<void()> job);
    void stop();

 private:
    void work();

    const size_t most_threads_, most_waiting_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<std::function<void()>> waiting_;
    std::vector<std::thread> threads_;
    size_t idle_ = 0;
    bool stopping_ = false;
};

// A thread that leaves signals to the main one. Throws std::system_error when the system gives none.
std::thread quiet_thread(const char* name, std::function<void()> body);

}  // namespace cvf::http
