#include "host/clock.h"

#include <ctime>

namespace cvf::host {

namespace {

int64_t now(clockid_t id) {
    timespec t{};
    clock_gettime(id, &t);
    return t.tv_sec * 1'000'000'000 + t.tv_nsec;
}

// `other` minus CLOCK_MONOTONIC, from the reading that was disturbed least.
int64_t offset_to(clockid_t other) {
    int64_t best = 0, narrowest = INT64_MAX;
    for (int i = 0; i < 5; i++) {
        int64_t before = now(CLOCK_MONOTONIC), there = now(other), after = now(CLOCK_MONOTONIC);
        if (after - before < narrowest) {
            narrowest = after - before;
            best = there - (before + (after - before) / 2);
        }
    }
    return best;
}

}  // namespace

int64_t monotonic_now() {
    return now(CLOCK_MONOTONIC);
}

int64_t utc_now() {
    return now(CLOCK_REALTIME);
}

int64_t Clock::sample() {
    int64_t offset = offset_to(CLOCK_REALTIME), at = monotonic_now();
    boot_offset_ = offset - offset_to(CLOCK_BOOTTIME);
    int64_t moved = offset - offset_, step = 0;
    if (sampled_ != 0) {
        // The kernel slews by at most 500 ppm, adjtime() by as much again; 1 ms is what reading two clocks may err on a busy
        // machine.
        int64_t explained = (at - sampled_) / 1000 + 1'000'000;
        if (moved > explained || moved < -explained) step = moved;
    }
    offset_ = offset;
    sampled_ = at;
    return step;
}

}  // namespace cvf::host
