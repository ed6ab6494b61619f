// Answers that are watches, and how many there may be. Private to this room.
#pragma once

#include "api/call.h"
#include "api/watch_source.h"

namespace cvf::api {

// 503 when ServerOptions::max_watchers are open already.
http::OutgoingResponse watch_response(const Call& call, WatchSource::Subject subject);

}  // namespace cvf::api
