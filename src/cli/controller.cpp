// `cvf controller`: steers the agents on a bus, keeps their records, answers for them.
#include "controller/controller.h"

#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "agent/bus_link.h"
#include "api/server.h"
#include "cli/bus_news.h"
#include "cli/commands.h"
#include "cli/controller_metrics.h"
#include "cli/fabric.h"
#include "cli/say.h"
#include "cli/serve.h"
#include "cli/signals.h"

namespace cvf::cli {

int run_controller(const config::Settings& settings) {
    if (settings.bus.empty()) {
        say("cvf controller: no bus; name one with --bus nats://HOST:4222 (or kafka://HOST:9092)\n");
        return exit_wrong_use;
    }
    stop_on_signals();
    auto link = agent::BusLink::open(settings, {.node = "controller-" + node_name(settings), .instance = 0, .records = false});
    if (!link) {
        say("cvf controller: {}\n", link.error());
        return exit_wrong_use;
    }
    auto history = open_history(settings);
    if (!history) {
        say("cvf controller: {}\n", history.error());
        return exit_failed;
    }
    controller::ControllerOptions options;
    options.history = *history;
    // What stands in one ClickHouse is stored once, however many controllers feed it.
    if (!settings.clickhouse.empty()) options.queue = "cvf-history";
    auto controller = controller::Controller::open(std::move(options), (*link)->bus());
    if (!controller) {
        say("cvf controller: {}\n", controller.error());
        return exit_failed;
    }
    api::ServerOptions serving = server_options(settings);
    serving.services = services_of(**controller, history->get());
    serving.metrics = [&controller, &history] { return controller_metrics(**controller, history->get()); };
    serving.why_not_ready = [&controller] { return (*controller)->why_not_ready(); };
    auto server = api::Server::start(std::move(serving));
    if (!server) {
        say("cvf controller: {}\n", server.error());
        return exit_failed;
    }
    if (!settings.quiet)
        say("cvf: controller on bus {}; API at {} (token in {})\n", bus_place((*link)->bus().state()), (*server)->address(),
            settings.token_file.empty() ? "/run/cvf/token" : settings.token_file);
    const BusNews news((*link)->bus(), "cvf controller", settings.quiet);
    while (!stopping) std::this_thread::sleep_for(std::chrono::milliseconds(100));
    return exit_done;
}

}  // namespace cvf::cli
