// Answers that are watches, and how many there may be; WebSockets are among them. Private to this room.
#pragma once

#include "api/call.h"
#include "api/watch_source.h"

namespace cvf::api {

// A seat among the watchers; null: ServerOptions::max_watchers are open already. Any thread.
std::shared_ptr<void> take_watcher(State& state);
Problem no_watcher(const State& state);

// Who may it still: the same credentials are asked of the roles again. Copies what it needs.
std::function<bool()> still_let(const Call& call);

// 503 when there is no seat.
http::OutgoingResponse watch_response(const Call& call, WatchSource::Subject subject);

}  // namespace cvf::api
