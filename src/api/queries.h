// Queries under way, each on a thread of its own: the history's calls wait, the API must not.
//
// The answer goes out while it is found, and a client that reads slowly makes the query wait. What is short is answered whole,
// and an error that comes before anything was sent is a problem document; later the connection is cut, so that nobody takes half
// an answer for all of it.
//
// GraphQL, which sends nothing while it asks, makes its queries by itself, but takes a place among these.
//
// Thread rule: any. The destructor tells all to stop and waits for them.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>

#include "api/answer_writer.h"
#include "api/threads.h"
#include "history/history.h"
#include "http/server.h"

namespace cvf::api {

struct QueryLimits {
    size_t at_once = 4;
    std::chrono::seconds longest{300};
    std::chrono::seconds slack{30};      // beyond that, for a client that takes its last piece slowly
    size_t waiting_bytes = 1024 * 1024;  // made and not yet read by the client, of each
};

class Queries {
 public:
    explicit Queries(QueryLimits limits) : limits_(limits) {}
    // A place among those under way, given back by its destructor.
    class Place {
     public:
        explicit Place(Queries& of) : of_(&of) {}
        Place(Place&& o) noexcept : of_(std::exchange(o.of_, nullptr)) {}
        ~Place() {
            if (of_) --of_->running_;
        }
        Place(const Place&) = delete;
        Place& operator=(Place&&) = delete;
        void done(bool good) { ++(good ? of_->answered_ : of_->failed_); }

     private:
        Queries* of_;
    };
    // Nothing: too many are under way.
    std::optional<Place> enter();

    // False: too many are under way, or there is no thread for it, and `reply` will not be called.
    bool begin(const history::History& history, history::Query query, Form form, http::Reply reply);
    size_t running() const { return running_.load(std::memory_order_relaxed); }
    uint64_t answered() const { return answered_.load(std::memory_order_relaxed); }
    uint64_t failed() const { return failed_.load(std::memory_order_relaxed); }

 private:
    struct Run;
    class Source;
    const QueryLimits limits_;
    std::atomic<size_t> running_{0};
    std::atomic<uint64_t> answered_{0}, failed_{0};
    Threads threads_;  // the first to go
};

}  // namespace cvf::api
