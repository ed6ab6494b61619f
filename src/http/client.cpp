#include "http/client.h"

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>
#include <boost/asio/connect.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <optional>

#include "http/address.h"
#include "http/stream.h"
#include "http/tls.h"

namespace asio = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

namespace cvf::http {

std::string_view Response::header(std::string_view name) const {
    return find_header(headers, name);
}

namespace {

constexpr auto stop_interval = std::chrono::milliseconds(100);

// One connection. Every step is an asynchronous operation driven to its end, to a deadline or to `stop`.
class Exchange {
 public:
    Exchange(std::string_view where, const std::atomic<bool>* stop) : where_(where), stop_(stop) {}

    enum class Ran : uint8_t { done, late, stopped };

    std::optional<Error> connect(const Place& place, const ClientTls& tls, Clock::time_point deadline) {
        if (auto error = reach(place, deadline)) return error;
        if (!place.tls) return std::nullopt;
        auto context = client_context(tls);
        if (!context) return Error{Stage::address, std::move(context.error())};
        stream_.secure(std::move(*context));
        if (!expect_name(stream_.ssl(), place.host))
            return Error{Stage::address, fmt::format("'{}' is no host name", place.host)};
        error_code result;
        stream_.async_handshake(asio::ssl::stream_base::client, [&](error_code error) { result = error; });
        const Ran ran = run(deadline);
        if (ran != Ran::done) return failed(Stage::connect, ran, result);
        if (!result) return std::nullopt;
        return Error{Stage::exchange, fmt::format("{}: {}", where_, tls_error_text(stream_.ssl(), result))};
    }

    std::optional<Error> reach(const Place& place, Clock::time_point deadline) {
        std::vector<asio::generic::stream_protocol::endpoint> ends;
        if (!place.unix_path.empty()) {
            ends.emplace_back(asio::local::stream_protocol::endpoint(place.unix_path));
        } else {
            error_code error;
            const auto address = asio::ip::make_address(place.host, error);
            if (!error) {
                ends.emplace_back(asio::ip::tcp::endpoint(address, place.port));
            } else {
                asio::ip::tcp::resolver resolver(io_);
                for (const auto& found : resolver.resolve(place.host, std::to_string(place.port), error))
                    ends.emplace_back(found.endpoint());
                if (error) return Error{Stage::address, fmt::format("{}: {}", place.host, error.message())};
            }
        }
        error_code result = asio::error::host_not_found;
        for (const auto& end : ends) {
            error_code ignored;
            stream_.socket().close(ignored);
            result = asio::error::would_block;
            stream_.socket().async_connect(end, [&](error_code error) { result = error; });
            if (const Ran ran = run(deadline); ran != Ran::done) return failed(Stage::connect, ran, result);
            if (!result) return std::nullopt;
        }
        return failed(Stage::connect, Ran::done, result);
    }

    std::optional<Error> send(const std::string& bytes, Clock::time_point deadline) {
        error_code result;
        asio::async_write(stream_, asio::buffer(bytes), [&](error_code error, size_t) { result = error; });
        const Ran ran = run(deadline);
        // A server may answer (413, 401) and close before it has read everything: the answer is worth more than the error.
        if (ran == Ran::done && (!result || result == asio::error::broken_pipe || result == asio::error::connection_reset))
            return std::nullopt;
        return failed(Stage::exchange, ran, result);
    }

    template <typename Parser>
    std::optional<Error> read_head(Parser& parser, Clock::time_point deadline) {
        error_code result;
        beast::http::async_read_header(stream_, buffer_, parser, [&](error_code error, size_t) { result = error; });
        const Ran ran = run(deadline);
        if (ran == Ran::done && !result) return std::nullopt;
        return failed(Stage::exchange, ran, result);
    }

    // Reads on until some of the body is in parser.get().body()'s buffer or the message is over.
    template <typename Parser>
    std::pair<Ran, error_code> read_some(Parser& parser, Clock::time_point deadline) {
        error_code result;
        beast::http::async_read_some(stream_, buffer_, parser, [&](error_code error, size_t) { result = error; });
        const Ran ran = run(deadline);
        return {ran, result};
    }

    Error failed(Stage stage, Ran ran, error_code error) const {
        if (ran == Ran::stopped) return {stage, fmt::format("{}: stopped", where_)};
        if (ran == Ran::late)
            return {stage,
                    fmt::format("{}: {}", where_, stage == Stage::connect ? "timed out while connecting" : "no answer in time")};
        if (error == beast::http::error::end_of_stream || error == beast::http::error::partial_message ||
            error == asio::error::eof || error == asio::ssl::error::stream_truncated)
            return {stage, fmt::format("{}: the connection ended early", where_)};
        return {stage, fmt::format("{}: {}", where_, error.message())};
    }

