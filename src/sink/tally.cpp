#include "sink/tally.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstring>
#include <system_error>

namespace cvf::sink {

size_t count_lines(std::string_view text) {
    size_t lines = 0;
    while (!text.empty()) {
        const void* end = std::memchr(text.data(), '\n', text.size());
        if (!end) break;
        ++lines;
        text.remove_prefix(static_cast<size_t>(static_cast<const char*>(end) - text.data()) + 1);
    }
    return lines;
}

void complain_on_stderr(std::string_view line) {
    const std::string text = fmt::format("cvf: {}\n", line);
    // One write, so that the line is not torn. Nothing can be done when standard error itself is broken.
    [[maybe_unused]] const ssize_t n = ::write(STDERR_FILENO, text.data(), text.size());
}

void Tally::failed(std::string_view what, int error) {
    const std::string text = fmt::format("{}: {}", what, std::generic_category().message(error));
    const auto now = std::chrono::steady_clock::now();
    {
        const std::lock_guard lock(mutex_);
        last_error_ = text;
        failing_.store(true, std::memory_order_relaxed);
        if (said_ == text) return;  // still the same: no news
        said_ = text;
        said_at_ = now;
    }
    complain_(fmt::format("{}; records that cannot be written are counted as lost", text));
}

void Tally::recovered() {
    const std::lock_guard lock(mutex_);
    failing_.store(false, std::memory_order_relaxed);
    last_error_.clear();
    // Say the next failure again, but not more than once a minute on a disk that flaps.
    if (std::chrono::steady_clock::now() - said_at_ >= std::chrono::minutes(1)) said_.clear();
}

SinkStats Tally::snapshot() const {
    SinkStats stats;
    stats.records_written = records_written_.load(std::memory_order_relaxed);
    stats.bytes_written = bytes_written_.load(std::memory_order_relaxed);
    stats.records_lost = records_lost_.load(std::memory_order_relaxed);
    const std::lock_guard lock(mutex_);
    stats.last_error = last_error_;
    return stats;
}

}  // namespace cvf::sink
