// The embedded history: a folder of segments, bounded in bytes and age.
//
// Segments are NNNNNNNNNNNN.jsonl.zst, numbered as they were begun; `zstd -dc` reads them (block.h). The folder itself is the
// list of segments: there is no second file that a crash could make differ from it. One program at a time writes (a lock says
// who); what it had not flushed when it was killed, a second at most, is lost, and a half-written block is cut off at the next
// start. When power fails, what the kernel had not written back is lost too; a sealed segment is synced.
//
// Blocks that a slow stream made small are packed together when their segment is sealed, a little with every tick(), into a file
// that then takes the segment's place.
//
// A full disk: said once, counted in Stats::lost, tried again with the next block; reading goes on. Memory: one block being
// filled, a block being packed, and 64 bytes per block on disk.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>

#include "history/block.h"
#include "history/history.h"
#include "sink/sink.h"

namespace cvf::history {

struct StoreOptions {
    std::string folder;                      // made when absent
    uint64_t max_bytes = UINT64_C(4) << 30;  // of all segments
    std::chrono::seconds max_age = std::chrono::days(7);
    uint64_t segment_bytes = UINT64_C(64) << 20;  // at most an eighth of max_bytes
    std::chrono::seconds segment_age = std::chrono::hours(1);
    std::chrono::milliseconds flush_interval{1000};  // of a block while records flow; tick() ends it too
    BlockLevels levels = {};
    sink::Complaint complain = {};
};

// The error names the folder and what is wrong.
std::expected<std::unique_ptr<History>, std::string> open_store(StoreOptions options);

}  // namespace cvf::history
