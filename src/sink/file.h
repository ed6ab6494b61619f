// The sink of --output FILE: a file that rotates by size or age, compressed with zstd when its name ends in ".zst".
//
// The file written is always FILE; a full one is renamed to FILE-YYYYMMDDTHHMMSSZ (UTC of the rotation; ".1", ".2" … behind it
// when that name is taken; ".zst" stays last: flows.jsonl-20260102T030405Z.zst). With `keep`, the oldest rotated files beyond it
// are removed.
//
// Start::append goes on with a FILE that is there. If that ends in the middle of a line or of a zstd frame (the writer was
// killed), it is rotated away first and nothing is destroyed. Start::truncate empties it, as a command's output does.
//
// zstd: frames end at flush(), tick(), rotation, finish(), and after frame_bytes of input; a crash costs at most the last,
// unfinished frame (about a second of records when ticked), and frames one behind the other are one valid .zst. Plain: each
// write() goes to the kernel at once. Either way a failed write is cut back to the last whole record (whole frame) with
// ftruncate(), and what was cut is counted as lost.
//
// When power fails, what the kernel has not yet written back (some 30 s) is lost; a crash or kill of the program loses nothing
// that was with the kernel.
//
// When FILE is removed or renamed by someone else, it is made anew within a second of writing. A FILE that is no regular file (a
// pipe, /dev/null) is written like standard output.
//
// Direct and blocking; put it in a ThreadedSink for a live tap. Thread rule and errors: as in sink.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>

#include "sink/sink.h"

namespace cvf::sink {

struct FileOptions {
    std::string path;
    enum class Start : uint8_t { append, truncate } start = Start::append;
    uint64_t rotate_bytes = 0;           // of the file as it lies on disk; 0: never by size
    std::chrono::seconds rotate_age{0};  // since the file was opened; 0: never by age
    size_t keep = 0;                     // rotated files; 0: all
    int zstd_level = 3;
    size_t frame_bytes = 4 * 1024 * 1024;  // of input
    Complaint complain = {};
};

// The error names the file and what is wrong.
std::expected<std::unique_ptr<Sink>, std::string> make_file_sink(FileOptions options);

}  // namespace cvf::sink
