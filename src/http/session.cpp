#include "http/session.h"

#include <fmt/format.h>

#include <array>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <ctime>
#include <expected>
#include <optional>

#include "http/tls.h"
#include "http/websocket_session.h"

namespace asio = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;

namespace cvf::http {
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

// An error as RFC 9457 has it, like those of the handlers.
OutgoingResponse plain(unsigned status, std::string_view why) {
    const std::string_view title = beast::http::obsolete_reason(static_cast<beast::http::status>(status));
    OutgoingResponse response;
    response.status = status;
    response.content_type = "application/problem+json";
    response.body = boost::json::serialize(
                        boost::json::object{{"type", "about:blank"}, {"title", title}, {"status", status}, {"detail", why}}) +
                    "\n";
    return response;
}

class Session final : public Connection, public std::enable_shared_from_this<Session> {
 public:
    Session(Core& core, Stream::Socket socket, std::string peer)
        : Connection(core),
          seat_(std::make_unique<Seat>(core, std::move(peer))),
          stream_(std::make_unique<Stream>(std::move(socket))),
          timer_(core.io) {}
    ~Session() override { close(); }

    void begin(Stream::Context tls) {
        if (!tls) return read_request();
        stream_->secure(std::move(tls));
        arm(core_.limits.handshake_time, [](Session& s) {
            Counters::add(s.core_.counters.handshakes_failed);
            s.close();
        });
        stream_->async_handshake(asio::ssl::stream_base::server, [self = shared_from_this()](error_code error) {
            ++self->timer_number_;
            if (self->closed_) return;
            if (error) {
                Counters::add(self->core_.counters.handshakes_failed);
                return self->close();
            }
            self->client_name_ = common_name(self->stream_->ssl());
            self->read_request();
        });
    }

