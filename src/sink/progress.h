// A progress line for `cvf read`, on standard error and only when that is a terminal; otherwise all calls do nothing.
//
//      42 %  ████████████▌                  312 MB/s  1,204,311 records  3 s left
//
// At most ten updates a second, one write each; update() may be called for every batch. The caller must not show it when records
// go to the same terminal. Thread rule: one thread. Errors: none; a terminal that can't be written to is its own sign.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace cvf::sink {

class Progress {
 public:
    // `total_bytes` 0: not known (a pipe); then there is no percentage. `fd` is for tests.
    explicit Progress(uint64_t total_bytes, int fd = 2);
    ~Progress() { clear(); }
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    using Time = std::chrono::steady_clock::time_point;
    // Totals since the start. `now` is for tests.
    void update(uint64_t bytes, uint64_t records, Time now = std::chrono::steady_clock::now());
    // Takes the line away: at the end, and before something else is said on the terminal.
    void clear();

    // The line itself, at most `width` columns.
    static std::string line(uint64_t total, uint64_t bytes, uint64_t records, std::chrono::nanoseconds elapsed, size_t width);

 private:
    const uint64_t total_;
    const int fd_;
    const bool active_;
    bool shown_ = false;
    const Time start_;
    Time last_;
};

}  // namespace cvf::sink
