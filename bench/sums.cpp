// What a directive that aggregates costs the data path, against one that sends single records, and what it saves on the way out.
//
//   cvf_bench_sums [RECORDS]       default 1,000,000 a round
//
// The same flow records, with both owners, go through a rule each; the way out encodes them and throws the bytes away. 10,000
// records a second come in, so a window of ten seconds has 100,000. Printed: CPU time per record of this thread (the best of five
// rounds, taken in turns), and the bytes that would have left the node. Compare lines of one run only.
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/rules.h"

using namespace cvf;
using record::Field;
using record::RecordType;

namespace {

struct Nowhere final : sink::RecordSink {
    record::Buffer line;
    uint64_t records = 0, bytes = 0;
    size_t write(const record::Record& record, const record::Projection* fields) override {
        line.clear();
        record::write_json(record, fields, line);
        records++;
        bytes += line.size();
        return line.size();
    }
    void flush() override {}
    void finish(std::chrono::milliseconds) override {}
    sink::RecordSinkStats stats() const override { return {}; }
};

// Flows of `clients` machines to a handful of services.
class Traffic {
 public:
    static constexpr size_t flows = 20'000;
    Traffic() {
        for (size_t i = 0; i < owners_.size(); i++) {
            record::FieldSet& o = owners_[i];
            const bool source = i < 8;
            const auto at = [&](Field field) { return source ? field : record::at_destination(field); };
            o.uint(at(Field::source_process_pid), 1000 + i);
            o.text(at(Field::source_process_name), source ? "curl" : "nginx");
            o.copy(at(Field::source_container_id), std::string(64, static_cast<char>('a' + i)));
            o.copy(at(Field::source_container_name), fmt::format("container-{}", i));
            o.copy(at(Field::source_pod_name), fmt::format("pod-{}-7d9f8b6c5-x{}", i, i));
            o.text(at(Field::source_pod_namespace), i % 2 ? "shop" : "default");
        }
        for (uint32_t i = 0; i < flows; i++) {
            auto made = std::make_unique<record::Record>();
            record::Record& r = *made;
            r.begin(RecordType::flow, 1'767'355'200'000'000'000 + i);
            r.copy(Field::record_id, fmt::format("{:016x}-1", i * 2654435761u));
            r.copy(Field::flow_id, fmt::format("{:016x}", i * 2654435761u));
            r.text(Field::network_community_id, "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
            r.ip(Field::source_address, std::array<uint8_t, 4>{10, 0, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i)});
            r.ip(Field::destination_address, std::array<uint8_t, 4>{10, 1, 0, static_cast<uint8_t>(i % 20)});
            r.uint(Field::source_port, 32768 + i % 28000);
            r.uint(Field::destination_port, 8000 + i % 20);
            r.text(Field::network_transport, "tcp");
            r.text(Field::network_type, "ipv4");
            r.text(Field::network_protocol_name, "http");
            r.time(Field::event_start, r.timestamp() - 5'000'000);
            r.time(Field::event_end, r.timestamp());
            r.uint(Field::event_duration, 1'000'000 + (i * 2654435761u) % 50'000'000);
            r.text(Field::flow_state, "final");
            r.text(Field::flow_reason, "fin");
            r.uint(Field::flow_sequence, 0);
            r.text(Field::flow_initiator_by, "syn");
            r.uint(Field::network_packets, 18);
            r.uint(Field::network_bytes, 8123);
            r.uint(Field::source_packets, 9);
            r.uint(Field::source_bytes, 1023);
            r.uint(Field::source_payload_bytes, 400);
            r.uint(Field::destination_packets, 9);
            r.uint(Field::destination_bytes, 7100);
            r.uint(Field::destination_payload_bytes, 6500);
            r.text(Field::server_address, "shop.example");
            r.uint(Field::flow_ends, 1);
            r.text(Field::network_direction, "outbound");
            r.text(Field::tcp_state, "closed");
            r.uint(Field::tcp_handshake, 123'456);
            r.text(Field::source_tcp_flags, "SYN|ACK|PSH|FIN");
            r.text(Field::destination_tcp_flags, "SYN|ACK|PSH|FIN");
            r.attach(&owners_[i % 8]);
            r.attach(&owners_[8 + i % 8]);
            records_.push_back(std::move(made));
        }
    }
    const record::Record& operator[](size_t i) const { return *records_[i % flows]; }

 private:
    std::array<record::FieldSet, 16> owners_;
    std::vector<std::unique_ptr<record::Record>> records_;
};

struct Case {
    const char* name;
    std::vector<Field> by;
    bool sums = true;
    double best = 1e9;  // ns per record
    uint64_t records = 0, bytes = 0;
};

double cpu_seconds() {
    timespec t{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

void round(Case& c, const Traffic& traffic, size_t count) {
    auto way = std::make_shared<Nowhere>();
    std::vector<pipeline::Rule> rules(1);
    rules[0].ways.push_back(way);
    rules[0].selection.types.reset();
    rules[0].selection.types.set(static_cast<size_t>(RecordType::flow));
    if (c.sums) {
        metric::WindowOptions options;
        options.by = c.by;
        options.bytes = options.packets = options.latency = true;
        options.directive = "Flow/edges";
        options.node = "node-1";
        rules[0].sums = std::make_shared<metric::Windows>(std::move(options));
    }
    pipeline::Rules all(std::move(rules));
    int64_t now = 1'767'355'200'000'000'000;
    const double began = cpu_seconds();
    for (size_t i = 0; i < count; i++) {
        if (i % 100 == 0) all.flush(now += 10'000'000);
        all.route(traffic[i]);
    }
    all.finish(now);
    c.best = std::min(c.best, (cpu_seconds() - began) / static_cast<double>(count) * 1e9);
    c.records = way->records;
    c.bytes = way->bytes;
}

}  // namespace

int main(int argc, char** argv) {
    const size_t count = argc > 1 ? std::stoull(argv[1]) : 1'000'000;
    const Traffic traffic;
    Case cases[] = {
        {"single records", {}, false},
        {"sums by port (20 groups)", {Field::destination_port}},
        {"sums by both pods, port, transport (40 groups)",
         {Field::source_pod_name, Field::destination_pod_name, Field::destination_port, Field::network_transport}},
        {"sums by source address and port (20,000 asked, 10,000 groups)", {Field::source_address, Field::destination_port}},
    };
    for (int i = 0; i < 5; i++)
        for (Case& c : cases) round(c, traffic, count);
    fmt::print("{:<64} {:>10} {:>12} {:>14} {:>9}\n", "", "ns/record", "records out", "bytes out", "saved");
    for (const Case& c : cases)
        fmt::print("{:<64} {:>10.0f} {:>12} {:>14} {:>8.2f}%\n", c.name, c.best, c.records, c.bytes,
                   100 - 100 * static_cast<double>(c.bytes) / static_cast<double>(cases[0].bytes));
    return 0;
}
