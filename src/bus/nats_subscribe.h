// Subscriptions to subjects: made anew on each connection.
//
// A queue on a family of one subject (directives) is durable where there is JetStream: what was published while nobody of that
// name was there comes later, and a message whose handler has not taken it comes again, to this subscriber or another of the
// name.
#pragma once

#include <memory>
#include <string>

#include "bus/ledger.h"
#include "bus/nats_connection.h"
#include "bus/worker.h"

namespace cvf::bus {

std::shared_ptr<Worker> subscribe_nats(NatsConnection& connection, Ledger& ledger, std::string pattern, std::string queue,
                                       unsigned replicas, OnMessage handler);

}  // namespace cvf::bus
