// Records and far sides for the tests of OTLP, IPFIX and webhook.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <fstream>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "http/server.h"
#include "record/record.h"
#include "sink/record_sink.h"
#include "sink/sink.h"

namespace cvf::sink {

using namespace std::chrono_literals;

inline constexpr int64_t test_time = 1'767'323'045'123'456'789;  // 2026-01-02T03:04:05.123456789Z

// A server that keeps what it is sent and answers as it is told, 200 when not.
class Receiver {
 public:
    struct Got {
        std::string path, body, type, authorization;
        std::chrono::steady_clock::time_point at;
    };
    explicit Receiver(const std::string& listen = "127.0.0.1:0", std::optional<http::ServerTls> tls = {}) {
        http::ServerLimits limits;
        limits.body_bytes = 8u << 20;
        auto started =
            http::Server::start(listen, [this](const http::IncomingRequest& r) { return answer(r); }, limits, std::move(tls));
        if (!started) throw std::runtime_error(started.error());
        server_ = std::move(*started);
    }
    std::string url() const { return server_->address(); }
    uint16_t port() const { return server_->port(); }

    void then(http::OutgoingResponse response) {
        const std::lock_guard lock(mutex_);
        answers_.push_back(std::move(response));
    }
    void then(unsigned status, std::vector<http::Header> headers = {}, std::string body = {}) {
        http::OutgoingResponse response;
        response.status = status;
        response.headers = std::move(headers);
        response.body = std::move(body);
        then(std::move(response));
    }
    std::vector<Got> got() {
        const std::lock_guard lock(mutex_);
        return got_;
    }
    bool wait_for(size_t requests) {
        std::unique_lock lock(mutex_);
        return more_.wait_for(lock, 20s, [&] { return got_.size() >= requests; });
    }

 private:
    http::OutgoingResponse answer(const http::IncomingRequest& r) {
        const std::lock_guard lock(mutex_);
        std::string path = r.target.path;
        for (const auto& [key, value] : r.target.query) path += " " + key + "=" + value;
        got_.push_back({path, std::string(r.body), std::string(r.header("Content-Type")), std::string(r.header("Authorization")),
                        std::chrono::steady_clock::now()});
        more_.notify_all();
        if (answers_.empty()) return {};
        http::OutgoingResponse next = std::move(answers_.front());
        answers_.pop_front();
        return next;
    }

    std::mutex mutex_;
    std::condition_variable more_;
    std::deque<http::OutgoingResponse> answers_;
    std::vector<Got> got_;
    std::unique_ptr<http::Server> server_;  // the last: it calls answer()
};

inline void begin_http(record::Record& r, std::string_view path = "/a") {
    using record::Field;
    r.begin(record::RecordType::http, test_time);
    r.text(Field::record_id, "00000000000000aa-0");
    r.text(Field::flow_id, "00000000000000aa");
    r.text(Field::url_path, path);
}

// `packets` and `bytes` are what each end has sent so far.
inline void begin_flow(record::Record& r, bool final, uint64_t sequence, uint64_t packets, uint64_t bytes,
                       std::string_view id = "00000000000000aa") {
    using record::Field;
    static constexpr uint8_t source[] = {10, 0, 0, 1}, destination[] = {10, 0, 0, 2};
    r.begin(record::RecordType::flow, test_time);
    r.text(Field::flow_id, id);
    r.ip(Field::source_address, source);
    r.uint(Field::source_port, 40000 + sequence);
    r.ip(Field::destination_address, destination);
    r.uint(Field::destination_port, 443);
    r.text(Field::network_transport, "tcp");
    r.time(Field::event_start, test_time);
    r.time(Field::event_end, test_time + 2'000'000'000 * static_cast<int64_t>(sequence + 1));
    r.uint(Field::event_duration, 2'000'000'000 * (sequence + 1));
    r.text(Field::flow_state, final ? "final" : "interim");
    if (final) r.text(Field::flow_reason, "fin");
    r.uint(Field::flow_sequence, sequence);
    r.uint(Field::source_packets, packets);
    r.uint(Field::source_bytes, bytes);
    r.uint(Field::destination_packets, 2 * packets);
    r.uint(Field::destination_bytes, 2 * bytes);
    r.text(Field::source_tcp_flags, "SYN|ACK|FIN");
    r.text(Field::destination_tcp_flags, "SYN|ACK");
}

// Waits until `done` holds of the sink's numbers.
template <typename Done>
bool soon(const RecordSink& sink, Done done) {
    for (int i = 0; i < 2000; i++) {
        if (done(sink.stats())) return true;
        std::this_thread::sleep_for(10ms);
    }
    return false;
}

inline void expect_sums(const RecordSink& sink, uint64_t given, uint64_t delivered, uint64_t lost) {
    const RecordSinkStats stats = sink.stats();
    EXPECT_EQ(stats.given, given);
    EXPECT_EQ(stats.delivered, delivered);
    EXPECT_EQ(stats.lost, lost);
    EXPECT_EQ(stats.waiting, given - delivered - lost);
}

// Complaints of the sinks, which would else stand on standard error.
struct Complaints {
    std::mutex mutex;
    std::vector<std::string> lines;
    Complaint take() {
        return [this](std::string_view line) {
            const std::lock_guard lock(mutex);
            lines.emplace_back(line);
        };
    }
    std::string all() {
        const std::lock_guard lock(mutex);
        std::string out;
        for (const std::string& line : lines) out += line + "\n";
        return out;
    }
};

}  // namespace cvf::sink
