// A helper thread for look-ups that may block: runtimes' files and sockets, and the names of network namespaces. The data path
// asks and goes on; answers are taken in later, between records.
//
// Queues are bounded: what does not fit is refused, and the caller asks again later. Thread rule: all calls from one thread; the
// look-up functions run on the helper's own and must touch nothing else. The destructor waits for the look-up under way (at most
// a few seconds).
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "context/container.h"
#include "host/netns.h"

namespace cvf::context {

class Resolver {
 public:
    using AskContainer = std::function<std::optional<Container>(const std::string& id, Runtime runtime)>;
    using ListNetns = std::function<std::vector<host::Netns>()>;
    struct ContainerAnswer {
        std::string id;
        std::optional<Container> container;
    };
    struct Answers {
        std::vector<ContainerAnswer> containers;
        std::optional<std::vector<host::Netns>> netns;
    };

    Resolver(AskContainer ask, ListNetns list, size_t max_pending = 1024);
    ~Resolver();
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;

    bool ask_container(const std::string& id, Runtime runtime);  // false: too many wait
    void ask_netns();                                            // several at once are one
    bool has_answers() const { return ready_.load(std::memory_order_acquire); }
    Answers take();

 private:
    void loop();

    const AskContainer ask_;
    const ListNetns list_;
    const size_t max_pending_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::pair<std::string, Runtime>> pending_;
    bool netns_pending_ = false, stop_ = false;
    Answers answers_;
    std::atomic<bool> ready_ = false;
    std::thread thread_;
};

}  // namespace cvf::context
