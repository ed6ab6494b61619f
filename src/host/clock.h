// Monotonic time to UTC.
//
// Kernel events carry CLOCK_MONOTONIC. The offset to CLOCK_REALTIME is sampled each second (sample()), so that a slewed clock is
// followed; a jump of the wall clock is noticed and can be told once.
//
// Thread rule: one thread. Never fails.
#pragma once

#include <cstdint>

namespace cvf::host {

int64_t monotonic_now();  // ns
int64_t utc_now();        // ns since 1970, for what happens now and was not told by the kernel; any thread

class Clock {
 public:
    Clock() { sample(); }
    // Measures the offset anew; to be called about once a second. Returns by how much the wall clock has stepped since the last
    // call: 0 unless it jumped by more than slewing can explain.
    int64_t sample();
    int64_t utc(uint64_t monotonic_ns) const { return static_cast<int64_t>(monotonic_ns) + offset_; }
    // CLOCK_BOOTTIME, which runs on while the machine sleeps; the start of processes is told in it.
    int64_t utc_of_boottime(uint64_t boottime_ns) const { return static_cast<int64_t>(boottime_ns) + boot_offset_; }
    int64_t offset() const { return offset_; }

 private:
    int64_t offset_ = 0, boot_offset_ = 0;
    int64_t sampled_ = 0;  // monotonic
};

}  // namespace cvf::host
