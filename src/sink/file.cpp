#include "sink/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <system_error>

#include "sink/descriptor.h"
#include "sink/frames.h"
#include "sink/rotation.h"
#include "sink/tally.h"

namespace cvf::sink {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto retry_interval = std::chrono::seconds(1);          // of opening a file that could not be opened
constexpr auto rotate_retry_interval = std::chrono::seconds(60);  // of a rename that failed

// Does the file end where a record ends?
bool ends_clean(int fd, uint64_t size, bool zstd) {
    if (size == 0) return true;
    if (!zstd) {
        char last = 0;
        return ::pread(fd, &last, 1, static_cast<off_t>(size - 1)) == 1 && last == '\n';
    }
    void* map = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED) return false;
    const bool whole = whole_frames({static_cast<const char*>(map), size});
    ::munmap(map, size);
    return whole;
}

class FileSink final : public Sink {
 public:
    explicit FileSink(FileOptions options) : options_(std::move(options)), tally_(options_.complain) {
        if (options_.path.ends_with(".zst")) frames_.emplace(options_.zstd_level);
    }
    ~FileSink() override { FileSink::finish(); }

    // An errno value, 0 when the file is open.
    int open(FileOptions::Start start) {
        const int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | (start == FileOptions::Start::truncate ? O_TRUNC : 0);
        for (int attempt = 0;; ++attempt) {
            fd_ = ::open(options_.path.c_str(), flags, 0640);
            if (fd_ < 0) return errno;
            struct stat st{};
            if (::fstat(fd_, &st) != 0) return close_with(errno);
            if (!S_ISREG(st.st_mode)) return close_with(EINVAL);
            end_ = static_cast<uint64_t>(st.st_size);
            if (attempt > 0 || ends_clean(fd_, end_, frames_.has_value())) break;
            if (const auto moved = rotate_away(options_.path, ::time(nullptr)); !moved) return close_with(moved.error());
            close_with(0);
        }
        if (::lseek(fd_, static_cast<off_t>(end_), SEEK_SET) < 0) return close_with(errno);
        good_end_ = end_;
        opened_ = checked_ = Clock::now();
        return 0;
    }

    void write(std::string_view lines, size_t records) override {
        if (!ready()) return tally_.lost(records);
        if (!frames_) {
            write_plain(lines, records);
        } else {
            frame_records_ += records;
            frame_input_ += lines.size();
            if (!frames_->write(lines, [this](std::string_view bytes) { return put(bytes) == bytes.size(); }))
                return drop_frame();
            if (frame_input_ >= options_.frame_bytes) end_frame();
        }
        if (options_.rotate_bytes != 0 && end_ >= options_.rotate_bytes) rotate();
    }

    void flush() override { end_frame(); }

    void finish() override {
        if (fd_ < 0) return;
        end_frame();
        close_with(0);
        finished_ = true;
    }

    void tick() override {
        end_frame();
        rotate_if_old();
    }
    bool needs_tick() const override { return frames_.has_value() || options_.rotate_age.count() > 0; }

    SinkStats stats() const override { return tally_.snapshot(); }
    bool closed() const override { return false; }
    void interrupt() override {}  // a regular file does not wait for a reader

 private:
    int close_with(int error) {
        if (fd_ >= 0) ::close(fd_);
        fd_ = -1;
        return error;
    }

    // Is there a file to write to? Opens it anew when it is gone or could not be opened before.
    bool ready() {
        if (finished_) return false;
        const auto now = Clock::now();
        if (fd_ >= 0 && now - checked_ >= std::chrono::seconds(1)) {
            checked_ = now;
            struct stat ours{}, there{};
            const bool same = ::fstat(fd_, &ours) == 0 && ::stat(options_.path.c_str(), &there) == 0 &&
                              ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
            if (!same) {
                end_frame();
                close_with(0);
            }
        }
        if (fd_ < 0) {
            if (now < retry_at_) return false;
            if (const int error = open(FileOptions::Start::append); error != 0) {
                tally_.failed(options_.path, error);
                retry_at_ = now + retry_interval;
                return false;
            }
        }
        rotate_if_old();
        return fd_ >= 0;
    }

