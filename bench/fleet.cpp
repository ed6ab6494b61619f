// A simulated fleet: many agents in a few processes, each with its own node name and connection, made of the real agent's code
// with synthetic taps (fleet_agent.h). bench/fleet.sh and tests/faults/ start it beside real brokers and controllers.
//
//   cvf_bench_fleet --bus nats://HOST:4222 [options]
//     --agents 1000      so many agents, named fleet-0000, …
//     --node NAME        what they are called instead: NAME alone where there is one agent
//     --rate 50000       flow records per second, of all of them together
//     --burst 1          records made at once by an agent
//     --seconds 10       how long they are made; then what waits is sent, and the last line tells the sums
//     --processes N      that share the agents out; default: one for each 100. They die with this one
//     --memory 32MiB     of each agent for records that wait (bus.memory)
//     --spool FOLDER     below which each agent has its spool; none: no spool
//     --spool-size 256MiB
//     --wait 10          seconds at the end for what waits to be sent
//     --probes 20        directives applied one after another by way of --server, and how long each took on each agent
//     --server URL       of a controller; --token-file FILE
//     --latency          listens in on the bus and tells the time from a record's making to its arrival
//     --ready FILE       is written when every agent has been connected and has flows to make
//
// Sums and measurements go to standard output, one JSON object a line.
#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "api/client.h"
#include "bus/bus.h"
#include "config/quantity.h"
#include "directive/parse.h"
#include "fleet_agent.h"
#include "record/text.h"

namespace cvf::bench {
namespace {

using Clock = FleetAgent::Clock;
using record::RecordType;

std::atomic<bool> stopping{false};

struct FleetOptions {
    std::string bus, node = "fleet", spool, server, token_file, ready;
    unsigned agents = 1, burst = 1, processes = 0, probes = 0;
    double rate = 0, seconds = 10, wait = 10;
    uint64_t memory = 32u << 20, spool_size = 256u << 20;
    bool latency = false;
};

double percentile(std::vector<double>& values, double p) {
    if (values.empty()) return 0;
    const auto at = values.begin() + static_cast<ptrdiff_t>(p * static_cast<double>(values.size() - 1));
    std::ranges::nth_element(values, at);
    return *at;
}

// What the fleet's processes share.
struct Shared {
    std::atomic<bool> load{false}, stop{false};
    std::atomic<unsigned> failed{0};
    Board agents[1];  // as many as there are
};

// The nanoseconds since 1970 of the "@timestamp" that a line begins with; 0: it does not.
int64_t time_of(std::string_view line) {
    constexpr std::string_view before = R"({"@timestamp":"2026-11-24T13:00:00.)";
    constexpr size_t begin = 15;
    if (line.size() < before.size() + 10) return 0;
    tm t{};
    const auto number = [&](size_t at, size_t digits) {
        int value = 0;
        for (size_t i = 0; i < digits; i++) value = value * 10 + (line[begin + at + i] - '0');
        return value;
    };
    t.tm_year = number(0, 4) - 1900;
    t.tm_mon = number(5, 2) - 1;
    t.tm_mday = number(8, 2);
    t.tm_hour = number(11, 2);
    t.tm_min = number(14, 2);
    t.tm_sec = number(17, 2);
    return static_cast<int64_t>(timegm(&t)) * 1'000'000'000 + number(20, 9);
}

// A consumer of the records, which looks at how old they are.
class Listener {
 public:
    std::optional<std::string> open(const std::string& url) {
        bus::Options options;
        options.url = url;
        options.client_name = "cvf-fleet-listener";
        auto bus = bus::Bus::connect(std::move(options));
        if (!bus) return bus.error();
        bus_ = std::move(*bus);
        auto heard = bus_->subscribe("cvf.v1.records.flow.*", "", [this](const bus::Message& m) { received(m); });
        if (!heard) return heard.error();
        subscription_ = std::move(*heard);
        return std::nullopt;
    }
    void clear() {
        const std::lock_guard lock(mutex_);
        ages_.clear();
    }
    std::string show() {
        const std::lock_guard lock(mutex_);
        return fmt::format(R"({{"heard":{},"latency_ms":{{"p50":{:.2f},"p99":{:.2f},"p99.9":{:.2f},"max":{:.2f}}}}})",
                           ages_.size(), percentile(ages_, 0.5), percentile(ages_, 0.99), percentile(ages_, 0.999),
                           percentile(ages_, 1));
    }

