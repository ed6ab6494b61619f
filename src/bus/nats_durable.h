// Durable messages: published to JetStream, settled by its acknowledgement.
//
// One thread makes the stream where it is absent and publishes; another reads acknowledgements. One that does not come in time,
// or not on the connection that it was asked on, settles its message as not delivered. A message that names its agent and first
// sequence gets a Nats-Msg-Id made of them and the subject, so that the stream keeps it once however often it is sent again.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "bus/ledger.h"
#include "bus/nats_connection.h"
#include "bus/nats_inlet.h"
#include "bus/worker.h"

namespace cvf::bus {

class NatsDurable {
 public:
    NatsDurable(NatsConnection& connection, Ledger& ledger, unsigned replicas);
    ~NatsDurable();

    // Of a message that the ledger took.
    void publish(const Message& message, const Taken& taken);

 private:
    struct Queued {
        std::string subject, payload;
        std::vector<std::pair<std::string, std::string>> headers;
        Taken taken;
    };
    struct Asked {
        Taken taken;
        std::chrono::steady_clock::time_point due;
    };
    void run(Worker& worker);
    void read(Worker& worker);
    bool follow_session();
    void send(const Queued& queued);
    // The stream for this subject is there; else what is wrong.
    std::string stream_for(std::string_view subject);
    void answered(uint64_t id, bool delivered);
    void give_up(bool only_late);

    NatsConnection& connection_;
    Ledger& ledger_;
    const unsigned replicas_;

    // The publishing thread's.
    NatsConnection::SessionPtr session_;
    std::string inbox_;
    std::map<std::string_view, std::pair<std::string, std::chrono::steady_clock::time_point>>
        streams_;  // by family: error, until

    std::mutex mutex_;
    std::condition_variable queued_changed_, inbox_changed_;
    std::deque<Queued> queued_;
    std::map<uint64_t, Asked> asked_;
    uint64_t last_id_ = 0;
    NatsConnection::SessionPtr reading_;  // with its inbox, for the reader to take
    natsSubscription* reading_subscription_ = nullptr;
    NatsInlet acks_;
    Worker reader_, publisher_;
};

}  // namespace cvf::bus
