// `cvf agent`: one node of a fabric.
#include <fmt/format.h>
#include <sys/random.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/bus_link.h"
#include "agent/steering.h"
#include "api/server.h"
#include "cli/agent_metrics.h"
#include "cli/bus_news.h"
#include "cli/commands.h"
#include "cli/fabric.h"
#include "cli/say.h"
#include "cli/serve.h"
#include "cli/signals.h"
#include "host/hostname.h"

namespace cvf::cli {

uint64_t new_instance() {
    uint64_t instance = 0;
    if (::getrandom(&instance, sizeof instance, 0) != sizeof instance) instance = static_cast<uint64_t>(::getpid());
    return instance >> 16;  // twelve digits are enough to tell lives apart
}

std::string node_name(const config::Settings& settings) {
    return settings.node.empty() ? host::hostname() : settings.node;
}

int run_agent(const config::Settings& settings) {
    if (settings.bus.empty()) {
        say("cvf agent: no bus; name one with --bus nats://HOST:4222 (or kafka://HOST:9092). `cvf up` needs none, for one "
            "machine\n");
        return exit_wrong_use;
    }
    auto own = agent::read_directives(settings.directives);
    if (!own) {
        say("cvf agent: {}\n", own.error());
        return exit_wrong_use;
    }
    stop_on_signals();
    const uint64_t instance = new_instance();
    auto link = agent::BusLink::open(settings, {.node = node_name(settings), .instance = instance});
    if (!link) {
        say("cvf agent: {}\n", link.error());
        return exit_wrong_use;
    }
    agent::Joining joining;
    joining.bus = &(*link)->bus();
    joining.sink = (*link)->sink();
    joining.instance = instance;
    joining.own = std::move(*own);
    auto agent = agent::Agent::start(settings, flow_options(settings), {}, joining);
    if (!agent) {
        say("cvf agent: {}\n", agent.error());
        return exit_failed;
    }
    api::ServerOptions options = server_options(settings);
    options.services.hub = &(*agent)->hub();
    options.metrics = [&agent] { return agent_metrics((*agent)->numbers()); };
    options.why_not_ready = [&link]() -> std::optional<std::string> {
        const bus::State state = (*link)->bus().state();
        if (state.connected) return std::nullopt;
        return "the bus is not connected: " + state.last_error;
    };
    auto server = api::Server::start(std::move(options));
    if (!server) {
        say("cvf agent: {}\n", server.error());
        return exit_failed;
    }
    if (!settings.quiet)
        say("cvf: node {} watches {}; bus {}; API at {}\n", node_name(settings),
            settings.cgroup.empty() ? "this machine, every network namespace" : settings.cgroup,
            bus_place((*link)->bus().state()), (*server)->address());
    const BusNews news((*link)->bus(), "cvf agent", settings.quiet);
    (*agent)->run(stopping);
    const agent::Numbers numbers = (*agent)->numbers();
    if (numbers.bus.lost > 0) say("cvf agent: {} records could not be delivered\n", numbers.bus.lost);
    return exit_done;
}

}  // namespace cvf::cli
