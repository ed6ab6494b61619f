// Plain messages: sent by one thread, confirmed by another.
//
// The sender writes to the socket, so that publish() never waits for it. The confirmer sends a PING behind what was sent; when
// its PONG is back the server has had it all. What was sent on a connection that is no longer the present one is not delivered.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>

#include "bus/ledger.h"
#include "bus/nats_connection.h"
#include "bus/nats_message.h"
#include "bus/worker.h"

namespace cvf::bus {

class NatsPublisher {
 public:
    NatsPublisher(NatsConnection& connection, Ledger& ledger);
    ~NatsPublisher();

    // Of a message that the ledger took.
    void publish(const Message& message, const Taken& taken);

 private:
    struct Queued {
        NatsOwned<natsMsg> message;
        Taken taken;
    };
    struct Sent {
        Taken taken;
        uint64_t session;  // 0: sending failed
    };
    void send(Worker& worker);
    void confirm(Worker& worker);
    void settle(size_t count, uint64_t session);
    void wake();

    NatsConnection& connection_;
    Ledger& ledger_;
    std::mutex mutex_;
    std::condition_variable queued_changed_, sent_changed_;
    std::deque<Queued> queued_;
    std::deque<Sent> sent_;
    Worker sender_, confirmer_;
};

}  // namespace cvf::bus
