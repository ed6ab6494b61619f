// The counters of one sink, and the saying of its errors: each state of failure is said once, at most once a minute.
//
// Thread rule: written by the sink's one writing thread, snapshot() and closed may be read by any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <mutex>
#include <string>

#include "sink/sink.h"

namespace cvf::sink {

// Lines in `text` by counting their ends.
size_t count_lines(std::string_view text);

class Tally {
 public:
    explicit Tally(Complaint complain) : complain_(complain ? std::move(complain) : Complaint(complain_on_stderr)) {}

    void written(size_t records, size_t bytes) {
        records_written_.fetch_add(records, std::memory_order_relaxed);
        bytes_written_.fetch_add(bytes, std::memory_order_relaxed);
    }
    void lost(size_t records) { records_lost_.fetch_add(records, std::memory_order_relaxed); }

    // `what` is the thing that failed ("standard output", a file name), `error` an errno value.
    void failed(std::string_view what, int error);
    void works_again() {
        if (failing_.load(std::memory_order_relaxed)) recovered();
    }
    bool failing() const { return failing_.load(std::memory_order_relaxed); }

    SinkStats snapshot() const;

    std::atomic<bool> closed{false};

 private:
    void recovered();

    Complaint complain_;
    std::atomic<uint64_t> records_written_{0}, bytes_written_{0}, records_lost_{0};
    std::atomic<bool> failing_{false};
    mutable std::mutex mutex_;
    std::string last_error_;
    std::string said_;
    std::chrono::steady_clock::time_point said_at_{};
};

}  // namespace cvf::sink
