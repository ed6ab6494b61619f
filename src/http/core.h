// What the connections of a server share, and what all of them are. Private to this room.
//
// Thread rule: the loop's thread, but for the counters and Loop::post().
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>

#include "http/server.h"
#include "http/stream.h"
#include "http/workers.h"

namespace cvf::http {

// The way into the server's thread for others, which may outlive it.
class Loop {
 public:
    explicit Loop(boost::asio::io_context& io) : io_(&io) {}

    // False: the server is gone.
    template <typename Function>
    bool post(Function&& function) {
        const std::lock_guard lock(mutex_);
        if (!io_) return false;
        boost::asio::post(*io_, std::forward<Function>(function));
        return true;
    }
    void end() {
        const std::lock_guard lock(mutex_);
        io_ = nullptr;
    }

 private:
    std::mutex mutex_;
    boost::asio::io_context* io_;
};

struct Counters {
    std::atomic<uint64_t> requests{0}, connections{0}, refused{0}, over_limit{0}, slow_readers{0}, handshakes_failed{0},
        reloads{0}, reloads_failed{0};

    static void add(std::atomic<uint64_t>& counter) { counter.fetch_add(1, std::memory_order_relaxed); }
};

class Connection;

// Lives as long as the server.
struct Core {
    explicit Core(const ServerLimits& server_limits)
        : limits(server_limits), workers(limits.workers, limits.waiting_work), loop(std::make_shared<Loop>(io)) {}

    Handler handler;
    HeadCheck check;  // may be empty
    const ServerLimits limits;
    Counters counters;
    std::unordered_set<Connection*> connections;
    std::map<std::string, size_t, std::less<>> peers;  // connections by address
    boost::asio::io_context io{1};
    Workers workers;
    std::shared_ptr<Loop> loop;
};

// A seat among the connections; it moves on when a session of HTTP becomes one of WebSocket.
class Seat {
 public:
    Seat(Core& core, std::string peer) : core_(core), peer_(std::move(peer)) {
        Counters::add(core_.counters.connections);
        ++core_.peers[peer_];
    }
    ~Seat() {
        core_.counters.connections.fetch_sub(1, std::memory_order_relaxed);
        if (const auto at = core_.peers.find(peer_); --at->second == 0) core_.peers.erase(at);
    }
    Seat(const Seat&) = delete;
    Seat& operator=(const Seat&) = delete;
    const std::string& peer() const { return peer_; }

 private:
    Core& core_;
    const std::string peer_;
};

class Connection {
 public:
    explicit Connection(Core& core) : core_(core) { core_.connections.insert(this); }
    virtual ~Connection() { core_.connections.erase(this); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    // Ends everything; what is under way completes with an error and lets go of the connection.
    virtual void close() = 0;

 protected:
    Core& core_;
};

}  // namespace cvf::http
