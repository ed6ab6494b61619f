// A way out for encoded records: batches of JSON lines go in, bytes reach a descriptor, a file, a terminal.
//
// Two ways of use. Direct (`cvf read`): write() blocks until the kernel has taken the bytes; nothing is lost, nothing copied; the
// caller collects batches of 64 KiB or more. Through a ThreadedSink (`cvf up`): write() copies into a bounded buffer and returns
// at once; what does not fit because the far side is slow is counted as lost.
//
// Accounting is exact at any moment after flush() or finish(): records given = records_written + records_lost. A record counts as
// written when its last byte was taken by the kernel.
//
// Errors: a sink never throws and never ends the program. A full disk is said once on standard error, counted as loss, and tried
// again with the next batch. A reader that is gone (EPIPE) closes the sink quietly: closed() is true, and all that follows is
// counted as lost.
//
// Thread rule: one thread makes all calls, except stats(), closed() (any thread) and interrupt() (any thread, signal handlers
// too).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace cvf::sink {

struct SinkStats {
    uint64_t records_written = 0;
    uint64_t bytes_written = 0;  // as they left: compressed where the sink compresses
    uint64_t records_lost = 0;
    uint64_t records_overrun = 0;  // those of the lost that never reached the sink, for the buffer before it was full
    std::string last_error;        // empty when the last write succeeded
};

class Sink {
 public:
    virtual ~Sink() = default;

    // `lines` is `records` whole lines, each with its line end. Borrowed during the call.
    virtual void write(std::string_view lines, size_t records) = 0;
    // Everything given so far is with the kernel when this returns (or counted as lost). Not for every batch: a compressing sink
    // ends its frame here.
    virtual void flush() = 0;
    // flush(), and no more writes will come. Called by the destructor too.
    virtual void finish() { flush(); }
    // Does what is due by time (rotation by age, ending a frame). For a sink that says needs_tick(), call it about once a second.
    virtual void tick() {}
    virtual bool needs_tick() const { return false; }

    virtual SinkStats stats() const = 0;
    // Nobody will ever read what is written: end.
    virtual bool closed() const = 0;
    // Makes a write() that waits for a slow reader give up now, and all later ones at once; their records are lost.
    virtual void interrupt() = 0;
};

// Where a sink says what went wrong, one line without an end. The default writes "cvf: LINE" to standard error.
using Complaint = std::function<void(std::string_view line)>;
void complain_on_stderr(std::string_view line);

}  // namespace cvf::sink
