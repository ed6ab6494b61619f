#include "http/server.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <ctime>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_set>

#include "http/address.h"

namespace asio = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;
using StreamProtocol = asio::generic::stream_protocol;

namespace cvf::http {

std::string_view IncomingRequest::header(std::string_view name) const {
    for (const Header& h : headers)
        if (h.name.size() == name.size() && strncasecmp(h.name.data(), name.data(), name.size()) == 0) return h.value;
    return {};
}

namespace {

constexpr auto linger_time = std::chrono::seconds(1);

std::string http_date() {  // RFC 9110 5.6.7
    const time_t now = ::time(nullptr);
    tm utc{};
    gmtime_r(&now, &utc);
    char text[40];
    return {text, strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc)};
}

std::string head_of(const OutgoingResponse& response, bool keep_alive, bool chunked) {
    std::string out =
        fmt::format("HTTP/1.1 {} {}\r\nDate: {}\r\nConnection: {}\r\n", response.status,
                    std::string_view(beast::http::obsolete_reason(static_cast<beast::http::status>(response.status))),
                    http_date(), keep_alive ? "keep-alive" : "close");
    if (response.status != 204 && response.status != 304) out += fmt::format("Content-Type: {}\r\n", response.content_type);
    for (const Header& h : response.headers) out += fmt::format("{}: {}\r\n", h.name, h.value);
    if (chunked)
        out += "Transfer-Encoding: chunked\r\n";
    else if (!response.source && response.status != 204 && response.status != 304)
        out += fmt::format("Content-Length: {}\r\n", response.body.size());
    return out += "\r\n";
}

class Session;

// What sessions share; lives as long as the server.
struct Core {
    Handler handler;
    ServerLimits limits;
    std::atomic<uint64_t> requests{0}, connections{0}, refused{0};
    std::unordered_set<Session*> sessions;  // server's thread only
    asio::io_context io{1};
};

// The part of a session that a Waker may touch from another thread.
struct WakeState {
    std::mutex mutex;
    asio::io_context* io;  // null when the session is over
    std::weak_ptr<Session> session;
};

// One connection: read a request, answer, read the next; or answer with a stream until it ends.
class Session : public std::enable_shared_from_this<Session> {
 public:
    Session(Core& core, StreamProtocol::socket socket) : core_(core), socket_(std::move(socket)), timer_(core.io) {
        core_.sessions.insert(this);
        core_.connections.fetch_add(1, std::memory_order_relaxed);
    }
    ~Session() {
        close();
        core_.sessions.erase(this);
        core_.connections.fetch_sub(1, std::memory_order_relaxed);
    }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    void read_request() {
        parser_.emplace();
        parser_->header_limit(core_.limits.header_bytes);
        parser_->body_limit(core_.limits.body_bytes);
        arm(core_.limits.request_time, [](Session& s) { s.request_late(); });
        beast::http::async_read(socket_, buffer_, *parser_,
                                [self = shared_from_this()](error_code error, size_t) { self->on_request(error); });
    }

    // Ends everything; what is under way completes with an error and lets go of the session.
    void close() {
        closed_ = true;
        if (wake_) {
            const std::lock_guard lock(wake_->mutex);
            wake_->io = nullptr;
        }
        error_code ignored;
        socket_.close(ignored);
        timer_.cancel();
        source_.reset();
    }

    void woken() {
        if (!closed_ && source_ && waiting_) pump();
    }

 private:
    using Late = void (*)(Session&);

    // Restarts the one timer of this session. A timer that fired before it was restarted is told apart by its number.
    void arm(std::chrono::milliseconds after, Late late) {
        const uint64_t number = ++timer_number_;
        timer_.expires_after(after);
        timer_.async_wait([self = shared_from_this(), number, late](error_code error) {
            if (!error && number == self->timer_number_ && !self->closed_) late(*self);
        });
    }

    void request_late() {
        // Silence between two requests is the end of keep-alive, not an error; half a request is.
        if (buffer_.size() == 0 && !(parser_ && parser_->got_some())) return close();
        late_ = true;
        socket_.cancel();
    }

    void on_request(error_code error) {
        ++timer_number_;
        if (closed_) return;
        if (late_) return refuse(408, "the request did not arrive in time");
        if (error == beast::http::error::end_of_stream) return linger();
        if (error == beast::http::error::header_limit) return refuse(431, "the request's head is too large");
        if (error == beast::http::error::body_limit) return refuse(413, "the request's body is too large");
        if (error.category() == beast::http::make_error_code(beast::http::error::bad_version).category() &&
            error != beast::http::error::partial_message)
            return refuse(400, "this is not an HTTP request");
        if (error) return close();
        answer();
    }

