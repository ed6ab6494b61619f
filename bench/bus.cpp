// Messages and records per second through a bus, and CPU per record: bench/bus.sh starts the brokers and calls this.
//
//   cvf_bench_bus NAME URL [SECONDS] [durable]      one line of the table
//   cvf_bench_bus --head                            its head
//
// One thread publishes batches of 32 kB (500-byte lines) as fast as they are taken, for that long; then all must be settled. The
// CPU is this process's alone (all threads: copying, the library, TLS none), the broker's comes beside it from bench/bus.sh.
#include <fmt/format.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "bus/bus.h"
#include "bus/subjects.h"

namespace {

using Clock = std::chrono::steady_clock;
constexpr size_t line_size = 500, batch_size = 32'000;

double cpu_seconds() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Lines like records: the same keys, other values, so that compression has its usual work.
std::string make_batch(unsigned seed) {
    std::string out;
    while (out.size() + line_size <= batch_size) {
        std::string line = fmt::format(
            R"({{"@timestamp":"2026-01-01T00:00:{:02}.{:09}Z","record.type":"http","flow.id":"{:016x}","network.community_id":"1:{:x}","source.address":"10.{}.{}.{}",)"
            R"("source.port":{},"destination.address":"10.0.0.{}","destination.port":8080,"url.path":"/api/v1/items/{}","http.request.method":"GET",)"
            R"("http.response.status_code":200,"source.process.pid":{},"host.name":"node-1","source.k8s.pod.name":"cart-{:x}")",
            seed % 60, seed * 7919 % 1000000000, seed * 0x9e3779b97f4a7c15u, seed * 2654435761u, seed % 256, seed / 3 % 256,
            seed / 7 % 256, 1024 + seed % 60000, seed % 200, seed * 31, 1000 + seed % 5000, seed * 40503u);
        line.resize(line_size - 1, ' ');
        line.back() = '}';
        out += line + '\n';
        seed++;
    }
    return out;
}

double percentile(std::vector<double>& values, double p) {
    if (values.empty()) return 0;
    std::sort(values.begin(), values.end());
    return values[static_cast<size_t>(p * static_cast<double>(values.size() - 1))];
}

}  // namespace

int main(int argc, char** argv) {
    using namespace cvf::bus;
    if (argc > 1 && std::strcmp(argv[1], "--head") == 0) {
        fmt::print("{:<18} {:>11} {:>12} {:>9} {:>14} {:>10} {:>12}\n", "bus", "messages/s", "records/s", "MB/s", "CPU us/record",
                   "undeliv.", "settled p99");
        return 0;
    }
    if (argc < 3) return fmt::print(stderr, "usage: cvf_bench_bus NAME URL [SECONDS] [durable]\n"), 2;
    const double seconds = argc > 3 ? std::atof(argv[3]) : 5;
    const bool durable = argc > 4 && std::strcmp(argv[4], "durable") == 0;

    std::mutex mutex;
    std::vector<double> latencies;  // ms, of every 16th message
    std::vector<Clock::time_point> sent(1 << 22);
    std::atomic<size_t> undelivered = 0;
    Options options;
    options.url = argv[2];
    options.on_settled = [&](const Settled& s) {
        undelivered += !s.delivered;
        if (s.token % 16 != 0) return;
        const std::lock_guard lock(mutex);
        latencies.push_back(std::chrono::duration<double, std::milli>(Clock::now() - sent[s.token % sent.size()]).count());
    };
    auto bus = Bus::connect(options);
    if (!bus) return fmt::print(stderr, "{}\n", bus.error()), 1;
    for (int i = 0; i < 200 && !(*bus)->state().connected; i++) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    if (!(*bus)->state().connected) return fmt::print(stderr, "{}: {}\n", argv[2], (*bus)->state().last_error), 1;

    std::vector<std::string> batches;
    for (unsigned i = 0; i < 64; i++) batches.push_back(make_batch(i * 1000));
    const size_t records = batches[0].size() / line_size;
    const std::string subject = subject::records("http", "node-1");
    std::string first;
    uint64_t token = 0;
    const auto publish_until = [&](Clock::time_point end) {
        while (Clock::now() < end) {
            first = std::to_string(token * records + 1);
            const Header headers[] = {{header::content_type, "application/x-ndjson"},
                                      {header::schema, schema_version},
                                      {header::agent, "node-1/bench"},
                                      {header::first, first}};
            Message m;
            m.subject = subject;
            m.payload = batches[token % batches.size()];
            m.headers = headers;
            m.partition_key = token % 16 + 1;
            m.token = token + 1;
            m.durable = durable;
            sent[m.token % sent.size()] = Clock::now();
            if ((*bus)->publish(m) == Accepted::yes) {
                token++;
            } else {
                std::this_thread::sleep_for(std::chrono::microseconds(200));
            }
        }
    };
    publish_until(Clock::now() + std::chrono::seconds(1));  // topics and streams are made, connections are warm
    (*bus)->drain(std::chrono::seconds(30));
    {
        const std::lock_guard lock(mutex);
        latencies.clear();
    }
    const uint64_t before = token;
    const auto began = Clock::now();
    const double cpu_before = cpu_seconds();
    publish_until(began + std::chrono::microseconds(static_cast<int64_t>(seconds * 1e6)));
    const bool drained = (*bus)->drain(std::chrono::seconds(60));
    const double took = std::chrono::duration<double>(Clock::now() - began).count(), cpu = cpu_seconds() - cpu_before;
    const double messages = static_cast<double>(token - before), lines = messages * static_cast<double>(records);
    const std::lock_guard lock(mutex);
    fmt::print("{:<18} {:>11.0f} {:>12.0f} {:>9.0f} {:>14.3f} {:>10} {:>9.1f} ms{}\n", argv[1], messages / took, lines / took,
               lines * line_size / took / 1e6, cpu / lines * 1e6, undelivered.load(), percentile(latencies, 0.99),
               drained ? "" : "  NOT DRAINED");
    return drained ? 0 : 1;
}
