// A blocking HTTP/1.1 client with a deadline, over TCP, TLS or a unix socket: for command lines and for runtimes' sockets.
//
// One call is one connection. Nothing is followed: no redirects, no proxies, no cookies. https:// is TLS 1.2 or 1.3 with a server
// whose certificate names the host and comes from an authority the system trusts, or from `ca_file`. Everything read is bounded
// by `Limits`; what a server sends beyond them is an error, never memory.
//
// `where` is "http[s]://HOST[:PORT]" (an IPv6 HOST in brackets; port 80 or 443 when absent), or "unix:/path" or just an absolute
// "/path" for a unix socket. Time-outs do not cover the system's name lookup; numeric addresses need none.
//
// Thread rule: free functions without shared state; call them from any thread, each call blocks its own.
// Errors: values with one line of text that names the server. No exceptions.
// Source: RFC 9110, RFC 9112 (parsing by Boost.Beast).
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace cvf::http {

struct Header {
    std::string name, value;
};

// PEM files; all may be empty.
struct ClientTls {
    std::string ca_file;              // trusted besides the system's authorities
    std::string cert_file, key_file;  // ours, for servers that want one; no key_file: the key stands in cert_file
};

// What goes out. Host, Connection and Content-Length are added.
struct Request {
    std::string method = "GET";
    std::string target = "/";  // path and query, already percent-encoded (encode_component() in target.h)
    std::vector<Header> headers;
    std::string body;
    ClientTls tls = {};  // for https://
};

struct Response {
    unsigned status = 0;
    std::vector<Header> headers;
    std::string body;

    // The first header of that name, in any letter case; empty when absent.
    std::string_view header(std::string_view name) const;
};

struct Limits {
    std::chrono::milliseconds timeout{5000};  // get(), fetch(): the whole exchange. stream(): until the response's head is here
    std::chrono::milliseconds idle{30000};    // stream(): the longest silence between two pieces of the body
    uint32_t header_bytes = 64 * 1024;
    uint64_t body_bytes = 16 * 1024 * 1024;  // get(), fetch(); and stream() for a response that is not 2xx
};

// How far a call came before it failed.
enum class Stage : uint8_t {
    address,   // `where` can't be understood, or its name not found
    connect,   // nobody answers there
    exchange,  // connected, but the exchange failed, was not HTTP, took too long or went over a limit
};

struct Error {
    Stage stage;
    std::string text;
};

// One request, the whole answer in memory. Any status is a success here; look at `status`.
std::expected<Response, Error> fetch(std::string_view where, const Request& request, const Limits& limits = {});

// fetch() of a plain GET, with the error as text alone.
std::expected<Response, std::string> get(std::string_view where, std::string_view target, const Limits& limits = {});

// Takes a piece of the body, valid during the call; false ends the stream.
using BodySink = std::function<bool(std::string_view piece)>;

// One request whose answer comes in pieces, without end perhaps (server-sent events). A 2xx body goes to `body`, piece by piece
// as it arrives, and Response::body stays empty; of any other answer the body is collected as by fetch(). Returns when the body
// has ended, `body` has returned false, or `*stop` (may be null; looked at every 100 ms, may be set in a signal handler) is true.
std::expected<Response, Error> stream(std::string_view where, const Request& request, const BodySink& body,
                                      const std::atomic<bool>* stop = nullptr, const Limits& limits = {});

}  // namespace cvf::http
