// Subscriptions to topics.
//
// With a queue: a consumer group of that name, whose place the brokers keep; it begins with the oldest message. A message's place
// is passed when its handler has returned. Without: every partition of every topic that matches, read from its end as of now;
// topics that come later are read from their beginning.
#pragma once

#include <expected>
#include <memory>
#include <string>

#include "bus/kafka_producer.h"
#include "bus/ledger.h"
#include "bus/worker.h"

namespace cvf::bus {

std::expected<std::shared_ptr<Worker>, std::string> subscribe_kafka(const Address& address, const Options& options,
                                                                    Ledger& ledger, KafkaProducer& producer, std::string pattern,
                                                                    const std::string& queue, OnMessage handler);

}  // namespace cvf::bus
