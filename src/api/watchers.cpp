#include "api/watchers.h"

#include <fmt/format.h>

#include "api/authentication.h"

namespace cvf::api {

std::shared_ptr<void> take_watcher(State& state) {
    if (state.watchers.fetch_add(1) < state.options->max_watchers) return {&state, [](State* of) { --of->watchers; }};
    --state.watchers;
    return nullptr;
}

Problem no_watcher(const State& state) {
    return too_many_problem(fmt::format("{} watches are open, and no more are allowed", state.options->max_watchers));
}

std::function<bool()> still_let(const Call& call) {
    return [authentication = call.state.authentication, authorization = std::string(call.header("Authorization")),
            name = call.client_name] { return authentication->identify(authorization, name).has_value(); };
}

http::OutgoingResponse watch_response(const Call& call, WatchSource::Subject subject) {
    http::OutgoingResponse response;
    response.content_type = "text/event-stream";
    response.headers.push_back({"Cache-Control", "no-store"});
    if (call.method == "HEAD") return response;
    subject.alive = take_watcher(call.state);
    if (!subject.alive) return to_response(no_watcher(call.state));
    subject.still_let = still_let(call);
    response.source = std::make_unique<WatchSource>(std::move(subject));
    return response;
}

}  // namespace cvf::api
