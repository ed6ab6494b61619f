// An HTTP/1.1 server for a few routes, on one thread of its own, over TCP or a unix socket. No TLS.
//
// A handler turns a request into a response and must not block. A response may have a BodySource instead of a body: it is then
// sent in pieces for as long as the source has some, and a client that reads slowly makes the server ask later, never buffer
// more.
//
// Hostile clients are bounded by `ServerLimits`: size of head and body, number of connections, time to send a request, time
// without reading. Over a limit the answer is 408, 413 or 431 where one can still be given, and the connection is closed; over
// `connections` it is closed at once and counted.
//
// Thread rule: handlers, sources and their destructors run on the server's thread, but for ~BodySource of streams still open when
// the server is destroyed, which runs on the destroying thread. A Waker may be called from any thread at any time, also after the
// server. Errors: start() tells what is wrong with the address; a handler that throws is answered 500. Source: RFC 9110, RFC 9112
// (parsing by Boost.Beast).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/client.h"  // Header
#include "http/target.h"

namespace cvf::http {

struct ServerLimits {
    uint32_t header_bytes = 16 * 1024;
    uint64_t body_bytes = 1024 * 1024;
    size_t connections = 256;
    std::chrono::milliseconds request_time{10000};  // from the first wait for a request to its end; also the keep-alive time
    std::chrono::milliseconds write_time{30000};    // for one piece of an answer
};

struct IncomingRequest {
    std::string_view method;
    Target target;
    std::vector<Header> headers;
    std::string_view body;

    std::string_view header(std::string_view name) const;
};

// Tells the server that a source has something to send. Empty when the source is not on a server.
using Waker = std::function<void()>;

// A body made while it is sent.
class BodySource {
 public:
    enum class State : uint8_t {
        more,  // `bytes` holds the next piece
        wait,  // nothing now: ask again when woken
        end,   // the body is complete
    };
    struct Piece {
        State state;
        std::string_view bytes;  // valid until the next call
    };

    virtual ~BodySource() = default;
    // Called once, before anything else.
    virtual void start(Waker waker) = 0;
    // The next piece. Called when the last one has been taken by the client's kernel.
    virtual Piece next() = 0;
    // Called when nothing was sent for idle_time(): what to send to show that the connection is alive; may be empty.
    virtual std::string_view idle() { return {}; }
    virtual std::chrono::milliseconds idle_time() const { return std::chrono::seconds(10); }
};

struct OutgoingResponse {
    unsigned status = 200;
    std::string content_type = "text/plain; charset=utf-8";
    std::vector<Header> headers;
    std::string body;
    std::unique_ptr<BodySource> source;  // instead of body
};

using Handler = std::function<OutgoingResponse(const IncomingRequest&)>;

struct ServerStats {
    uint64_t requests = 0;     // answered
    uint64_t connections = 0;  // open now
    uint64_t refused = 0;      // closed at once, over the limit
};

class Server {
 public:
    // `handler` is given every request whose head could be read; it routes by path and method itself. HEAD is answered as GET
    // without the body. `listen` is "ADDR:PORT", "[ADDR]:PORT" (numeric; port 0: any free one) or "unix:/path" (mode 0600; a
    // socket file left by a dead server is replaced). The server answers when this returns.
    static std::expected<std::unique_ptr<Server>, std::string> start(std::string_view listen, Handler handler,
                                                                     ServerLimits limits = {});

    virtual ~Server() = default;              // closes all connections, joins the thread
    virtual uint16_t port() const = 0;        // 0 for a unix socket
    virtual std::string address() const = 0;  // "http://127.0.0.1:7380", "unix:/path"
    virtual ServerStats stats() const = 0;
};

}  // namespace cvf::http
