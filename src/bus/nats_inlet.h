// A subscription that a thread reads and another may interrupt.
#pragma once

#include <nats/nats.h>

#include <mutex>

#include "bus/nats_connection.h"
#include "bus/nats_message.h"

namespace cvf::bus {

class NatsInlet {
 public:
    ~NatsInlet() { close(); }

    // Takes the subscription over; destroys it when interrupted already.
    void set(NatsConnection::SessionPtr session, natsSubscription* subscription);
    bool is_set() const { return subscription_ != nullptr; }
    // The reader's: the next message; the status is NATS_TIMEOUT, or what ended the subscription.
    natsStatus next(NatsOwned<natsMsg>& message, std::chrono::milliseconds wait);
    // The reader's: how many messages the library has shed for this one since it was set.
    uint64_t dropped() const;
    // The reader's: drops what it has.
    void close();
    // Any thread: next() ends now, and the reader may set another.
    void end_this();
    // Any thread: next() ends now and always.
    void interrupt();

    const NatsConnection::SessionPtr& session() const { return session_; }
    natsSubscription* subscription() const { return subscription_; }

 private:
    std::mutex mutex_;
    bool interrupted_ = false;
    NatsConnection::SessionPtr session_;
    natsSubscription* subscription_ = nullptr;
};

}  // namespace cvf::bus