    void answer() {
        const auto& message = parser_->get();
        auto target = parse_target(message.target());
        if (!target) return refuse(400, target.error());
        IncomingRequest request{message.method_string(), std::move(*target), {}, message.body()};
        for (const auto& field : message)
            request.headers.push_back({std::string(field.name_string()), std::string(field.value())});
        OutgoingResponse response;
        try {
            response = core_.handler(request);
        } catch (const std::exception&) {
            response = {};
            response.status = 500;
            response.body = "internal error\n";
        }
        core_.requests.fetch_add(1, std::memory_order_relaxed);
        respond(std::move(response), message.keep_alive(), message.method() == beast::http::verb::head, message.version());
    }

    void refuse(unsigned status, std::string_view why) {
        OutgoingResponse response;
        response.status = status;
        response.body = fmt::format("{}\n", why);
        core_.requests.fetch_add(1, std::memory_order_relaxed);
        respond(std::move(response), false, false, 11);
    }

    void respond(OutgoingResponse response, bool keep_alive, bool head_only, unsigned version) {
        if (head_only) response.source.reset();
        // A stream ends with its connection: what a client pipelined behind it is not served.
        keep_alive_ = keep_alive && !response.source;
        chunked_ = response.source && version >= 11;
        out_ = head_of(response, keep_alive_, chunked_);
        if (!head_only) out_ += response.body;
        source_ = std::move(response.source);
        parser_.reset();
        arm(core_.limits.write_time, [](Session& s) { s.close(); });
        asio::async_write(socket_, asio::buffer(out_),
                          [self = shared_from_this()](error_code error, size_t) { self->on_answered(error); });
    }

    void on_answered(error_code error) {
        ++timer_number_;
        if (closed_) return;
        if (error) return close();
        if (source_) return start_stream();
        if (keep_alive_) return read_request();
        linger();
    }

    void start_stream() {
        wake_ = std::make_shared<WakeState>();
        wake_->io = &core_.io;
        wake_->session = weak_from_this();
        source_->start([state = wake_] {
            const std::lock_guard lock(state->mutex);
            if (!state->io) return;
            asio::post(*state->io, [session = state->session] {
                if (const auto self = session.lock()) self->woken();
            });
        });
        watch_peer();
        pump();
    }

    // Reads only to learn that the client has gone; what it sends is thrown away.
    void watch_peer() {
        socket_.async_read_some(asio::buffer(discard_), [self = shared_from_this()](error_code error, size_t) {
            if (self->closed_) return;
            if (error) return self->close();
            self->watch_peer();
        });
    }

    void pump() {
        waiting_ = false;
        const BodySource::Piece piece = source_->next();
        switch (piece.state) {
            case BodySource::State::more:
                return send_piece(piece.bytes);
            case BodySource::State::wait:
                waiting_ = true;
                return arm(source_->idle_time(), [](Session& s) { s.idle(); });
            case BodySource::State::end:
                return end_stream();
        }
    }

    void idle() {
        if (!waiting_) return;
        waiting_ = false;
        send_piece(source_->idle());
    }

    void send_piece(std::string_view bytes) {
        if (bytes.empty()) {  // an empty chunk would end the body; come back from the loop, not by recursion
            asio::post(core_.io, [self = shared_from_this()] {
                if (!self->closed_) self->pump();
            });
            return;
        }
        std::array<asio::const_buffer, 3> parts;
        if (chunked_) {
            const auto end = fmt::format_to_n(chunk_head_, sizeof chunk_head_, "{:x}\r\n", bytes.size());
            parts = {asio::buffer(chunk_head_, end.size), asio::buffer(bytes), asio::buffer("\r\n", 2)};
        } else {
            parts[0] = asio::buffer(bytes);
        }
        arm(core_.limits.write_time, [](Session& s) { s.close(); });
        asio::async_write(socket_, parts, [self = shared_from_this()](error_code error, size_t) {
            ++self->timer_number_;
            if (self->closed_) return;
            if (error) return self->close();
            self->pump();
        });
    }

    void end_stream() {
        source_.reset();
        if (!chunked_) return close();
        arm(core_.limits.write_time, [](Session& s) { s.close(); });
        asio::async_write(socket_, asio::buffer("0\r\n\r\n", 5),
                          [self = shared_from_this()](error_code, size_t) { self->close(); });
    }

    // Closing with unread bytes makes the kernel reset the connection, which can take the answer with it: read on for a moment.
    void linger() {
        error_code ignored;
        socket_.shutdown(asio::socket_base::shutdown_send, ignored);
        if (ignored) return close();
        arm(linger_time, [](Session& s) { s.close(); });
        watch_peer();
    }