 private:
    void received(const bus::Message& message) {
        timespec now{};
        ::clock_gettime(CLOCK_REALTIME, &now);
        const int64_t utc = now.tv_sec * 1'000'000'000LL + now.tv_nsec;
        const std::lock_guard lock(mutex_);
        for (std::string_view lines = message.payload; !lines.empty();) {
            const size_t end = lines.find('\n');
            if (const int64_t made = time_of(lines.substr(0, end))) ages_.push_back(static_cast<double>(utc - made) / 1e6);
            lines.remove_prefix(end == std::string_view::npos ? lines.size() : end + 1);
        }
    }

    std::mutex mutex_;
    std::vector<double> ages_;
    std::unique_ptr<bus::Bus> bus_;
    std::unique_ptr<bus::Subscription> subscription_;
};

// Directives applied one after another. Which is in force on an agent shows in the types that it wants; no tap makes these.
int probe(const FleetOptions& options, std::span<Board> agents) {
    constexpr RecordType types[] = {RecordType::arp, RecordType::lldp};
    constexpr auto most = std::chrono::seconds(30);
    api::ClientOptions asking;
    asking.server = options.server;
    asking.token_file = options.token_file;
    const api::Client client(asking);
    std::vector<double> each, slowest, answered;
    size_t missing = 0;
    for (unsigned i = 0; i < options.probes && !stopping; i++) {
        const auto type = static_cast<size_t>(types[i % 2]);
        auto directive =
            directive::parse_one(fmt::format("apiVersion: cvf/v1\nkind: Metadata\nmetadata: {{name: fleet-probe}}\n"
                                             "spec: {{types: [flow, {}]}}\n",
                                             record::info(types[i % 2]).name));
        for (Board& agent : agents) agent.in_force[type] = 0;
        const auto began = Clock::now();
        const auto applied = client.apply({&*directive, 1}, false);
        if (!applied) return fmt::print(stderr, "fleet: {}\n", applied.error().text), 1;
        answered.push_back(std::chrono::duration<double>(Clock::now() - began).count());
        const auto there = [&] { return std::ranges::all_of(agents, [&](const Board& a) { return a.in_force[type] != 0; }); };
        while (!there() && Clock::now() - began < most && !stopping) std::this_thread::sleep_for(std::chrono::milliseconds(5));
        double last = 0;
        for (const Board& agent : agents) {
            const int64_t at = agent.in_force[type];
            missing += at == 0;
            if (at == 0) continue;
            each.push_back(static_cast<double>(at - began.time_since_epoch().count()) / 1e9);
            last = std::max(last, each.back());
        }
        slowest.push_back(last);
        std::this_thread::sleep_for(std::chrono::milliseconds(500));
    }
    if (auto gone = client.remove("Metadata", "fleet-probe"); !gone) fmt::print(stderr, "fleet: {}\n", gone.error().text);
    fmt::print(
        R"({{"applies":{},"agents":{},"missing":{},"answered_p99_s":{:.3f},"in_force_s":{{"p50":{:.3f},"p99":{:.3f},"max":{:.3f}}})"
        R"(,"last_agent_p50_s":{:.3f}}})"
        "\n",
        options.probes, agents.size(), missing, percentile(answered, 0.99), percentile(each, 0.5), percentile(each, 0.99),
        percentile(each, 1), percentile(slowest, 0.5));
    std::fflush(stdout);
    return missing == 0 ? 0 : 1;
}

config::Settings settings_of(const FleetOptions& options, unsigned number) {
    config::Settings settings;
    settings.node = options.agents == 1 ? options.node : fmt::format("{}-{:04}", options.node, number);
    settings.bus = options.bus;
    settings.bus_memory = options.memory;
    settings.spool_size = options.spool.empty() ? 0 : options.spool_size;
    if (!options.spool.empty()) settings.spool_directory = options.spool + "/" + settings.node;
    return settings;
}

// One of the processes: every `of`-th agent, from `first` on, all with one data path's thread, as they are small.
int be_agents(const FleetOptions& options, Shared& shared, unsigned first, unsigned of) {
    std::vector<std::unique_ptr<FleetAgent>> agents;
    for (unsigned i = first; i < options.agents && !shared.stop; i += of) {
        auto agent = FleetAgent::start(settings_of(options, i), i, {.rate = 0, .burst = options.burst}, shared.agents[i]);
        if (!agent) {
            fmt::print(stderr, "fleet: {}\n", agent.error());
            shared.failed++;
            return 1;
        }
        agents.push_back(std::move(*agent));
    }
    std::vector<Clock::time_point> next(agents.size());
    Clock::time_point tell{};
    for (bool loaded = false; !shared.stop;) {
        if (shared.load && !std::exchange(loaded, true))
            for (const auto& agent : agents) agent->set_rate(options.rate / options.agents);
        auto soonest = Clock::now() + std::chrono::milliseconds(10);
        for (size_t i = 0; i < agents.size(); i++) {
            const auto now = Clock::now();
            if (next[i] <= now) next[i] = agents[i]->turn(now);
            soonest = std::min(soonest, next[i]);
        }
        if (const auto now = Clock::now(); now >= tell) {
            for (const auto& agent : agents) agent->tell();
            tell = now + std::chrono::milliseconds(200);
        }
        // Their turns are gathered, as far as that is not seen.
        if (agents.size() > 1) soonest = std::max(soonest, Clock::now() + std::chrono::milliseconds(1));
        std::this_thread::sleep_until(soonest);
    }
    const auto until = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options.wait));
    for (const auto& agent : agents)
        agent->stop(
            std::max(std::chrono::milliseconds(0), std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now())));
    // Without a broker a goodbye only waits; what is left behind ends with the process.
    for (auto& agent : agents)
        if (!agent->connected()) (void)agent.release();
    return 0;
}

