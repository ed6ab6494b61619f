// What this process uses, and which kernel it runs on. Any thread; cheap enough for once a second.
#pragma once

#include <cstdint>
#include <string>

namespace cvf::host {

struct Usage {
    double cpu_seconds = 0;       // user and system, all threads, since the start
    uint64_t resident_bytes = 0;  // now
};

Usage own_usage();

// "6.12.0-13-amd64".
std::string kernel_release();

// Names the machine's present run: the same for every process on it until it reboots. Empty when the kernel does not say.
std::string boot_id();

}  // namespace cvf::host