    Core& core_;
    StreamProtocol::socket socket_;
    asio::steady_timer timer_;
    uint64_t timer_number_ = 0;
    beast::flat_buffer buffer_;
    std::optional<beast::http::request_parser<beast::http::string_body>> parser_;
    std::string out_;
    std::unique_ptr<BodySource> source_;
    std::shared_ptr<WakeState> wake_;
    char chunk_head_[24];
    char discard_[512];
    bool closed_ = false, late_ = false, keep_alive_ = false, chunked_ = false, waiting_ = false;
};

class ListeningServer final : public Server {
 public:
    ListeningServer(Handler handler, ServerLimits limits) : acceptor_(core_.io), retry_(core_.io) {
        core_.handler = std::move(handler);
        core_.limits = limits;
    }
    ~ListeningServer() override {
        if (thread_.joinable()) {
            core_.io.stop();
            thread_.join();
        }
        // Nobody runs the loop now, so its state may be touched from here.
        stopping_ = true;
        error_code ignored;
        acceptor_.close(ignored);
        retry_.cancel();
        for (Session* session : std::vector<Session*>(core_.sessions.begin(), core_.sessions.end())) session->close();
        core_.io.restart();
        core_.io.poll();
        if (!unix_path_.empty()) ::unlink(unix_path_.c_str());
    }

    std::optional<std::string> open(std::string_view listen) {
        StreamProtocol::endpoint end;
        if (listen.starts_with("unix:") || listen.starts_with('/')) {
            const auto place = parse_place(listen);
            if (!place) return place.error();
            if (auto error = clear_stale(place->unix_path)) return error;
            end = asio::local::stream_protocol::endpoint(place->unix_path);
            address_ = "unix:" + place->unix_path;
        } else {
            const auto place = parse_host_port(listen);
            if (!place) return place.error();
            error_code error;
            const auto ip = asio::ip::make_address(place->host == "localhost" ? "127.0.0.1" : place->host, error);
            if (error) return fmt::format("'{}' is not a numeric address", place->host);
            end = asio::ip::tcp::endpoint(ip, place->port);
        }
        error_code error;
        acceptor_.open(end.protocol(), error);
        if (error) return fmt::format("{}: {}", listen, error.message());
        if (address_.empty())
            acceptor_.set_option(asio::socket_base::reuse_address(true), error);
        else
            ::fchmod(acceptor_.native_handle(), 0600);  // before bind(): the file is never there with wider rights
        acceptor_.bind(end, error);
        if (!error) acceptor_.listen(128, error);
        if (error) return fmt::format("cannot listen on {}: {}", listen, error.message());
        if (address_.empty()) {
            asio::ip::tcp::endpoint bound;
            const auto local = acceptor_.local_endpoint(error);
            bound.resize(local.size());
            std::memcpy(bound.data(), local.data(), local.size());
            port_ = bound.port();
            const bool v6 = bound.address().is_v6();
            address_ = fmt::format("http://{}{}{}:{}", v6 ? "[" : "", bound.address().to_string(), v6 ? "]" : "", port_);
        } else {
            unix_path_ = address_.substr(5);
        }
        accept();
        // Signals are the main thread's business.
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        thread_ = std::thread([this] {
            pthread_setname_np(pthread_self(), "cvf-http");
            core_.io.run();
        });
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
        return std::nullopt;
    }

    uint16_t port() const override { return port_; }
    std::string address() const override { return address_; }
    ServerStats stats() const override {
        return {core_.requests.load(std::memory_order_relaxed), core_.connections.load(std::memory_order_relaxed),
                core_.refused.load(std::memory_order_relaxed)};
    }

 private:
    // A socket file nobody answers on is left over from a server that was killed.
    static std::optional<std::string> clear_stale(const std::string& path) {
        struct stat st{};
        if (::lstat(path.c_str(), &st) != 0) return std::nullopt;
        if (!S_ISSOCK(st.st_mode)) return fmt::format("{} is there already and is not a socket", path);
        asio::io_context io;
        asio::local::stream_protocol::socket probe(io);
        error_code error;
        probe.connect(asio::local::stream_protocol::endpoint(path), error);
        if (error != asio::error::connection_refused) return fmt::format("{} is in use by another process", path);
        ::unlink(path.c_str());
        return std::nullopt;
    }

    void accept() {
        acceptor_.async_accept([this](error_code error, StreamProtocol::socket socket) {
            if (stopping_) return;
            if (error) {  // out of descriptors, perhaps: not a reason to spin or to give up
                retry_.expires_after(std::chrono::milliseconds(100));
                retry_.async_wait([this](error_code cancelled) {
                    if (!cancelled && !stopping_) accept();
                });
                return;
            }
            if (core_.connections.load(std::memory_order_relaxed) >= core_.limits.connections) {
                core_.refused.fetch_add(1, std::memory_order_relaxed);
            } else {
                const int on = 1;
                ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                std::make_shared<Session>(core_, std::move(socket))->read_request();
            }
            accept();
        });
    }

    Core core_;
    asio::basic_socket_acceptor<StreamProtocol> acceptor_;
    asio::steady_timer retry_;
    std::thread thread_;
    std::string address_, unix_path_;
    uint16_t port_ = 0;
    bool stopping_ = false;
};

}  // namespace

std::expected<std::unique_ptr<Server>, std::string> Server::start(std::string_view listen, Handler handler, ServerLimits limits) {
    auto server = std::make_unique<ListeningServer>(std::move(handler), limits);
    if (auto error = server->open(listen)) return std::unexpected(std::move(*error));
    return server;
}

}  // namespace cvf::http
