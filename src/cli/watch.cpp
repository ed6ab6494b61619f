// `cvf watch`: the live records of a running agent.
#include <fmt/format.h>

#include <chrono>

#include "api/watch.h"
#include "cli/commands.h"
#include "cli/management.h"
#include "cli/output.h"
#include "cli/say.h"
#include "cli/serve.h"
#include "cli/signals.h"
#include "record/parse.h"

namespace cvf::cli {

int run_watch(const config::Settings& settings, const std::string& expression) {
    auto asked = with_expression(settings, expression);
    if (!asked) return complain_use("watch", asked.error());
    const config::Settings& here = *asked;
    // Checked here first: the error is the same and needs no agent.
    auto selection = make_selection(here);
    if (!selection) return complain_use("watch", selection.error());
    const bool table = wants_table(here);
    const api::ClientOptions how = client_options(here);
    api::WatchOptions options{.server = how.server, .token_file = how.token_file, .tls = how.tls};
    options.filter = here.filter;
    for (size_t i = 0; i < record::type_count; i++)
        if (selection->types[i] && !selection->types.all())
            options.types.emplace_back(record::info(static_cast<record::RecordType>(i)).name);
    if (!table) options.fields = here.fields;
    // The agent has filtered already; what comes is written as it comes.
    config::Settings out_settings = here;
    out_settings.filter.clear();
    auto outlet = make_outlet(out_settings, From::agent);
    if (!outlet) return complain_use("watch", outlet.error());
    sink::Sink& sink = (*outlet)->sink();
    const InterruptedBySignal interrupted(sink, InterruptedBySignal::Which::first);
    stop_on_signals();
    record::Record record;
    std::string line;
    auto next_tick = std::chrono::steady_clock::now();
    api::WatchCallbacks callbacks;
    callbacks.connected = [&] {
        if (here.verbose) say("watching {}\n", options.server);
    };
    callbacks.record = [&](std::string_view json) {
        if (table) {
            if (record::parse_record(json, record)) (*outlet)->emit(record);
            (*outlet)->flush();
        } else {
            line.assign(json);
            line += '\n';
            sink.write(line, 1);
        }
        return !sink.closed();
    };
    // After each piece of the stream, which has one at least every ten seconds.
    callbacks.heard = [&] {
        const auto now = std::chrono::steady_clock::now();
        if (now < next_tick) return;
        next_tick = now + std::chrono::seconds(1);
        (*outlet)->flush();
        if (sink.needs_tick()) sink.tick();
    };
    callbacks.lost = [&](uint64_t lost) { say("cvf watch: {} records were left out, for they were read too slowly\n", lost); };
    auto done = api::watch(options, callbacks, &stopping);
    (*outlet)->finish();
    if (!done && !stopping) {
        say("cvf watch: {}\n", done.error().text);
        return done.error().exit_status;
    }
    return exit_done;
}

}  // namespace cvf::cli
