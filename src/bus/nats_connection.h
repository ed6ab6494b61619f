// The connection to a NATS server: made, lost, made anew, for as long as this lives.
//
// Thread rule: any thread. A Session is shared by whoever uses it; the last one to let go closes it, which must not happen on one
// of libnats's own threads (no callback of this keeps one). All sessions are let go before this is destroyed.
#pragma once

#include <nats/nats.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <expected>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "bus/address.h"
#include "bus/bus.h"
#include "bus/ledger.h"
#include "bus/nats_denials.h"
#include "bus/worker.h"

namespace cvf::bus {

class NatsConnection {
 public:
    // One TCP connection, from its beginning to its end.
    class Session {
     public:
        Session(NatsConnection& owner, uint64_t number);
        ~Session();

        natsConnection* connection() const { return connection_; }
        jsCtx* jetstream() const { return jetstream_; }
        uint64_t number() const { return number_; }  // from 1; each connection has its own
        bool open() const { return connection_ && !natsConnection_IsClosed(connection_); }
        size_t servers() const { return servers_; }  // of the cluster, as known when this began
        NatsDenials& denials() { return denials_; }
        // Ends a subscription of this connection and frees it, when the library's reading thread is past it. Waits for a round
        // trip.
        void let_go(natsSubscription* subscription);

     private:
        friend class NatsConnection;
        void failed(natsConnection* connection, natsStatus status);
        void* closure() const { return reinterpret_cast<void*>(place_); }

        NatsConnection& owner_;
        const uint64_t number_;
        uintptr_t place_ = 0;  // in the register
        natsConnection* connection_ = nullptr;
        jsCtx* jetstream_ = nullptr;
        size_t servers_ = 1;
        NatsDenials denials_;
        std::mutex mutex_;
        std::condition_variable closed_changed_;
        bool closed_ = false;
        std::vector<natsSubscription*> unfreed_;  // no round trip was possible: they are freed with the connection
    };
    using SessionPtr = std::shared_ptr<Session>;

    static std::expected<std::unique_ptr<NatsConnection>, std::string> create(const Address& address, const Options& options,
                                                                              Ledger& ledger);
    ~NatsConnection();

    // The present one; null when there is none.
    SessionPtr current() const;
    // Waits for one that is not `not_this` (a number, 0: any); null when the time is over or the worker was told to stop.
    SessionPtr wait(std::chrono::milliseconds time, uint64_t not_this = 0, const Worker* worker = nullptr) const;
    // Makes wait() look at its worker again.
    void wake() const;

 private:
    NatsConnection(const Address& address, const Options& options, Ledger& ledger);
    std::string configure(const Options& options, const Address& address);
    void keep(Worker& worker);
    std::expected<SessionPtr, std::string> open(uint64_t number);
    void retire();
    void learn_servers(natsConnection* connection);

    // libnats's threads. The closure is a Session's place in the register of those that live.
    template <typename Tell>
    static void with_session(void* closure, const Tell& tell);
    static void on_closed(natsConnection* connection, void* closure);
    static void on_disconnected(natsConnection* connection, void* closure);
    static void on_lame_duck(natsConnection* connection, void* closure);
    static void on_error(natsConnection* connection, natsSubscription* subscription, natsStatus status, void* closure);

    Ledger& ledger_;
    const std::chrono::milliseconds reconnect_wait_;
    const bool login_;                  // one was given
    std::vector<std::string> servers_;  // as configured, with their scheme
    std::vector<std::string> learned_;  // others of the cluster
    std::string scheme_;
    natsOptions* options_ = nullptr;

    mutable std::mutex mutex_;
    mutable std::condition_variable changed_;
    SessionPtr current_;
    bool tried_ = false, lost_ = false, lame_duck_ = false;
    std::unique_ptr<Worker> keeper_;
};

// The library's words for what went wrong last in this thread, without credentials.
std::string nats_error(natsStatus status);

}  // namespace cvf::bus
