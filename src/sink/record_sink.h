// A way out for records as such: what encodes them itself, because their fields say where they go (a bus's subject and partition)
// or how they look there (OTLP, IPFIX). For ways out that take JSON lines as they are, see sink.h.
//
// Accounting is exact at any moment after finish(): given = delivered + lost. Before that some are under way.
//
// Errors: never thrown, and never the end of the program; what is lost is counted, and said once on standard error.
// Thread rule: write(), flush(), tick() and finish() on one thread, the pipeline's, which they never block but for finish().
// stats() on any.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "record/json.h"
#include "record/record.h"

namespace cvf::sink {

struct RecordSinkStats {
    uint64_t given = 0;          // records
    uint64_t delivered = 0;      // the far side has said that it has them (or, where it says nothing, they were sent)
    uint64_t lost = 0;           // given up: no room in memory or on disk, refused for good, or too late at finish()
    uint64_t bytes = 0;          // encoded, before compression
    uint64_t waiting = 0;        // records in memory or on disk
    uint64_t spooled_bytes = 0;  // on disk now
    uint64_t damaged_bytes = 0;  // on disk, could not be read back
    bool connected = true;
    std::string last_error;  // empty when the last attempt succeeded
};

class RecordSink {
 public:
    virtual ~RecordSink() = default;

    // Encodes the record (borrowed during the call; `fields` null: all of them). Returns the bytes it took.
    virtual size_t write(const record::Record& record, const record::Projection* fields) = 0;
    // Sends the batches that are due by size or age. For each turn of the pipeline (some milliseconds).
    virtual void flush() = 0;
    // What is due by time; about once a second.
    virtual void tick() {}
    // Sends everything and waits at most `wait` until it has arrived; what has not by then stays in the spool where there is one,
    // and is counted as lost where not. No write may follow.
    virtual void finish(std::chrono::milliseconds wait) = 0;

    virtual RecordSinkStats stats() const = 0;
};

}  // namespace cvf::sink
