// Batches of records on disk, first in first out: where they wait while the broker is gone, also across a restart.
//
// A folder of segments "NNNNNNNNNNNN.spool", each a row of entries: a head with length and checksum (XXH3), the batch's own head,
// its bytes. Appends go to the newest segment, reads come from the oldest; a segment is removed when its last entry is
// done with. After a crash of the process everything appended is there (the kernel has it); after a power failure what was
// appended since the last tick() may be missing. A damaged tail is cut off; a damaged entry in the middle costs the rest of its
// segment; both are counted. What was read but not done with before a crash is read again: at least once.
//
// What cannot be read at present (no descriptor left, a disk that fails) is no damage: it stays, and is tried again. Only where
// the disk has failed at one place for half a minute is the rest of that segment given up. A segment that cannot be looked at
// when the spool is opened is left as it is for the next start.
//
// One process at a time uses a folder (a lock file says so). At most three segments are open. Thread rule: one thread. Errors:
// open() tells what is wrong with the folder; append() false when there is no room, by limit or on the disk.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "record/buffer.h"
#include "record/fields.h"

namespace cvf::sink {

// What a bus message needs to be made again.
struct BatchHead {
    uint64_t instance = 0;        // the agent's life in which the batch was made
    uint64_t first_sequence = 0;  // of its records, in its instance and stream (type and lane)
    uint32_t records = 0;
    uint16_t type = 0;  // the record type, as a number that is the same in every version (bus_queue.h)
    uint16_t lane = 0;
};

struct SpoolOptions {
    std::string directory;
    uint64_t limit_bytes = 256u << 20;
    uint64_t segment_bytes = 4u << 20;
};

struct SpoolStats {
    uint64_t bytes = 0;                               // on disk
    uint64_t entries = 0;                             // not yet done with
    uint64_t records = 0;                             // in them
    uint64_t damaged_bytes = 0, damaged_records = 0;  // lost to damage, of what this process appended or found
    uint64_t skipped_segments = 0;                    // could not be looked at when the spool was opened, and were left alone
    std::string last_error;
};

class Spool {
 public:
    static std::expected<std::unique_ptr<Spool>, std::string> open(SpoolOptions options);
    virtual ~Spool() = default;

    // `share` of the limit may be used by this batch: the rest is kept for batches that matter more.
    virtual bool append(const BatchHead& head, std::string_view bytes, double share) = 0;
    // The next entry after those read before; nothing: there is none, or it cannot be read now (last_error says why). `bytes` is
    // replaced. The number is the entry's, for done().
    virtual std::optional<uint64_t> read(BatchHead& head, record::Buffer& bytes) = 0;
    // This entry, read before, is not needed any more; in any order, once each.
    virtual void done(uint64_t entry) = 0;
    // All that was appended reaches the disk.
    virtual void tick() = 0;
    virtual SpoolStats stats() const = 0;
};

}  // namespace cvf::sink
