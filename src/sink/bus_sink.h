// Records to the fabric: batches of JSON lines as bus messages, one stream per record type.
//
// A batch is sealed when it has `batch_bytes` or is `linger` old, gets the sequence of its records in its stream (headers, see
// docs/bus.md), and waits in memory and on disk until the broker says that it has it (bus_queue.h). What an earlier process left
// in the spool goes first, under that process's instance.
//
// At least once: a batch whose fate is unknown is sent again, under the same sequence. A kill costs what was not sealed (5 ms),
// what was under way to the broker, and of an outage's records those of its first second.
//
// Thread rule: as in record_sink.h; a thread of its own talks to the bus and the disk.
#pragma once

#include <chrono>
#include <expected>
#include <memory>
#include <string>

#include "bus/bus.h"
#include "sink/record_sink.h"
#include "sink/sink.h"
#include "sink/spool.h"

namespace cvf::sink {

struct BusSinkOptions {
    std::string node;       // as in subjects
    uint64_t instance = 0;  // this life of the agent
    size_t batch_bytes = 32 * 1024;
    std::chrono::milliseconds linger{5};
    size_t memory_bytes = 32u << 20;
    SpoolOptions spool;  // directory empty: none
    unsigned lanes = 1;  // batches of one type are split by conversation into so many, for as many partitions
    std::chrono::milliseconds give_up{60'000};  // on what the broker does not take while it takes others
    Complaint complain = {};
};

class BusSink : public RecordSink {
 public:
    // `bus` outlives the sink; whoever made it hands on what its Options tell: settled() and connection_changed(), from any
    // thread. The sink may publish before this returns, so what is told meanwhile must wait. The error is the spool's.
    static std::expected<std::unique_ptr<BusSink>, std::string> open(BusSinkOptions options, bus::Bus& bus);

    virtual void settled(const bus::Settled& settled) = 0;
    virtual void connection_changed() = 0;
};

}  // namespace cvf::sink
