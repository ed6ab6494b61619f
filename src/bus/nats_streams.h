// Streams and buckets of JetStream, made when they are absent. Those that are there stay as they are: an operator's settings win.
//
// These wait for the server (a request of two seconds at most, a few of them).
#pragma once

#include <string>
#include <string_view>

#include "bus/nats_connection.h"
#include "bus/nats_message.h"
#include "bus/subjects.h"

namespace cvf::bus {

// Empty when the stream is there; else what is wrong. `replicas` 0: three where the cluster has three servers, else one.
std::string ensure_nats_stream(const NatsConnection::Session& session, const Channel& channel, unsigned replicas);
// The bucket; null, and `error` says why.
NatsOwned<kvStore> ensure_nats_bucket(const NatsConnection::Session& session, std::string_view name, unsigned replicas,
                                      std::string& error);

// A document's key as NATS takes it, and back.
std::string nats_key(std::string_view key);

}  // namespace cvf::bus
