// Plain values the context works on: what a tap knows of a socket's owner and of a process's life.
#pragma once

#include <cstdint>
#include <string_view>

namespace cvf::context {

// The owner of a socket as the kernel saw it. Zeros: not known.
struct SocketOwner {
    uint32_t pid = 0;  // of the process (thread group), as the host numbers it
    uint32_t uid = 0, gid = 0;
    uint64_t cgroup_id = 0;
    uint32_t netns = 0;  // inode of the namespace of the socket
    std::string_view comm{};
};

// A process that was started (fork), became another program (exec) or ended (exit).
struct ProcessChange {
    uint32_t pid = 0, parent_pid = 0;
    uint32_t uid = 0, gid = 0;
    uint64_t cgroup_id = 0;
    int64_t start_ns = 0;  // UTC; 0: not known
    std::string_view comm{};
    std::string_view filename{};  // exec: as given to the kernel; may be relative
};

// Whose keys: "process.pid", "source.process.pid" or "destination.process.pid".
enum class End : uint8_t { itself, source, destination };

}  // namespace cvf::context
