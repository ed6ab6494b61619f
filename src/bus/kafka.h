// The bus over Kafka.
//
// - A message is delivered when all in-sync replicas have it (idempotent producer, acks=all). One that the brokers did not take
//   within some seconds is settled as not delivered.
// - Subjects become topics and headers as subjects.h says; the partition is the partition key modulo the number of partitions,
// or,
//   for key 0, chosen by the subject.
// - A bucket is a compacted topic of one partition; a document's revision is its offset + 1.
// - Topics are made when absent, where the brokers allow it.
// Needs brokers that speak the protocol of Kafka 0.11 and later; Kafka 4 too.
#pragma once

#include <expected>
#include <memory>
#include <string>

#include "bus/address.h"
#include "bus/bus.h"

namespace cvf::bus {

std::expected<std::unique_ptr<Bus>, std::string> connect_kafka(Address address, const Options& options);

}  // namespace cvf::bus