int run(FleetOptions options) {
    if (options.processes == 0) options.processes = (options.agents + 99) / 100;
    const size_t bytes = sizeof(Shared) + options.agents * sizeof(Board);
    void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return fmt::print(stderr, "fleet: no memory\n"), 1;
    Shared& shared = *new (memory) Shared;  // zeros are boards without an entry
    const std::span<Board> agents(shared.agents, options.agents);
    const auto began = Clock::now();
    std::vector<pid_t> processes;
    for (unsigned p = 0; p < options.processes; p++) {
        const pid_t pid = ::fork();
        if (pid == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            ::signal(SIGINT, SIG_IGN);  // from a terminal it comes to all: the first process tells when it is over
            ::signal(SIGTERM, SIG_DFL);
            const int status = be_agents(options, shared, p, options.processes);
            std::fflush(stderr);
            std::_Exit(status);  // what stands in memory besides is the first process's
        }
        processes.push_back(pid);
    }
    Listener listener;
    if (options.latency)
        if (const auto error = listener.open(options.bus)) return fmt::print(stderr, "fleet: {}\n", *error), 1;
    const auto ready = [](const Board& a) { return a.connected && a.in_force[static_cast<size_t>(RecordType::flow)] != 0; };
    while (!std::ranges::all_of(agents, ready)) {
        if (stopping || shared.failed > 0 || Clock::now() - began > std::chrono::seconds(120))
            return fmt::print(stderr, "fleet: {} of {} agents could begin\n", std::ranges::count_if(agents, ready),
                              options.agents),
                   1;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    fmt::print("{{\"started_s\":{:.1f}}}\n", std::chrono::duration<double>(Clock::now() - began).count());
    std::fflush(stdout);
    if (!options.ready.empty()) std::ofstream(options.ready) << "ready\n";
    shared.load = true;
    const auto loaded = Clock::now();
    if (options.latency) {
        std::this_thread::sleep_for(std::chrono::seconds(1));  // connections are warm, topics made
        listener.clear();
    }
    int status = options.probes > 0 ? probe(options, agents) : 0;
    const auto end = loaded + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options.seconds));
    while (!stopping && Clock::now() < end) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    shared.stop = true;
    const double took = std::chrono::duration<double>(Clock::now() - loaded).count();
    for (const pid_t pid : processes) {
        int how = 0;
        if (::waitpid(pid, &how, 0) != pid || how != 0) {
            fmt::print(stderr, "fleet: a process of agents ended with {}\n", how);
            status = 1;
        }
    }
    const auto sum = [&](std::atomic<uint64_t> Board::* number) {
        uint64_t all = 0;
        for (const Board& agent : agents) all += agent.*number;
        return all;
    };
    rusage used{};
    ::getrusage(RUSAGE_CHILDREN, &used);
    if (options.latency) fmt::print("{}\n", listener.show());
    const uint64_t made = sum(&Board::made);
    fmt::print(
        R"({{"made":{},"given":{},"delivered":{},"lost":{},"waiting":{},"spooled_bytes":{},"seconds":{:.1f},"records_per_s":{:.0f})"
        R"(,"cpu_s":{}}})"
        "\n",
        made, sum(&Board::given), sum(&Board::delivered), sum(&Board::lost), sum(&Board::waiting), sum(&Board::spooled_bytes),
        took, static_cast<double>(made) / took, used.ru_utime.tv_sec + used.ru_stime.tv_sec);
    return status;
}

}  // namespace
}  // namespace cvf::bench

