#include "api/watchers.h"

#include <fmt/format.h>

namespace cvf::api {

http::OutgoingResponse watch_response(const Call& call, WatchSource::Subject subject) {
    http::OutgoingResponse response;
    response.content_type = "text/event-stream";
    response.headers.push_back({"Cache-Control", "no-store"});
    if (call.method == "HEAD") return response;
    State& state = call.state;
    if (state.watchers.fetch_add(1) >= state.options->max_watchers) {
        --state.watchers;
        return too_many(fmt::format("{} watches are open, and no more are allowed", state.options->max_watchers));
    }
    subject.alive = std::shared_ptr<void>(nullptr, [&state](void*) { --state.watchers; });
    response.source = std::make_unique<WatchSource>(std::move(subject));
    return response;
}

}  // namespace cvf::api
