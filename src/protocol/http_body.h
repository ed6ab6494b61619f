// How far one direction has come in its message: head, body, chunk, trailers.
//
// RFC 9112 sections 6 and 7. The body itself is never looked at: what is left of it is asked to be skipped, so that whoever
// delivers the bytes may withhold them, and is counted all the same.
#pragma once

#include <string>

#include "protocol/dissector.h"

namespace cvf::protocol::http1 {

enum class Framing : uint8_t { none, length, chunked, until_close };

class Body {
 public:
    enum class Step : uint8_t {
        more,       // all of `bytes` that can be used is; the rest is to come
        complete,   // the message has ended
        malformed,  // bytes that are no chunk; see violation()
    };

    void begin(Framing framing, uint64_t length);
    // Moves on over the start of `bytes`; `used` is set to what was passed.
    Step advance(Direction dir, Bytes bytes, Context& ctx, size_t& used);
    // A delivery that comes while a skip is running means that the skip has passed.
    void skip_passed();
    // Bytes that were lost. more: the gap was inside the body and is counted; complete: the body ended exactly with it;
    // malformed: its end is lost in the gap.
    Step gap(Direction dir, uint64_t bytes, Context& ctx);
    // The direction ended, or nobody will ever say how: adds what was skipped of a body without a known end. True when the end of
    // the direction is the end of the body.
    bool end(Direction dir, const Context& ctx);

    uint64_t body_bytes() const { return body_; }              // without framing
    uint64_t wire_bytes() const { return wire_; }              // with it
    std::string_view violation() const { return violation_; }  // constant text; empty: none

 private:
    enum class State : uint8_t { whole, chunk_size, chunk_data, chunk_end, trailer, until_close };

    bool chunk_size(std::string_view line);
    Step line(std::string_view text, size_t& used);
    void count(uint64_t bytes) {
        body_ += bytes;
        wire_ += bytes;
    }

    State state_ = State::whole;
    bool skipping_ = false;
    uint64_t left_ = 0;       // of the body, or of the chunk
    uint64_t skip_base_ = 0;  // ctx.skipped() when the running skip was asked for
    uint64_t body_ = 0, wire_ = 0;
    const char* violation_ = "";
};

}  // namespace cvf::protocol::http1