 private:
    Ran run(Clock::time_point deadline) {
        io_.restart();
        for (;;) {
            if (stop_ && stop_->load(std::memory_order_relaxed)) return abandon(Ran::stopped);
            const auto now = Clock::now();
            if (now >= deadline) return abandon(Ran::late);
            io_.run_until(stop_ ? std::min(deadline, now + stop_interval) : deadline);
            if (io_.stopped()) return Ran::done;
        }
    }

    // The handlers refer to the callers' variables: let them finish before those go.
    Ran abandon(Ran why) {
        stream_.close();
        io_.run();
        return why;
    }

    std::string where_;
    const std::atomic<bool>* stop_;
    asio::io_context io_{1};
    Stream stream_{Stream::Socket(io_)};
    beast::flat_buffer buffer_;
};

bool token(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f && c != ':'; });
}

// A line break in a header or the target would let a caller's data write headers of its own.
bool line(std::string_view text) {
    return std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; });
}

std::expected<std::string, std::string> serialize(const Place& place, const Request& request) {
    if (!token(request.method)) return std::unexpected("the method is not a token");
    if (!request.target.starts_with('/') || !line(request.target) || request.target.find(' ') != std::string::npos)
        return std::unexpected("the request target is not a path without blanks");
    std::string out =
        fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", request.method, request.target, place.authority());
    for (const Header& h : request.headers) {
        if (!token(h.name) || !line(h.value)) return std::unexpected(fmt::format("the header '{}' cannot be sent", h.name));
        out += fmt::format("{}: {}\r\n", h.name, h.value);
    }
    if (!request.body.empty() || request.method == "POST" || request.method == "PUT" || request.method == "PATCH")
        out += fmt::format("Content-Length: {}\r\n", request.body.size());
    out += "\r\n";
    out += request.body;
    return out;
}

std::expected<Response, Error> run(std::string_view where, const Request& request, const BodySink* sink,
                                   const std::atomic<bool>* stop, const Limits& limits) {
    const auto deadline = Clock::now() + limits.timeout;
    const auto place = parse_place(where);
    if (!place) return std::unexpected(Error{Stage::address, place.error()});
    const auto bytes = serialize(*place, request);
    if (!bytes) return std::unexpected(Error{Stage::address, bytes.error()});

    Exchange exchange(where, stop);
    if (auto error = exchange.connect(*place, request.tls, deadline)) return std::unexpected(std::move(*error));
    if (auto error = exchange.send(*bytes, deadline)) return std::unexpected(std::move(*error));

    beast::http::response_parser<beast::http::buffer_body> parser;
    parser.header_limit(limits.header_bytes);
    parser.body_limit(boost::none);  // counted below: Beast's own limit would count an endless stream too
    parser.skip(request.method == "HEAD");
    if (auto error = exchange.read_head(parser, deadline)) return std::unexpected(std::move(*error));

    Response response;
    response.status = parser.get().result_int();
    for (const auto& field : parser.get())
        response.headers.push_back({std::string(field.name_string()), std::string(field.value())});
    const bool streaming = sink && response.status / 100 == 2;

    char piece[16 * 1024];
    while (!parser.is_done()) {
        parser.get().body().data = piece;
        parser.get().body().size = sizeof piece;
        const auto [ran, error] = exchange.read_some(parser, streaming ? Clock::now() + limits.idle : deadline);
        if (ran == Exchange::Ran::stopped && streaming) return response;
        if (ran != Exchange::Ran::done || (error && error != beast::http::error::need_buffer))
            return std::unexpected(exchange.failed(Stage::exchange, ran, error));
        const std::string_view got(piece, sizeof piece - parser.get().body().size);
        if (got.empty()) continue;
        if (streaming) {
            if (!(*sink)(got)) return response;
        } else if (response.body.size() + got.size() > limits.body_bytes) {
            return std::unexpected(
                Error{Stage::exchange, fmt::format("{}: the answer is longer than {} bytes", where, limits.body_bytes)});
        } else {
            response.body += got;
        }
    }
    return response;
}

}  // namespace

std::expected<Response, Error> fetch(std::string_view where, const Request& request, const Limits& limits) {
    return run(where, request, nullptr, nullptr, limits);
}

std::expected<Response, std::string> get(std::string_view where, std::string_view target, const Limits& limits) {
    Request request;
    request.target = target;
    auto response = fetch(where, request, limits);
    if (!response) return std::unexpected(std::move(response.error().text));
    return std::move(*response);
}

std::expected<Response, Error> stream(std::string_view where, const Request& request, const BodySink& body,
                                      const std::atomic<bool>* stop, const Limits& limits) {
    return run(where, request, &body, stop, limits);
}

}  // namespace cvf::http