    void close() override {
        if (closed_) return;
        closed_ = true;
        if (stream_) stream_->close();
        timer_.cancel();
        source_.reset();
        const auto mine = std::move(working_);  // may be the last one that holds this session
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
    static void too_slow(Session& s) {
        Counters::add(s.core_.counters.slow_readers);
        s.close();
    }

    // ---- requests

    void read_request() {
        parser_.emplace();
        parser_->header_limit(core_.limits.header_bytes);
        parser_->body_limit(core_.limits.body_bytes);
        arm(core_.limits.request_time, [](Session& s) { s.request_late(); });
        beast::http::async_read_header(*stream_, buffer_, *parser_,
                                       [self = shared_from_this()](error_code error, size_t) { self->on_head(error); });
    }

    void request_late() {
        // Silence between two requests is the end of keep-alive, not an error; half a request is.
        if (buffer_.size() == 0 && !(parser_ && parser_->got_some())) return close();
        late_ = true;
        stream_->socket().cancel();
    }

    void on_head(error_code error) {
        if (closed_) return;
        if (error || late_ || parser_->is_done()) return on_request(error);
        // Who may not, or asks for what is not there, does not make us hold a megabyte for it.
        if (core_.check) {
            if (auto refusal = checked()) {
                ++timer_number_;
                keep_alive_ = head_only_ = false;
                version_ = parser_->get().version();
                Counters::add(core_.counters.requests);
                return respond(std::move(*refusal));
            }
        }
        // RFC 9110 10.1.1: who asks whether to send the body is told to; else it waits, for a second as a rule.
        const auto expects = parser_->get()[beast::http::field::expect];
        if (buffer_.size() == 0 && beast::iequals(expects, "100-continue")) {
            out_ = "HTTP/1.1 100 Continue\r\n\r\n";
            return asio::async_write(*stream_, asio::buffer(out_), [self = shared_from_this()](error_code failed, size_t) {
                if (self->closed_) return;
                if (failed) return self->close();
                self->read_body();
            });
        }
        read_body();
    }

    void read_body() {
        beast::http::async_read(*stream_, buffer_, *parser_,
                                [self = shared_from_this()](error_code error, size_t) { self->on_request(error); });
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

    // Borrows from the parser. The error is a sentence.
    std::expected<IncomingRequest, std::string> request() const {
        const auto& message = parser_->get();
        auto target = parse_target(message.target());
        if (!target) return std::unexpected(std::move(target.error()));
        IncomingRequest out{.method = message.method_string(),
                            .target = std::move(*target),
                            .headers = {},
                            .body = message.body(),
                            .peer = seat_->peer(),
                            .client_name = client_name_,
                            .upgrade = beast::websocket::is_upgrade(message)};
        for (const auto& field : message) out.headers.push_back({std::string(field.name_string()), std::string(field.value())});
        return out;
    }

    // A refusal, without anything that waits.
    std::optional<OutgoingResponse> checked() {
        try {
            const auto asked = request();
            if (!asked) return plain(400, asked.error());
            auto refusal = core_.check(*asked);
            if (refusal && (refusal->work || refusal->later || refusal->source || refusal->channel))
                return plain(500, "internal error");
            return refusal;
        } catch (const std::exception&) {
            return plain(500, "internal error");
        }
    }

    void answer() {
        const auto& message = parser_->get();
        const auto asked = request();
        if (!asked) return refuse(400, asked.error());
        keep_alive_ = message.keep_alive();
        head_only_ = message.method() == beast::http::verb::head;
        version_ = message.version();
        OutgoingResponse response;
        try {
            response = core_.handler(*asked);
        } catch (const std::exception&) {
            response = plain(500, "internal error");
        }
        if (response.work || response.later) return wait_for(std::move(response));
        Counters::add(core_.counters.requests);
        respond(std::move(response));
    }

    void refuse(unsigned status, std::string_view why) {
        keep_alive_ = head_only_ = false;
        version_ = 11;
        Counters::add(core_.counters.requests);
        if (status != 400) Counters::add(core_.counters.over_limit);
        respond(plain(status, why));
    }

    // ---- answers that others make

    // Kept once; by whoever drops it unkept, with an error, for a client must not wait for nobody.
    class Promise {
     public:
        Promise(std::shared_ptr<Loop> loop, std::weak_ptr<Session> session, uint64_t turn)
            : loop_(std::move(loop)), session_(std::move(session)), turn_(turn) {}
        ~Promise() { keep(plain(500, "internal error")); }
        Promise(const Promise&) = delete;
        Promise& operator=(const Promise&) = delete;

        void keep(OutgoingResponse made) {
            if (kept_.exchange(true)) return;
            // A function of Asio's must be copyable here, a response is not.
            auto shared = std::make_shared<OutgoingResponse>(std::move(made));
            loop_->post([session = session_, turn = turn_, shared] {
                if (const auto self = session.lock()) self->made(turn, std::move(*shared));
            });
        }

     private:
        const std::shared_ptr<Loop> loop_;
        const std::weak_ptr<Session> session_;
        const uint64_t turn_;
        std::atomic<bool> kept_{false};
    };

    void wait_for(OutgoingResponse promise) {
        working_ = shared_from_this();
        const uint64_t turn = ++turn_;
        const auto reply = [promised = std::make_shared<Promise>(core_.loop, weak_from_this(), turn)](OutgoingResponse made) {
            promised->keep(std::move(made));
        };
        bool taken = false;
        try {
            if (promise.later) return promise.later(reply);
            taken = core_.workers.submit([work = std::move(promise.work), reply] {
                OutgoingResponse made;
                try {
                    made = work();
                } catch (const std::exception&) {
                    made = plain(500, "internal error");
                }
                reply(std::move(made));
            });
        } catch (const std::exception&) {  // no memory, no thread: the others go on
        }
        if (taken) return;
        Counters::add(core_.counters.over_limit);
        OutgoingResponse busy = plain(503, "too many requests are waiting; try again");
        busy.headers.push_back({"Retry-After", "1"});
        reply(std::move(busy));
    }

    void made(uint64_t turn, OutgoingResponse response) {
        const auto mine = std::move(working_);
        if (closed_ || turn != turn_ || !mine) return;
        Counters::add(core_.counters.requests);
        if (response.work || response.later) response = plain(500, "internal error");
        respond(std::move(response));
    }

    // ---- answering

    void respond(OutgoingResponse response) {
        if (response.channel) {
            if (beast::websocket::is_upgrade(parser_->get()) && buffer_.size() == 0) {
                timer_.cancel();
                closed_ = true;  // the connection goes on without this session
                return begin_websocket(core_, std::move(seat_), std::move(stream_), parser_->release(),
                                       std::move(response.channel), std::move(response.protocol));
            }
            response = plain(426, "this is for WebSocket");
            response.headers.push_back({"Upgrade", "websocket"});
        }
        if (head_only_) response.source.reset();
        // A stream ends with its connection: what a client pipelined behind it is not served.
        keep_alive_ = keep_alive_ && !response.source;
        chunked_ = response.source && version_ >= 11;
        out_ = head_of(response, keep_alive_, chunked_);
        if (!head_only_ && !response.source) out_ += response.body;
        source_ = std::move(response.source);
        parser_.reset();
        arm(core_.limits.write_time, too_slow);
        asio::async_write(*stream_, asio::buffer(out_),
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

    // ---- streams

    void start_stream() {
        const bool started = guarded([&] {
            source_->start([loop = core_.loop, session = weak_from_this()] {
                loop->post([session] {
                    const auto self = session.lock();
                    if (self && !self->closed_ && self->source_ && self->waiting_) self->pump();
                });
            });
        });
        if (!started) return close();
        watch_peer();
        pump();
    }

    // Reads only to learn that the client has gone; what it sends is thrown away.
    void watch_peer() {
        stream_->async_read_some(asio::buffer(discard_), [self = shared_from_this()](error_code error, size_t) {
            if (self->closed_) return;
            if (error) return self->close();
            self->watch_peer();
        });
    }

    // False: it threw. Half a body must not end as a whole one would.
    template <typename Call>
    bool guarded(Call&& call) {
        try {
            call();
            return true;
        } catch (const std::exception&) {
            return false;
        }
    }

    void pump() {
        waiting_ = false;
        BodySource::Piece piece{BodySource::State::broken, {}};
        guarded([&] { piece = source_->next(); });
        switch (piece.state) {
            case BodySource::State::more:
                return send_piece(piece.bytes);
            case BodySource::State::wait:
                waiting_ = true;
                return arm(source_->idle_time(), [](Session& s) { s.idle(); });
            case BodySource::State::end:
                return end_stream();
            case BodySource::State::broken:
                return close();
        }
    }

    void idle() {
        if (!waiting_) return;
        waiting_ = false;
        std::string_view sign;
        if (!guarded([&] { sign = source_->idle(); })) return close();
        send_piece(sign);
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
        arm(core_.limits.write_time, too_slow);
        asio::async_write(*stream_, parts, [self = shared_from_this()](error_code error, size_t) {
            ++self->timer_number_;
            if (self->closed_) return;
            if (error) return self->close();
            self->pump();
        });
    }

    void end_stream() {
        source_.reset();
        out_ = chunked_ ? "0\r\n\r\n" : "";
        arm(core_.limits.write_time, too_slow);
        asio::async_write(*stream_, asio::buffer(out_), [self = shared_from_this()](error_code error, size_t) {
            ++self->timer_number_;
            if (self->closed_) return;
            if (error || !self->stream_->secured()) return self->close();
            self->say_goodbye([](Session& s) { s.close(); });
        });
    }

    // ---- the end

    // TLS's own end tells the client that nothing was cut off.
    void say_goodbye(Late then) {
        arm(linger_time, [](Session& s) { s.close(); });
        stream_->async_shutdown([self = shared_from_this(), then](error_code) {
            ++self->timer_number_;
            if (!self->closed_) then(*self);
        });
    }

    // Closing with unread bytes makes the kernel reset the connection, which can take the answer with it: read on for a moment.
    void linger() {
        if (stream_->secured()) return say_goodbye([](Session& s) { s.close(); });
        error_code ignored;
        stream_->socket().shutdown(asio::socket_base::shutdown_send, ignored);
        if (ignored) return close();
        arm(linger_time, [](Session& s) { s.close(); });
        watch_peer();
    }

    std::unique_ptr<Seat> seat_;
    std::unique_ptr<Stream> stream_;
    asio::steady_timer timer_;
    uint64_t timer_number_ = 0;
    beast::flat_buffer buffer_;
    std::optional<beast::http::request_parser<beast::http::string_body>> parser_;
    std::string out_, client_name_;
    std::unique_ptr<BodySource> source_;
    std::shared_ptr<Session> working_;  // itself, while others make the answer
    uint64_t turn_ = 0;                 // tells an answer to an earlier request
    unsigned version_ = 11;
    char chunk_head_[24];
    char discard_[512];
    bool closed_ = false, late_ = false, keep_alive_ = false, head_only_ = false, chunked_ = false, waiting_ = false;
};

}  // namespace

void begin_session(Core& core, Stream::Socket socket, std::string peer, Stream::Context tls) {
    std::make_shared<Session>(core, std::move(socket), std::move(peer))->begin(std::move(tls));
}

}  // namespace cvf::http