    void write_plain(std::string_view lines, size_t records) {
        const size_t done = put(lines);
        if (done == lines.size()) {
            good_end_ = end_;
            tally_.written(records, done);
            tally_.works_again();
            return;
        }
        // Keep the whole lines of what went out, and cut the torn one off again.
        const size_t last = lines.substr(0, done).rfind('\n');
        const size_t whole = last == std::string_view::npos ? 0 : last + 1;
        const size_t lines_out = count_lines(lines.substr(0, whole));
        good_end_ += whole;
        cut_back();
        tally_.written(lines_out, whole);
        tally_.lost(records - std::min(records, lines_out));
    }

    void end_frame() {
        if (!frames_ || frame_input_ == 0 || fd_ < 0) return;
        if (!frames_->end_frame([this](std::string_view bytes) { return put(bytes) == bytes.size(); })) return drop_frame();
        tally_.written(frame_records_, end_ - good_end_);
        tally_.works_again();
        good_end_ = end_;
        frame_records_ = frame_input_ = 0;
    }

    void drop_frame() {
        frames_->reset();
        cut_back();
        tally_.lost(frame_records_);
        frame_records_ = frame_input_ = 0;
    }

    void cut_back() {
        if (end_ == good_end_) return;
        if (::ftruncate(fd_, static_cast<off_t>(good_end_)) == 0) end_ = good_end_;
        ::lseek(fd_, static_cast<off_t>(end_), SEEK_SET);
    }

    // Writes all of it unless there is an error, which has then been said.
    size_t put(std::string_view bytes) {
        size_t done = 0;
        while (done < bytes.size()) {
            const ssize_t n = ::write(fd_, bytes.data() + done, bytes.size() - done);
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0) {
                tally_.failed(options_.path, n < 0 ? errno : EIO);
                break;
            }
            done += static_cast<size_t>(n);
            end_ += static_cast<size_t>(n);
        }
        return done;
    }

    void rotate_if_old() {
        if (options_.rotate_age.count() == 0 || fd_ < 0) return;
        if (Clock::now() - opened_ < options_.rotate_age) return;
        if (end_ == 0 && frame_input_ == 0) {
            opened_ = Clock::now();  // nothing in it: no empty files
            return;
        }
        rotate();
    }

    void rotate() {
        const auto now = Clock::now();
        if (now < rotate_retry_at_) return;
        end_frame();
        const auto moved = rotate_away(options_.path, ::time(nullptr));
        if (!moved) {
            // Growing past the limit is better than losing records.
            if (moved.error() != ENOENT) tally_.failed(options_.path + " (rotation)", moved.error());
            rotate_retry_at_ = now + rotate_retry_interval;
            return;
        }
        close_with(0);
        if (options_.keep > 0) remove_oldest(options_.path, options_.keep);
        if (const int error = open(FileOptions::Start::append); error != 0) {
            tally_.failed(options_.path, error);
            retry_at_ = now + retry_interval;
        }
    }

    FileOptions options_;
    Tally tally_;
    std::optional<FrameWriter> frames_;
    int fd_ = -1;
    uint64_t end_ = 0;       // file size
    uint64_t good_end_ = 0;  // up to here everything is whole
    size_t frame_records_ = 0, frame_input_ = 0;
    Clock::time_point opened_{}, checked_{}, retry_at_{}, rotate_retry_at_{};
    bool finished_ = false;
};

}  // namespace

std::expected<std::unique_ptr<Sink>, std::string> make_file_sink(FileOptions options) {
    const auto failed = [&](int error) {
        return std::unexpected(fmt::format("{}: {}", options.path, std::generic_category().message(error)));
    };
    struct stat st{};
    if (::stat(options.path.c_str(), &st) == 0 && !S_ISREG(st.st_mode)) {
        if (S_ISDIR(st.st_mode)) return failed(EISDIR);
        const int fd = ::open(options.path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0) return failed(errno);
        return make_descriptor_sink(
            {.fd = fd, .owned = true, .interruptible = true, .name = options.path, .complain = options.complain});
    }
    // Rotation must rename the file itself, not a link to it (/dev/stdout, a "current" link).
    if (char* real = ::realpath(options.path.c_str(), nullptr)) {
        options.path = real;
        ::free(real);
    }
    auto sink = std::make_unique<FileSink>(options);
    if (const int error = sink->open(options.start); error != 0) return failed(error);
    return sink;
}

}  // namespace cvf::sink
