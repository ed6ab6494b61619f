// Where the bytes of a capture file come from: a file or standard input, as it is or unpacked from gzip or zstd (found by
// content, not by name).
//
// Plain read(2) in large blocks, also for regular files: it costs the same as mapping them, and a file that shrinks meanwhile is
// an end of data, not a signal. A source hands on what is there without waiting for a full block, so a pipe shows its packets as
// they come. A signal whose handler was set without SA_RESTART ends a read that waits, as an error. One thread. Errors are one
// line of text without the file's name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>

namespace cvf::pcapng {

class Source {
 public:
    virtual ~Source() = default;
    // Up to n bytes (n > 0) to `to`; 0 only at the end. What was read before a fault is given out before the fault is.
    virtual std::expected<size_t, std::string> read(uint8_t* to, size_t n) = 0;
    // Bytes of the file itself that have been read, packed as they are.
    virtual uint64_t consumed() const = 0;
    virtual bool packed() const { return false; }
};

struct OpenedSource {
    std::unique_ptr<Source> source;
    uint64_t size = 0;  // of the file, 0 when it has none (a pipe)
};

// "-" is standard input.
std::expected<OpenedSource, std::string> open_source(const std::string& path);

}  // namespace cvf::pcapng
