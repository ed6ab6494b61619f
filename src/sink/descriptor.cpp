#include "sink/descriptor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "sink/tally.h"

namespace cvf::sink {
namespace {

// Without O_NONBLOCK a pipe or terminal that poll() calls writable takes at least this much without blocking (PIPE_BUF).
constexpr size_t safe_write = 4096;
constexpr size_t big_write = 256 * 1024;

class DescriptorSink final : public Sink {
 public:
    explicit DescriptorSink(DescriptorOptions options)
        : fd_(options.fd), owned_(options.owned), name_(std::move(options.name)), tally_(std::move(options.complain)) {
        ::signal(SIGPIPE, SIG_IGN);
        struct stat st{};
        const bool known = ::fstat(fd_, &st) == 0;
        can_block_ = !known || S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode) || S_ISSOCK(st.st_mode);
        socket_ = known && S_ISSOCK(st.st_mode);
        if (options.interruptible && can_block_) {
            stop_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
            // O_NONBLOCK belongs to the open file, which a shell may share with other programs: open the pipe or terminal anew
            // and have it for ourselves. Where that is not allowed, small writes do.
            if (!socket_) {
                const int own =
                    ::open(fmt::format("/proc/self/fd/{}", fd_).c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
                if (own >= 0) {
                    if (owned_) ::close(fd_);
                    fd_ = own;
                    owned_ = nonblocking_ = true;
                }
            }
        }
    }

    ~DescriptorSink() override {
        DescriptorSink::finish();
        if (owned_) ::close(fd_);
        if (stop_ >= 0) ::close(stop_);
    }

    void write(std::string_view lines, size_t records) override {
        if (!rest_.empty() && !write_rest()) {
            tally_.lost(records);
            return;
        }
        const size_t done = put(lines);
        if (done == lines.size()) {
            tally_.written(records, done);
            tally_.works_again();
            return;
        }
        const std::string_view out = lines.substr(0, done);
        const size_t whole = count_lines(out);
        tally_.written(whole, done);
        size_t unwritten = records - std::min(records, whole);
        const bool torn = !out.empty() && out.back() != '\n';
        if (torn && !tally_.closed) {
            rest_ = lines.substr(done, lines.find('\n', done) - done + 1);
            --unwritten;  // decided when the rest is out, or in the end
        }
        tally_.lost(unwritten);
    }

    void flush() override {
        if (!rest_.empty()) write_rest();
    }

    void finish() override {
        flush();
        if (!rest_.empty()) {
            rest_.clear();
            tally_.lost(1);
        }
    }

    SinkStats stats() const override { return tally_.snapshot(); }
    bool closed() const override { return tally_.closed.load(std::memory_order_relaxed); }

    void interrupt() override {
        interrupted_.store(true, std::memory_order_relaxed);
        if (stop_ < 0) return;
        const uint64_t one = 1;
        [[maybe_unused]] const ssize_t n = ::write(stop_, &one, sizeof one);
    }

 private:
    bool write_rest() {
        const size_t done = put(rest_);
        tally_.written(done == rest_.size() ? 1 : 0, done);
        rest_.erase(0, done);
        return rest_.empty();
    }

    // Writes all of it unless there is an error, which has then been said. Returns how much.
    size_t put(std::string_view bytes) {
        size_t done = 0;
        while (done < bytes.size()) {
            if (tally_.closed.load(std::memory_order_relaxed)) return done;
            if (interrupted_.load(std::memory_order_relaxed)) return done;
            size_t most = big_write;
            if (stop_ >= 0) {
                if (!wait()) return done;
                if (!nonblocking_ && !socket_) most = safe_write;
            }
            const std::string_view piece = bytes.substr(done, most);
            const ssize_t n = stop_ >= 0 && socket_ ? ::send(fd_, piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL)
                                                    : ::write(fd_, piece.data(), piece.size());
            if (n > 0) {
                done += static_cast<size_t>(n);
            } else if (n < 0 && errno == EAGAIN) {
                if (!wait()) return done;
            } else if (n < 0 && errno == EINTR) {
                continue;
            } else if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) {
                tally_.closed.store(true, std::memory_order_relaxed);
                return done;
            } else {
                tally_.failed(name_, n < 0 ? errno : EIO);
                return done;
            }
        }
        return done;
    }

    // Until the descriptor takes bytes; false when interrupted.
    bool wait() {
        for (;;) {
            pollfd fds[2] = {{fd_, POLLOUT, 0}, {stop_, POLLIN, 0}};
            const int n = ::poll(fds, stop_ >= 0 ? 2 : 1, -1);
            if (interrupted_.load(std::memory_order_relaxed)) return false;
            if (n > 0 && fds[0].revents != 0) return true;  // an error too: write() will say which
            if (n < 0 && errno != EINTR) return true;
        }
    }

    int fd_, stop_ = -1;
    bool owned_, can_block_ = false, nonblocking_ = false, socket_ = false;
    std::string name_;
    std::string rest_;  // of a line that was cut by an error
    std::atomic<bool> interrupted_{false};
    Tally tally_;
};

}  // namespace

std::unique_ptr<Sink> make_descriptor_sink(DescriptorOptions options) {
    return std::make_unique<DescriptorSink>(std::move(options));
}

}  // namespace cvf::sink
