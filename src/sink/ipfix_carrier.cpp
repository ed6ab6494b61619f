#include "sink/ipfix_carrier.h"

#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "sink/ipfix_message.h"

namespace cvf::sink::ipfix {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr int stop_interval = 100;  // ms

class SocketCarrier final : public Carrier {
 public:
    explicit SocketCarrier(Collector collector) : to_(std::move(collector)) { write_templates(templates_); }
    ~SocketCarrier() override { close(); }

    Sent send(Parcel& parcel, const std::atomic<bool>& stop) override {
        // A collector never writes: what can be read is the end of the connection, and a message sent into that is lost.
        if (fd_ >= 0 && to_.tcp && ended()) close();
        if (fd_ < 0 && !connect(stop)) return again();
        const auto now = Clock::now();
        if (templates_due_ || (!to_.tcp && now - templates_at_ >= to_.template_interval)) {
            if (!message(templates_, 0, stop)) return again();
            templates_due_ = false;
            templates_at_ = now;
        }
        if (!message(parcel.bytes, parcel.records, stop)) return again();
        return {};
    }

 private:
    Sent again() {
        // UDP keeps its socket and its count: for the collector it is one session, and what the kernel told was of an earlier
        // datagram. Whoever comes back there may know no templates.
        if (to_.tcp) close();
        templates_due_ = true;
        return {Sent::Fate::again, 0, milliseconds(0), std::exchange(error_, {})};
    }

    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }

    bool ended() const {
        char byte[64];
        const ssize_t n = ::recv(fd_, byte, sizeof byte, MSG_DONTWAIT);
        return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
    }

    bool connect(const std::atomic<bool>& stop) {
        addrinfo hints{}, *found = nullptr;
        hints.ai_socktype = to_.tcp ? SOCK_STREAM : SOCK_DGRAM;
        hints.ai_flags = AI_NUMERICSERV;
        if (const int failed = ::getaddrinfo(to_.host.c_str(), std::to_string(to_.port).c_str(), &hints, &found)) {
            error_ = fmt::format("{}: {}", to_.host, ::gai_strerror(failed));
            return false;
        }
        const std::unique_ptr<addrinfo, void (*)(addrinfo*)> all(found, ::freeaddrinfo);
        for (const addrinfo* one = found; one && !stop; one = one->ai_next) {
            fd_ = ::socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, one->ai_protocol);
            if (fd_ < 0) {
                error_ = std::strerror(errno);
                continue;
            }
            if (::connect(fd_, one->ai_addr, one->ai_addrlen) == 0 || (errno == EINPROGRESS && writable(stop))) {
                int error = 0;
                socklen_t size = sizeof error;
                if (::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0) {
                    templates_due_ = true;
                    error_.clear();
                    if (to_.tcp) sequence_ = 0;  // it counts within a connection
                    return true;
                }
                error_ = std::strerror(error);
            } else if (error_.empty()) {
                error_ = std::strerror(errno);
            }
            close();
        }
        return false;
    }

    // Waits until the socket takes more.
    bool writable(const std::atomic<bool>& stop) {
        const auto deadline = Clock::now() + to_.timeout;
        while (!stop) {
            pollfd poll{fd_, POLLOUT, 0};
            const int ready = ::poll(&poll, 1, stop_interval);
            if (ready > 0) return true;
            if (ready < 0 && errno != EINTR) break;
            if (Clock::now() >= deadline) {
                error_ = "it takes nothing in time";
                return false;
            }
        }
        error_ = "stopped";
        return false;
    }

    bool message(record::Buffer& bytes, size_t records, const std::atomic<bool>& stop) {
        seal(bytes, static_cast<uint32_t>(::time(nullptr)), sequence_, to_.domain);
        std::string_view rest = bytes.view();
        while (!rest.empty()) {
            const ssize_t n = ::send(fd_, rest.data(), rest.size(), MSG_NOSIGNAL);
            if (n >= 0) {
                rest.remove_prefix(to_.tcp ? static_cast<size_t>(n) : rest.size());
                continue;
            }
            if (errno == EINTR) continue;
            if ((errno == EAGAIN || errno == ENOBUFS) && writable(stop)) continue;
            if (error_.empty()) error_ = std::strerror(errno);
            return false;
        }
        sequence_ += static_cast<uint32_t>(records);
        return true;
    }

    const Collector to_;
    record::Buffer templates_;
    int fd_ = -1;
    uint32_t sequence_ = 0;
    bool templates_due_ = true;
    Clock::time_point templates_at_{};
    std::string error_;
};

}  // namespace

std::unique_ptr<Carrier> make_carrier(Collector collector) {
    return std::make_unique<SocketCarrier>(std::move(collector));
}

}  // namespace cvf::sink::ipfix
