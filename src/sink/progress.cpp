#include "sink/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "sink/table.h"
#include "sink/terminal_text.h"
#include "sink/units.h"

namespace cvf::sink {
namespace {

constexpr auto interval = std::chrono::milliseconds(100);
constexpr size_t bar_width = 30;
constexpr std::string_view eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};

std::string bar(double done) {
    const auto steps = static_cast<size_t>(done * bar_width * 8);
    std::string out;
    for (size_t i = 0; i < steps / 8; ++i) out += "█";
    out += eighths[steps % 8];
    out.append(bar_width - steps / 8 - (steps % 8 != 0), ' ');
    return out;
}

void say(int fd, std::string_view text) {
    [[maybe_unused]] const ssize_t n = ::write(fd, text.data(), text.size());
}

}  // namespace

Progress::Progress(uint64_t total_bytes, int fd)
    : total_(total_bytes), fd_(fd), active_(::isatty(fd) == 1), start_(std::chrono::steady_clock::now()), last_(start_) {}

std::string Progress::line(uint64_t total, uint64_t bytes, uint64_t records, std::chrono::nanoseconds elapsed, size_t width) {
    const double seconds = std::max(1e-3, std::chrono::duration<double>(elapsed).count());
    const double rate = static_cast<double>(bytes) / seconds;
    std::string text;
    const double done = total ? std::min(1.0, static_cast<double>(bytes) / static_cast<double>(total)) : 0;
    if (total) text = fmt::format("{:3.0f} %  {}  ", done * 100, bar(done));
    text += fmt::format("{}/s  {} records", show_bytes(static_cast<uint64_t>(rate)), show_count(records));
    if (total && bytes < total && rate > 0 && seconds >= 0.5) {
        const double left = static_cast<double>(total - bytes) / rate;
        if (left < 60)
            text += fmt::format("  {:.0f} s left", std::max(1.0, left));
        else
            text += fmt::format("  {} left", show_duration(static_cast<uint64_t>(std::min(left, 1e9)) * 1'000'000'000));
    }
    std::string out;
    append_safe(out, text, width);
    return out;
}

void Progress::update(uint64_t bytes, uint64_t records, Time now) {
    if (!active_) return;
    if (now - last_ < interval) return;
    last_ = now;
    // The last column stays free: writing there makes some terminals wrap.
    const size_t width = terminal_width(fd_).value_or(80);
    say(fd_, "\r\x1b[K" + line(total_, bytes, records, now - start_, width > 1 ? width - 1 : 1));
    shown_ = true;
}

void Progress::clear() {
    if (!shown_) return;
    say(fd_, "\r\x1b[K");
    shown_ = false;
}

}  // namespace cvf::sink
