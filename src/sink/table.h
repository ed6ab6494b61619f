// Records as lines of a table on a terminal: time, source → destination, protocol, summary, latency.
//
// A Table formats; it writes nothing. Column widths follow the terminal's: its size is asked for again at most four times a
// second, so a resized window needs no signal handler. Text of the network is made safe (terminal_text.h). Colour only where
// colour_wanted(fd) says so: a terminal, NO_COLOR unset or empty, TERM not "dumb". Time is local, to the millisecond.
//
// Ownership: nothing is kept of a record. Thread rule: one thread per Table. Errors: none.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "record/record.h"

namespace cvf::sink {

struct TableOptions {
    int terminal = -1;   // descriptor whose width is followed; -1: none
    size_t width = 120;  // columns where there is no terminal; at least 40 are used
    bool colour = false;
    bool local_time = true;  // else UTC
};

bool colour_wanted(int fd);
std::optional<size_t> terminal_width(int fd);

class Table {
 public:
    explicit Table(TableOptions options = {});

    // Options for writing to `fd`.
    static Table on(int fd);

    // Appends one line with its end.
    void header(std::string& out);
    void row(const record::Record& record, std::string& out);

 private:
    struct Layout {
        size_t end, protocol, summary, latency;
    };
    Layout layout();
    void time(int64_t unix_ns, std::string& out);

    TableOptions options_;
    std::chrono::steady_clock::time_point measured_{};
    int64_t minute_ = INT64_MIN;  // of the last time printed
    char clock_[8] = {};          // its "15:04:", for localtime_r is slow
};

// Keeps a table readable at high rates: so many rows a second, the rest counted.
class RowLimit {
 public:
    explicit RowLimit(size_t rows_per_second) : rows_(rows_per_second) {}
    // May this row be shown? `now` must not go back.
    bool allow(std::chrono::steady_clock::time_point now) {
        if (now - start_ >= std::chrono::seconds(1)) {
            start_ = now;
            shown_ = 0;
        }
        if (shown_ < rows_) return ++shown_, true;
        return ++skipped_, false;
    }
    // Rows held back, once the second in which they were is over.
    uint64_t take_due(std::chrono::steady_clock::time_point now) {
        return now - start_ >= std::chrono::seconds(1) ? take_skipped() : 0;
    }
    bool any_skipped() const { return skipped_ > 0; }
    // Rows held back since the last call.
    uint64_t take_skipped() {
        const uint64_t n = skipped_;
        skipped_ = 0;
        return n;
    }

 private:
    size_t rows_, shown_ = 0;
    uint64_t skipped_ = 0;
    std::chrono::steady_clock::time_point start_{};
};

}  // namespace cvf::sink
