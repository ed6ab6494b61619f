// The two-way counterpart of BodySource: messages in both directions on a connection that began as a request.
//
// A handler gives one in OutgoingResponse::channel when the request asks for an upgrade. Pings are sent and answered, fragments
// joined and closes answered by the server. Back-pressure works both ways: next() is called when the last message has been taken
// by the client's kernel; while ready() is false nothing is read from the client, which TCP then tells it.
//
// Thread rule: as BodySource. Limits: ServerLimits. Source: RFC 6455 (framing by Boost.Beast); no extensions.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace cvf::http {

// Tells the server that a source has something to send. Empty when the source is not on a server.
using Waker = std::function<void()>;

class Channel {
 public:
    enum class State : uint8_t {
        more,   // `bytes` is the next message
        wait,   // nothing now: ask again when woken
        close,  // the end, for the reason in `bytes` (at most 120 bytes) and with the status `code`
    };
    struct Message {
        State state = State::wait;
        std::string_view bytes = {};  // valid until the next call
        bool text = true;             // else binary
        uint16_t code = 1000;         // RFC 6455 7.4
        // With `wait`: ask again after so long even if nobody wakes; 0: then not.
        std::chrono::milliseconds again{0};
    };

    virtual ~Channel() = default;
    // Called once, before anything else.
    virtual void start(Waker waker) = 0;
    virtual Message next() = 0;
    // A whole message of the client's, borrowed. What it has to say to it comes by next().
    virtual void receive(std::string_view message, bool text) = 0;
    // False: read no more of the client's messages until woken.
    virtual bool ready() const { return true; }
};

}  // namespace cvf::http
