// An HTTP/1.1 server for a few routes, on one thread of its own, over TCP, TLS or a unix socket, with WebSockets.
//
// A handler turns a request into a response and must not block. What has to wait is given back as `work`, which runs on one of a
// few workers of the server and gives the real response, or as `later`, which is told where to send it. A response may have a
// BodySource instead of a body: it is then sent in pieces for as long as the source has some, and a client that reads slowly
// makes the server ask later, never buffer more. Or it has a Channel (websocket.h): the connection then is a WebSocket.
//
// Hostile clients are bounded by `ServerLimits`: size of head and body, number of connections, time to send a request, time
// without reading. Over a limit the answer is 408, 413, 431 or 503 where one can still be given, and the connection is closed;
// over `connections` it is closed at once and counted.
//
// TLS: 1.2 and 1.3. With a client CA only clients with a certificate from it get in, and its common name is the request's
// client_name. The files are looked at again and again; new ones serve the connections to come, and ones that can't be used are
// told once and leave things as they were.
//
// A request with a body can be refused before the body is read: that is what a HeadCheck is for.
//
// Thread rule: handlers, head checks, sources, channels and their destructors run on the server's thread, but for those of
// connections still open when the server is destroyed, whose destructors run on the destroying thread; `work` on a worker's, and
// the destructor waits for it. A Waker and a Reply may be called from any thread at any time, also after the server. Errors:
// start() tells what is wrong with the address or the files; a handler or `work` that throws is answered 500, one that finds no
// thread 503, and a source or a channel that throws loses its connection. Source: RFC 9110, RFC 9112, RFC 6455 (parsing by
// Boost.Beast).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/client.h"  // Header
#include "http/header.h"
#include "http/target.h"
#include "http/websocket.h"

namespace cvf::http {

struct ServerLimits {
    uint32_t header_bytes = 16 * 1024;
    uint64_t body_bytes = 1024 * 1024;
    size_t connections = 256;
    size_t connections_per_peer = 128;               // from one address; of a unix socket no bound but `connections`
    size_t workers = 4;                              // threads for `work`
    size_t waiting_work = 64;                        // beyond that: 503
    uint64_t message_bytes = 256 * 1024;             // of a WebSocket message from a client
    std::chrono::milliseconds handshake_time{5000};  // of TLS and of WebSocket
    std::chrono::milliseconds ping_time{15000};      // of silence on a WebSocket until a ping; twice that ends it
    std::chrono::milliseconds request_time{10000};   // from the first wait for a request to its end; also the keep-alive time
    std::chrono::milliseconds write_time{30000};     // for one piece of an answer
};

// PEM files.
struct ServerTls {
    std::string cert_file, key_file;  // the chain, our certificate first
    std::string client_ca_file;       // not empty: clients need a certificate from here
    std::chrono::milliseconds look_again{2000};
    std::function<void(const std::string&)> complain;  // about files that can't be used; may be empty; the server's thread
};

struct IncomingRequest {
    std::string_view method;
    Target target;
    std::vector<Header> headers;
    std::string_view body;
    std::string_view peer;         // the client's address without port; of a unix socket "unix:UID"
    std::string_view client_name;  // common name of the client's certificate; empty: none
    bool upgrade = false;          // asks to become a WebSocket

    std::string_view header(std::string_view name) const { return find_header(headers, name); }
};

// A body made while it is sent.
class BodySource {
 public:
    enum class State : uint8_t {
        more,    // `bytes` holds the next piece
        wait,    // nothing now: ask again when woken
        end,     // the body is complete
        broken,  // it never will be: the connection is cut, so that nobody takes it for complete
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

struct OutgoingResponse;
using Reply = std::function<void(OutgoingResponse)>;  // once, later calls do nothing; dropped uncalled it is a 500

struct OutgoingResponse {
    unsigned status = 200;
    std::string content_type = "text/plain; charset=utf-8";
    std::vector<Header> headers;
    std::string body;
    std::unique_ptr<BodySource> source;  // instead of body
    std::unique_ptr<Channel> channel;    // instead of all: speak WebSocket. Without IncomingRequest::upgrade it is answered 426
    std::string protocol;                // the sub-protocol chosen of those asked for; empty: none
    // Instead of all: what gives the response, on a worker, or sends it when it has it. Neither gives another of either.
    std::function<OutgoingResponse()> work;
    std::function<void(Reply)> later;
};

using Handler = std::function<OutgoingResponse(const IncomingRequest&)>;
// Asked of a request with a body before that is read: an answer refuses it, and the connection ends with it. `body` is empty.
using HeadCheck = std::function<std::optional<OutgoingResponse>(const IncomingRequest&)>;

struct ServerStats {
    uint64_t requests = 0;                     // answered
    uint64_t connections = 0;                  // open now
    uint64_t refused = 0;                      // closed at once, over the limit
    uint64_t over_limit = 0;                   // answered 408, 413, 431, or 503 for want of a worker
    uint64_t slow_readers = 0;                 // cut, for they did not take what was sent to them
    uint64_t handshakes_failed = 0;            // TLS
    uint64_t reloads = 0, reloads_failed = 0;  // of certificate files
};

class Server {
 public:
    // `handler` is given every request whose head could be read; it routes by path and method itself. HEAD is answered as GET
    // without the body. `listen` is "ADDR:PORT", "[ADDR]:PORT" (numeric; port 0: any free one) or "unix:/path" (mode 0600; a
    // socket file left by a dead server is replaced). The server answers when this returns.
    // With `tls` it speaks HTTPS alone; a unix socket takes none.
    static std::expected<std::unique_ptr<Server>, std::string> start(std::string_view listen, Handler handler,
                                                                     ServerLimits limits = {}, std::optional<ServerTls> tls = {},
                                                                     HeadCheck check = {});

    virtual ~Server() = default;              // closes all connections, joins the thread
    virtual uint16_t port() const = 0;        // 0 for a unix socket
    virtual std::string address() const = 0;  // "http://127.0.0.1:7380", "https://…", "unix:/path"
    virtual ServerStats stats() const = 0;
};

}  // namespace cvf::http
