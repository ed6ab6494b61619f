// `cvf up`: agent and API on one machine.
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <csignal>

#include "agent/agent.h"
#include "api/server.h"
#include "api/token.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/version.h"

namespace cvf::cli {

namespace {

std::atomic<bool> stop;
void on_signal(int) {
    stop = true;
}

std::vector<api::Metric> metrics(const agent::Numbers& n) {
    using api::Metric;
    return {
        Metric::counter("cvf_packets_total", "Packets the kernel handed over for parsing", n.traffic.packets),
        Metric::counter("cvf_packet_bytes_total", "Bytes of them", n.traffic.bytes),
        Metric::counter("cvf_packets_truncated_total", "Packets cut by the payload budget", n.traffic.truncated),
        Metric::counter("cvf_flows_total", "Conversations begun", n.flows_seen),
        Metric::counter("cvf_flows_evicted_total", "Conversations ended early because the table was full", n.flows_evicted),
        Metric::gauge("cvf_flows", "Conversations now", n.flows_live),
        Metric::gauge("cvf_sockets", "Local sockets followed now", n.sockets),
        Metric::counter("cvf_records_made_total", "Records that passed the filter", n.records_made),
        Metric::counter("cvf_records_written_total", "Records the output has taken", n.records_written),
        Metric::counter("cvf_records_lost_total", "Records the output could not take", n.records_lost),
        Metric::counter("cvf_kernel_events_total", "Events from the kernel", n.tap.events),
        Metric::counter("cvf_kernel_events_lost_total", "Events that found their buffer full", n.tap.lost_events),
        Metric::counter("cvf_kernel_events_late_total", "Events that came after their turn in time", n.tap.late_events),
        Metric::counter("cvf_sockets_untracked_total", "Sockets the kernel side had no memory to follow",
                        n.tap.untracked_sockets),
    };
}

}  // namespace

int run_up(const config::Settings& settings) {
    auto outlet = make_outlet(settings, true);
    if (!outlet) {
        fmt::print(stderr, "cvf up: {}\n", outlet.error());
        return exit_wrong_use;
    }
    // From now on a signal ends it in good order.
    std::signal(SIGINT, on_signal);
    std::signal(SIGTERM, on_signal);
    std::signal(SIGHUP, on_signal);
    std::vector<std::unique_ptr<pipeline::Outlet>> outlets;
    outlets.push_back(std::move(*outlet));
    auto agent = agent::Agent::start(settings, flow_options(settings), std::move(outlets));
    if (!agent) {
        fmt::print(stderr, "cvf up: {}\n", agent.error());
        return exit_failed;
    }
    api::ServerOptions options;
    options.listen = settings.listen;
    options.token_file = settings.token_file.empty() ? std::string(api::default_token_file) : settings.token_file;
    options.version = version;
    options.hub = &(*agent)->hub();
    options.metrics = [&agent] { return metrics((*agent)->numbers()); };
    const std::string token_file = options.token_file;
    auto server = api::Server::start(std::move(options));
    if (!server) {
        fmt::print(stderr, "cvf up: {}\n", server.error());
        return exit_failed;
    }
    if (!settings.quiet) {
        fmt::print(stderr, "cvf: watching {}; API at {} (token in {})\n",
                   settings.cgroup.empty() ? "this machine, every network namespace" : settings.cgroup, (*server)->address(),
                   token_file);
        if (isatty(STDERR_FILENO)) fmt::print(stderr, "cvf: `cvf watch EXPR` follows from another terminal; Ctrl-C ends\n");
    }
    return (*agent)->run(stop) ? exit_done : exit_failed;
}

}  // namespace cvf::cli
