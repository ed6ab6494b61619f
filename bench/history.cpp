// How fast the embedded history writes, and how fast it answers.
//
//     cvf_bench_history FOLDER RECORDS LINES…      LINES: files of records as JSON lines, what `cvf read` prints
//
// The records of the files are written again and again with other times, addresses, ports, processes, containers, pods and ids,
// as RECORDS of them coming 100,000 a second. Making them is not in the time measured. Prints a table; FOLDER keeps the segments.
#include <fmt/format.h>
#include <time.h>

#include <chrono>
#include <fstream>
#include <random>
#include <vector>

#include "history/store.h"
#include "record/json.h"
#include "record/parse.h"

namespace {

using namespace cvf;
using record::Field;

double seconds_of(clockid_t clock) {
    timespec t{};
    clock_gettime(clock, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

// One record of the capture as one of another conversation: few talk much, many a little.
class Variation {
 public:
    void write(const record::Record& from, int64_t time, record::Buffer& out) {
        const uint32_t pod = skewed(5000), peer = skewed(50'000);
        record_.begin(from.type(), time);
        const uint8_t source[] = {10, 1, static_cast<uint8_t>(pod >> 8), static_cast<uint8_t>(pod)};
        const uint8_t destination[] = {10, 2, static_cast<uint8_t>(peer >> 8), static_cast<uint8_t>(peer)};
        record_.ip(Field::source_address, source);
        record_.ip(Field::destination_address, destination);
        record_.uint(Field::source_port, 32'768 + random_() % 28'000);
        record_.copy(Field::source_pod_name, fmt::format("pod-{}", pod));
        record_.copy(Field::source_pod_namespace, fmt::format("team-{}", pod % 40));
        record_.copy(Field::source_container_name, fmt::format("service-{}", pod % 300));
        record_.copy(Field::source_process_name, fmt::format("process-{}", pod % 100));
        record_.copy(Field::flow_id, fmt::format("{:016x}", random_()));
        record_.copy(Field::record_id, fmt::format("{:016x}-{}", random_(), number_++));
        record_.uint(Field::event_duration, random_() % 1'000'000'000);
        if (from.type() == record::RecordType::flow) record_.uint(Field::network_bytes, skewed(1'000'000));
        for (const record::Value& v : from.values())
            if (!record_.find(v.field)) copy(v);
        record::write_json(record_, nullptr, out);
    }

 private:
    uint32_t skewed(uint32_t n) {
        const double u = static_cast<double>(random_() >> 11) * 0x1p-53;
        return static_cast<uint32_t>(u * u * u * n);
    }
    void copy(const record::Value& v) {
        switch (v.kind) {
            case record::Kind::text:
                return record_.text(v.field, v.as_text());
            case record::Kind::uint:
                return record_.uint(v.field, v.uint);
            case record::Kind::flag:
                return record_.flag(v.field, v.flag);
            case record::Kind::ip:
                return record_.ip(v.field, {v.inline_bytes, v.short_size});
            case record::Kind::time:
                return record_.time(v.field, v.sint);
            default:
                return;  // lists and the like are a small part
        }
    }
    record::Record record_;
    std::mt19937_64 random_{1};
    uint64_t number_ = 0;
};

void ask(const history::History& store, const char* what, const history::QueryText& text, int64_t now) {
    const auto query = history::parse_query(text, now);
    if (!query) {
        fmt::print(stderr, "{}\n", query.error().show());
        std::exit(2);
    }
    uint64_t rows = 0;
    double first = 0;
    const double wall = seconds_of(CLOCK_MONOTONIC), cpu = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    history::Receiver receiver;
    const auto seen = [&] {
        if (first == 0) first = seconds_of(CLOCK_MONOTONIC) - wall;
    };
    receiver.row = [&](std::string_view) { return seen(), ++rows, true; };
    receiver.table = [&](const history::Table& table, bool) { return seen(), rows = table.rows.size(), true; };
    const auto progress = store.query(*query, receiver);
    fmt::print("{:<62} {:>8.3f} s {:>8.3f} s {:>8.3f} s {:>10} {:>8}\n", what, seconds_of(CLOCK_MONOTONIC) - wall,
               seconds_of(CLOCK_THREAD_CPUTIME_ID) - cpu, first, progress->matched, rows);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 4) return fmt::print(stderr, "usage: cvf_bench_history FOLDER RECORDS LINES...\n"), 2;
    const uint64_t wanted = std::strtoull(argv[2], nullptr, 10);
    std::vector<std::unique_ptr<record::Record>> seeds;
    for (int i = 3; i < argc; ++i) {
        std::ifstream in(argv[i]);
        for (std::string line; std::getline(in, line);) {
            auto record = std::make_unique<record::Record>();
            if (record::parse_record(line, *record)) seeds.push_back(std::move(record));
        }
    }
    if (seeds.empty()) return fmt::print(stderr, "no records in these files\n"), 1;
    auto store = history::open_store({.folder = argv[1], .max_bytes = UINT64_C(64) << 30, .max_age = std::chrono::days(36500)});
    if (!store) return fmt::print(stderr, "{}\n", store.error()), 1;

    const int64_t start = 1'780'000'000'000'000'000, step = 10'000;  // ns between records
    const uint64_t had = (*store)->stats().records;
    if (had == 0) {
        Variation variation;
        record::Buffer batch;
        double wall = 0, cpu = 0;
        uint64_t bytes = 0;
        for (uint64_t done = 0; done < wanted;) {
            batch.clear();
            for (uint64_t i = 0; i < 1000 && done < wanted; ++i, ++done)
                variation.write(*seeds[done % seeds.size()], start + static_cast<int64_t>(done) * step, batch);
            bytes += batch.size();
            const double w = seconds_of(CLOCK_MONOTONIC), c = seconds_of(CLOCK_THREAD_CPUTIME_ID);
            (*store)->write(batch.view());
            if (done == wanted) (*store)->flush();
            wall += seconds_of(CLOCK_MONOTONIC) - w;
            cpu += seconds_of(CLOCK_THREAD_CPUTIME_ID) - c;
        }
        const auto stats = (*store)->stats();
        fmt::print(
            "written {} records of {} bytes on average: {:.0f} records/s of wall clock, {:.0f} records/s of one core, {:.0f} "
            "bytes on disk each, {} lost, {} refused\n",
            stats.written, bytes / wanted, static_cast<double>(wanted) / wall, static_cast<double>(wanted) / cpu,
            static_cast<double>(stats.bytes) / static_cast<double>(stats.written), stats.lost, stats.refused);
    }
    const double opening = seconds_of(CLOCK_MONOTONIC);
    store->reset();
    store = history::open_store({.folder = argv[1], .max_bytes = UINT64_C(64) << 30, .max_age = std::chrono::days(36500)});
    const auto stats = (*store)->stats();
    fmt::print("closed and opened again in {:.3f} s: {} records in {} segments\n\n", seconds_of(CLOCK_MONOTONIC) - opening,
               stats.records, stats.segments);
    fmt::print("{:<62} {:>10} {:>10} {:>10} {:>10} {:>8}\n", "query", "wall", "cpu", "first", "matched", "rows");
    const int64_t now = stats.last + 1;
    ask(**store, "top 10 source.k8s.pod.name", {.by = {"source.k8s.pod.name"}, .top = "10"}, now);
    ask(**store, "top 10 source.address by sum of network.bytes",
        {.by = {"source.address"}, .measures = {"sum network.bytes", "count"}, .top = "10"}, now);
    ask(**store, "top 10 destination.address (50,000 values)", {.by = {"destination.address"}, .top = "10"}, now);
    ask(**store, "top 10 source.port", {.by = {"source.port"}, .top = "10"}, now);
    ask(**store, "top 10 pod and protocol, http and dns",
        {.types = {"http", "dns"}, .by = {"source.k8s.pod.name", "network.protocol.name"}, .top = "10"}, now);
    ask(**store, "p50 p95 p99 of event.duration by record.type",
        {.by = {"record.type"}, .measures = {"p50 event.duration", "p95 event.duration", "p99 event.duration"}}, now);
    ask(**store, "count by status per 10 s", {.by = {"http.response.status_code"}, .every = "10s"}, now);
    ask(**store, "top 10 pods where port == 443 or status >= 500",
        {.filter = "destination.port == 443 || http.response.status_code >= 500", .by = {"source.k8s.pod.name"}, .top = "10"},
        now);
    ask(**store, "top 10 pods where bytes > 1000 and pod starts with pod-1",
        {.filter = "network.bytes > 1000 && source.k8s.pod.name.startsWith(\"pod-1\")",
         .by = {"source.k8s.pod.name"},
         .top = "10"},
        now);
    ask(**store, "newest 100", {}, now);
    ask(**store, "newest 100 of one pod", {.filter = "source.k8s.pod.name == \"pod-4999\""}, now);
    ask(**store, "one conversation that is not there (flow.id)", {.filter = "flow.id == \"0000\""}, now);
    ask(**store, "newest 100 where an unindexed field matches", {.filter = "user_agent.original.contains(\"curl\")"}, now);
    ask(**store, "count where an unindexed field matches (reads all)",
        {.filter = "user_agent.original.contains(\"curl\")", .measures = {"count"}}, now);
    return 0;
}
