// Streams of live records: one subscriber of the Hub each.
//
// Thread rule: the HTTP server's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_set>

#include "http/server.h"
#include "sink/subscription.h"

namespace cvf::api {

class RecordSource;

// Those that are open, and what has gone through all there ever were.
class Streams {
 public:
    size_t open() const { return open_.size(); }
    uint64_t lost() const;
    uint64_t sent() const;

 private:
    friend class RecordSource;
    std::unordered_set<const RecordSource*> open_;
    uint64_t lost_before_ = 0, sent_before_ = 0;  // of streams that have ended
};

enum class Framing : uint8_t {
    events,  // server-sent events; what was lost is `event: lost` with {"lost":N}
    lines,   // a JSON object a line; what was lost is a line {"lost":N}, a sign of life an empty one
};

// `alive` is held for as long as the stream is open.
std::unique_ptr<http::BodySource> make_record_source(sink::Hub& hub, sink::SubscriptionOptions options, Streams& streams,
                                                     Framing framing, std::shared_ptr<void> alive);

}  // namespace cvf::api
