// Live records as the body of an answer. Thread rule: the HTTP server's thread.
#pragma once

#include <functional>
#include <memory>

#include "api/live.h"
#include "http/server.h"

namespace cvf::api {

enum class Framing : uint8_t {
    events,  // server-sent events; what was lost is `event: lost` with {"lost":N}
    lines,   // a JSON object a line; what was lost is a line {"lost":N}, a sign of life an empty one
};

void frame(sink::SubscriptionOptions& options, Framing framing);
// `still_let` is asked each five seconds; false ends the stream.
std::unique_ptr<http::BodySource> make_record_source(std::unique_ptr<LiveReader> reader, Framing framing,
                                                     std::function<bool()> still_let);

}  // namespace cvf::api
