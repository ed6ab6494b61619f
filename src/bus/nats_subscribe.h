// Subscriptions to subjects: made anew on each connection.
#pragma once

#include <memory>
#include <string>

#include "bus/ledger.h"
#include "bus/nats_connection.h"
#include "bus/worker.h"

namespace cvf::bus {

std::shared_ptr<Worker> subscribe_nats(NatsConnection& connection, Ledger& ledger, std::string pattern, std::string queue,
                                       OnMessage handler);

}  // namespace cvf::bus
