// `cvf up`: agent, controller and API on one machine, over a bus inside the process.
#include <fmt/format.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/bus_link.h"
#include "agent/steering.h"
#include "api/server.h"
#include "bus/local.h"
#include "cli/agent_metrics.h"
#include "cli/commands.h"
#include "cli/controller_metrics.h"
#include "cli/fabric.h"
#include "cli/output.h"
#include "cli/say.h"
#include "cli/serve.h"
#include "cli/signals.h"
#include "controller/controller.h"
#include "host/background.h"

namespace cvf::cli {

namespace {

// All that is seen goes where it is kept.
directive::Directive everything() {
    directive::Directive d;
    d.metadata.name = "cvf-up-history";
    d.metadata.labels["app.kubernetes.io/managed-by"] = "cvf-up";
    return d;
}

}  // namespace

int run_up(const config::Settings& settings) {
    auto outlet = make_outlet(settings, From::tap);
    if (!outlet) {
        say("cvf up: {}\n", outlet.error());
        return exit_wrong_use;
    }
    auto own = agent::read_directives(settings.directives);
    if (!own) {
        say("cvf up: {}\n", own.error());
        return exit_wrong_use;
    }
    // From now on a signal ends it in good order.
    stop_on_signals();
    // What looks back must not hold up what looks on: the keeping of records takes what the data path leaves of the processor.
    const uint64_t instance = new_instance();
    std::expected<std::shared_ptr<history::History>, std::string> history;
    std::expected<std::unique_ptr<agent::BusLink>, std::string> link;
    std::expected<std::unique_ptr<controller::Controller>, std::string> controller;
    // To watch without looking back, or without remembering, is better than not to watch. Said when it is known that it watches.
    std::string without;
    host::in_background([&] {
        history = open_history(settings);
        if (!history) {
            without = fmt::format("cvf up: no records are kept: {}\n", history.error());
            history = nullptr;
        }
        if (!settings.state_directory.empty())
            if (const auto kept = bus::keep_local_documents(settings.state_directory); !kept)
                without += fmt::format("cvf up: directives and the audit trail end with this process: {}\n", kept.error());
        link = agent::BusLink::open(settings, {.node = node_name(settings), .instance = instance});
        if (!link) return;
        controller::ControllerOptions options;
        options.history = *history;
        options.live = false;
        controller = controller::Controller::open(std::move(options), (*link)->bus());
    });
    if (!link || !controller) {
        say("cvf up: {}\n", !link ? link.error() : controller.error());
        return exit_failed;
    }
    const bool keeps = *history != nullptr;
    agent::Joining joining;
    joining.bus = &(*link)->bus();
    joining.sink = (*link)->sink();
    joining.instance = instance;
    joining.own = std::move(*own);
    if (keeps) joining.own.push_back(everything());
    joining.flows_by_default = false;
    std::vector<std::unique_ptr<pipeline::Outlet>> outlets;
    outlets.push_back(std::move(*outlet));
    auto agent = agent::Agent::start(settings, flow_options(settings), std::move(outlets), joining);
    if (!agent) {
        say("cvf up: {}\n", agent.error());
        return exit_failed;
    }
    say("{}", without);
    api::ServerOptions options = server_options(settings);
    options.services = services_of(**controller, history->get());
    options.services.hub = &(*agent)->hub();
    options.services.follow = nullptr;  // the hub sees everything
    options.metrics = [&] {
        std::vector<api::Metric> all = agent_metrics((*agent)->numbers());
        for (api::Metric& metric : controller_metrics(**controller, history->get())) all.push_back(std::move(metric));
        return all;
    };
    const std::string token_file = options.token_file;
    auto server = api::Server::start(std::move(options));
    if (!server) {
        say("cvf up: {}\n", server.error());
        return exit_failed;
    }
    if (!settings.quiet) {
        say("cvf: watching {}; API at {} (token in {})\n",
            settings.cgroup.empty() ? "this machine, every network namespace" : settings.cgroup, (*server)->address(),
            token_file);
        if (isatty(STDERR_FILENO)) say("cvf: `cvf watch EXPR` follows from another terminal; Ctrl-C ends\n");
    }
    (*agent)->run(stopping);
    return exit_done;
}

}  // namespace cvf::cli