int main(int argc, char** argv) {
    cvf::bench::FleetOptions options;
    const auto size = [](const char* text) {
        const auto value = cvf::config::parse_size(text);
        if (!value) {
            fmt::print(stderr, "fleet: {}\n", value.error());
            std::exit(2);
        }
        return *value;
    };
    const std::map<std::string_view, std::function<void(const char*)>> known = {
        {"--bus", [&](const char* v) { options.bus = v; }},
        {"--node", [&](const char* v) { options.node = v; }},
        {"--agents", [&](const char* v) { options.agents = static_cast<unsigned>(std::max(1, std::atoi(v))); }},
        {"--rate", [&](const char* v) { options.rate = std::atof(v); }},
        {"--burst", [&](const char* v) { options.burst = static_cast<unsigned>(std::max(1, std::atoi(v))); }},
        {"--seconds", [&](const char* v) { options.seconds = std::atof(v); }},
        {"--processes", [&](const char* v) { options.processes = static_cast<unsigned>(std::max(1, std::atoi(v))); }},
        {"--memory", [&](const char* v) { options.memory = size(v); }},
        {"--spool", [&](const char* v) { options.spool = v; }},
        {"--spool-size", [&](const char* v) { options.spool_size = size(v); }},
        {"--wait", [&](const char* v) { options.wait = std::atof(v); }},
        {"--probes", [&](const char* v) { options.probes = static_cast<unsigned>(std::max(0, std::atoi(v))); }},
        {"--server", [&](const char* v) { options.server = v; }},
        {"--token-file", [&](const char* v) { options.token_file = v; }},
        {"--ready", [&](const char* v) { options.ready = v; }},
    };
    for (int i = 1; i < argc; i++) {
        const std::string_view word = argv[i];
        if (word == "--latency") {
            options.latency = true;
            continue;
        }
        const auto at = known.find(word);
        if (at == known.end() || i + 1 == argc) {
            fmt::print(stderr, "fleet: {}: see the head of bench/fleet.cpp\n", word);
            return 2;
        }
        at->second(argv[++i]);
    }
    if (options.bus.empty()) return fmt::print(stderr, "usage: cvf_bench_fleet --bus URL [--agents N] [--rate N] …\n"), 2;
    struct sigaction action{};
    action.sa_handler = [](int) { cvf::bench::stopping = true; };
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
    return cvf::bench::run(options);
}
