// Plain messages: sent by one thread, confirmed by another.
//
// The sender writes to the socket, so that publish() never waits for it. The confirmer sends a PING behind what was sent; when
// its PONG is back the server has had it all, and kept it but for what it denies (nats_denials.h). What was sent on a connection
// that is no longer the present one is not delivered.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>

#include "bus/ledger.h"
#include "bus/nats_connection.h"
#include "bus/nats_denials.h"
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
        uint64_t session = 0;  // 0: sending failed
        bool refused = false;
        NatsDenials::Ticket ticket = {};
    };
    void send(Worker& worker);
    Sent send_one(NatsConnection::Session* session, const Queued& queued);
    void confirm(Worker& worker);
    // The oldest `count` of what was sent; null: none of it has arrived.
    void settle(size_t count, NatsConnection::Session* session);
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
