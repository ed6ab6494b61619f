// Queries under way, each on a thread of its own: the history's calls wait, the API must not.
//
// The answer goes out while it is found, and a client that reads slowly makes the query wait. What is short is answered whole,
// and an error that comes before anything was sent is a problem document; later the connection is cut, so that nobody takes half
// an answer for all of it.
//
// Thread rule: begin() on any thread. The destructor tells all to stop and waits for them.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <thread>

#include "api/answer_writer.h"
#include "history/history.h"
#include "http/server.h"

namespace cvf::api {

struct QueryLimits {
    size_t at_once = 4;
    std::chrono::seconds longest{300};
    size_t waiting_bytes = 1024 * 1024;  // made and not yet read by the client, of each
};

class Queries {
 public:
    explicit Queries(QueryLimits limits) : limits_(limits) {}
    ~Queries();
    Queries(const Queries&) = delete;
    Queries& operator=(const Queries&) = delete;

    // False: too many are under way, and `reply` will not be called.
    bool begin(const history::History& history, history::Query query, Form form, http::Reply reply);
    size_t running() const { return running_.load(std::memory_order_relaxed); }
    uint64_t answered() const { return answered_.load(std::memory_order_relaxed); }
    uint64_t failed() const { return failed_.load(std::memory_order_relaxed); }

 private:
    struct Run;
    class Source;
    struct Thread {
        std::shared_ptr<Run> run;
        std::thread thread;
    };

    const QueryLimits limits_;
    std::mutex mutex_;
    std::list<Thread> threads_;
    bool stopping_ = false;
    std::atomic<size_t> running_{0};
    std::atomic<uint64_t> answered_{0}, failed_{0};
};

}  // namespace cvf::api
