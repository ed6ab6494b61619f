// Records kept, and asked for later: what the embedded store and ClickHouse have in common.
//
// Thread rule: write(), tick() and flush() on one thread, the writer's; query(), stats(), counters() and interrupt() on any, also
// while it writes.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "history/answer.h"
#include "history/query.h"

namespace cvf::history {

struct Stats {
    uint64_t records = 0;  // kept now
    uint64_t bytes = 0;    // on disk now; 0 where it is not known
    uint64_t segments = 0;
    int64_t first = 0, last = 0;                         // earliest and latest time kept; both 0 when nothing is
    uint64_t written = 0;                                // records since the start
    uint64_t lost = 0;                                   // could not be written
    uint64_t refused = 0;                                // lines that were no records
    uint64_t dropped_records = 0, dropped_segments = 0;  // beyond the bounds of size and age
    uint64_t cut_bytes = 0;                              // half-written or damaged, found at the start
    std::string last_error;                              // empty when the last write succeeded
};

class History {
 public:
    virtual ~History() = default;

    // `lines` is whole JSON lines, each with its line end; borrowed during the call. What is no record is counted and left out.
    virtual void write(std::string_view lines) = 0;
    // What is due by time: call it once a second. What was written before is then readable and safe from a kill (of this program;
    // at ClickHouse, when the server has taken it).
    virtual void tick() = 0;
    // Everything written is with the kernel (or the server), or counted as lost.
    virtual void flush() = 0;

    // The error is a sentence; damage and gaps are told in Progress.
    virtual std::expected<Progress, std::string> query(const Query& query, const Receiver& receiver) const = 0;
    // What is kept may have to be asked for: a far history that does not answer is waited for.
    virtual Stats stats() const = 0;
    // The part of it that this program has counted itself, without a wait: written, lost, refused, cut, dropped, last_error.
    virtual Stats counters() const = 0;
    // Whatever the writer waits for ends now, and all it has left counts as lost: the program ends.
    virtual void interrupt() {}
};

}  // namespace cvf::history
