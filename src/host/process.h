// What /proc tells of one process. Every call reads files once and may find the process gone.
//
// The root is a parameter so that tests, and an agent in a container that has the host's /proc mounted elsewhere, can name their
// own; empty: there is none, and nothing is known. Times are UTC nanoseconds; the kernel gives a process's start in clock ticks
// since boot, so they are cut to the tick (10 ms). Contents of /proc that a process controls (comm, command line) are foreign
// text: bounded here, escaped by the record writer.
//
// Thread rule: const methods may run on any thread. Errors: std::nullopt or an empty string; a process that is gone is no error.
// Source: proc(5).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cvf::host {

struct ProcessStat {
    std::string comm;  // at most 15 bytes by the kernel; 64 for kernel threads
    uint32_t parent_pid = 0;
    uint64_t start_ticks = 0;  // since boot: with the pid it names the process for good
    int64_t start_ns = 0;      // the same as UTC
};

class Proc {
 public:
    explicit Proc(std::string root = "/proc");

    std::optional<ProcessStat> stat(uint32_t pid) const;
    // Path of the executable in the process's own mount namespace, without the kernel's " (deleted)"; empty for kernel threads.
    std::string executable(uint32_t pid) const;
    // Arguments joined by spaces; at most `limit` bytes.
    std::string command_line(uint32_t pid, size_t limit = 4096) const;
    // Path in the cgroup v2 tree ("/" for the root); empty when there is none.
    std::string cgroup(uint32_t pid) const;
    // Inode of the network namespace; 0 when not known.
    uint32_t netns(uint32_t pid) const;
    // All processes (not their threads) there are now, in the order of the directory.
    std::vector<uint32_t> list() const;

    const std::string& root() const { return root_; }

 private:
    std::string path(uint32_t pid, const char* file) const;
    std::string root_;
    int64_t tick_ns_;
};

// Whether the /proc at `root` numbers processes as the kernel's own programs and events do: it, or this process, belongs to the
// first pid namespace.
bool numbers_as_the_kernel(const std::string& root = "/proc");

// Nanoseconds to add to a CLOCK_BOOTTIME time to make it UTC, now.
int64_t boot_to_utc_ns();

// Reads a regular file of at most `limit` bytes. A link in the last part of the path is not followed, a device or a pipe is not
// waited for; std::nullopt for those, for what cannot be read and for what is longer. Files of /proc may be read too.
std::optional<std::string> read_file(const std::string& path, size_t limit);

}  // namespace cvf::host
