// Runs a command beside the endpoint tap and beside programs that do nothing, and prints what each kernel program cost:
//   cvf_bench_endpoint [--no-payload] [--full] [--no-events] [--port N] COMMAND...
// --port: conversations of this port alone are wanted.
// Lines: program, runs, total ns, ns per run; then "agent_cpu", its seconds. The kernel times the programs
// (kernel.bpf_stats_enabled, held on while this runs); the timing itself is in each figure, in the floor's too.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <floor.skel.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <thread>

#include "host/cgroup.h"
#include "tap/endpoint.h"

namespace {

using namespace cvf;

class Nobody final : public tap::EndpointHandler {
    void opened(const tap::Socket&, int64_t) override {}
    void owner_changed(uint64_t, const tap::Owner&, int64_t) override {}
    void payload(const tap::Payload&) override {}
    void counters(uint64_t, const tap::Counters&, bool, int64_t) override {}
    void tcp_event(const tap::TcpEvent&) override {}
    void process(const tap::ProcessEvent&) override {}
    void caught_up(int64_t) override {}
};

struct Cost {
    uint64_t runs = 0, ns = 0;
};

std::map<std::string, Cost> costs() {
    std::map<std::string, Cost> all;
    for (uint32_t id = 0; bpf_prog_get_next_id(id, &id) == 0;) {
        int fd = bpf_prog_get_fd_by_id(id);
        if (fd < 0) continue;
        bpf_prog_info info{};
        uint32_t size = sizeof info;
        if (bpf_obj_get_info_by_fd(fd, &info, &size) == 0) {
            std::string_view name(info.name, strnlen(info.name, sizeof info.name));
            if (name.starts_with("cvf_") || name.starts_with("floor_")) {
                Cost& c = all[std::string(name)];
                c.runs += info.run_cnt;
                c.ns += info.run_time_ns;
            }
        }
        close(fd);
    }
    return all;
}

double cpu_seconds() {
    rusage r{};
    getrusage(RUSAGE_SELF, &r);
    return static_cast<double>(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           static_cast<double>(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

}  // namespace

int main(int argc, char** argv) {
    tap::EndpointOptions options;
    tap::Selector selector;
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        std::string_view a = argv[i];
        if (a == "--no-payload")
            options.payload = false;
        else if (a == "--full")
            options.payload_full = true;
        else if (a == "--no-events")
            options.tcp_events = options.process_events = false;
        else if (a == "--port" && i + 1 < argc) {
            const auto port = static_cast<uint16_t>(std::strtoul(argv[++i], nullptr, 10));
            selector.ports = std::vector<tap::Selector::Ports>{{port, port}};
        } else
            return fmt::print(stderr, "unknown option {}\n", a), 2;
    }
    if (i >= argc) return fmt::print(stderr, "a command is missing\n"), 2;
    int stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
    auto tree = host::CgroupTree::open();
    if (!tree) return fmt::print(stderr, "{}\n", tree.error()), 1;
    floor_bpf* floor = floor_bpf__open_and_load();
    if (!floor) return fmt::print(stderr, "cannot load the floor\n"), 1;
    bpf_link* links[] = {bpf_program__attach_cgroup(floor->progs.floor_egress, tree->fd()),
                         bpf_program__attach_cgroup(floor->progs.floor_ingress, tree->fd()),
                         bpf_program__attach_cgroup(floor->progs.floor_create, tree->fd()),
                         bpf_program__attach_cgroup(floor->progs.floor_release, tree->fd()),
                         bpf_program__attach_cgroup(floor->progs.floor_sockops, tree->fd()),
                         bpf_program__attach(floor->progs.floor_send),
                         bpf_program__attach(floor->progs.floor_receive),
                         bpf_program__attach(floor->progs.floor_destroy),
                         bpf_program__attach(floor->progs.floor_drop)};
    Nobody nobody;
    auto tap = tap::EndpointTap::open(options, nobody);
    if (!tap) return fmt::print(stderr, "{}\n", tap.error()), 1;
    if (!(*tap)->set_selector(selector)) return fmt::print(stderr, "the kernel does not take the selector\n"), 1;
    std::atomic<bool> ended{false};
    std::jthread reader([&] {
        while (!ended) (*tap)->poll(100);
    });
    usleep(300'000);
    auto before = costs();
    double cpu = cpu_seconds();
    pid_t child = fork();
    if (child == 0) {
        execvp(argv[i], argv + i);
        _exit(127);
    }
    int status = 0;
    waitpid(child, &status, 0);
    usleep(20'000);
    auto after = costs();
    cpu = cpu_seconds() - cpu;
    ended = true;
    reader.join();
    for (const auto& [name, c] : after) {
        uint64_t runs = c.runs - before[name].runs, ns = c.ns - before[name].ns;
        if (runs) fmt::print("{}\t{}\t{}\t{:.1f}\n", name, runs, ns, static_cast<double>(ns) / static_cast<double>(runs));
    }
    auto s = (*tap)->stats();
    if (selector.ports) fmt::print("passed_over\t{}\n", s.packets_passed_over);
    fmt::print("agent_cpu\t{:.3f}\nevents\t{}\nlost\t{}\nlate\t{}\n", cpu, s.events, s.lost_events, s.late_events);
    for (bpf_link* l : links)
        if (l) bpf_link__destroy(l);
    floor_bpf__destroy(floor);
    close(stats);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
