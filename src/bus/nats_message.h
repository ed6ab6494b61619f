// Messages to and from libnats's form.
#pragma once

#include <nats/nats.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bus/bus.h"

namespace cvf::bus {

struct NatsFree {
    void operator()(natsMsg* m) const { natsMsg_Destroy(m); }
    void operator()(kvStore* k) const { kvStore_Destroy(k); }
    void operator()(kvEntry* e) const { kvEntry_Destroy(e); }
    void operator()(jsStreamInfo* i) const { jsStreamInfo_Destroy(i); }
    void operator()(jsConsumerInfo* i) const { jsConsumerInfo_Destroy(i); }
};
template <typename T>
using NatsOwned = std::unique_ptr<T, NatsFree>;

// A copy of the message; null when there is no memory or a header is not one (NATS: no CR, LF in it).
NatsOwned<natsMsg> to_nats(const Message& message, const char* reply = nullptr);

// Calls `handler` with what arrived, borrowed from it. False: it was left untaken.
bool handle_nats(natsMsg* message, const OnMessage& handler);

// What JetStream says of a message it hands over, in the subject for its acknowledgement (JetStream's ADR-15):
// $JS.ACK.<stream>.<consumer>.<deliveries>.<stream sequence>.<consumer sequence>.<time>.<pending>, where newer servers put a
// domain and an account before the stream, and perhaps a token at the end.
struct NatsDelivery {
    uint64_t stream_sequence, consumer_sequence, pending;
};
std::optional<NatsDelivery> nats_delivery(std::string_view reply);

// The header's value; empty when there is none.
std::string_view nats_header(natsMsg* message, const char* name);

}  // namespace cvf::bus
