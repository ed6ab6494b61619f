// One watch of a bucket: see nats_documents.h.
#pragma once

#include <memory>
#include <string>

#include "bus/ledger.h"
#include "bus/nats_connection.h"
#include "bus/worker.h"

namespace cvf::bus {

std::shared_ptr<Worker> watch_nats(NatsConnection& connection, Ledger& ledger, unsigned replicas, std::string bucket,
                                   OnDocument handler);

}  // namespace cvf::bus
