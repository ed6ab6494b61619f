#include "http/websocket_session.h"

#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <optional>

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = boost::beast::websocket;
using boost::system::error_code;

namespace cvf::http {

// How Beast ends a stream of ours, when it was silent for too long and once both sides have said goodbye; found by its type.
void beast_close_socket(Stream& stream) {
    stream.close();
}
void teardown(beast::role_type, Stream& stream, error_code& error) {
    stream.socket().shutdown(asio::socket_base::shutdown_both, error);
}
template <typename Handler>
void async_teardown(beast::role_type, Stream& stream, Handler&& handler) {
    error_code ignored;
    stream.socket().shutdown(asio::socket_base::shutdown_send, ignored);
    asio::post(stream.get_executor(), beast::bind_front_handler(std::forward<Handler>(handler), error_code{}));
}

namespace {

class WebSocketSession final : public Connection, public std::enable_shared_from_this<WebSocketSession> {
 public:
    WebSocketSession(Core& core, std::unique_ptr<Seat> seat, std::unique_ptr<Stream> stream, UpgradeRequest request,
                     std::unique_ptr<Channel> channel, std::string protocol)
        : Connection(core),
          seat_(std::move(seat)),
          stream_(std::move(stream)),
          request_(std::move(request)),
          channel_(std::move(channel)),
          protocol_(std::move(protocol)),
          timer_(core.io),
          again_(core.io),
          socket_(*stream_) {}
    ~WebSocketSession() override { close(); }

    void begin() {
        websocket::stream_base::timeout times{};
        times.handshake_timeout = core_.limits.handshake_time;
        times.idle_timeout = core_.limits.ping_time * 2;  // Beast pings at half of it
        times.keep_alive_pings = true;
        socket_.set_option(times);
        socket_.set_option(websocket::stream_base::decorator([this](websocket::response_type& response) {
            if (!protocol_.empty()) response.set(beast::http::field::sec_websocket_protocol, protocol_);
        }));
        socket_.auto_fragment(false);  // the messages are in memory as they are
        socket_.read_message_max(core_.limits.message_bytes);
        socket_.async_accept(request_, [self = shared_from_this()](error_code error) {
            if (self->closed_) return;
            if (error) return self->close();
            self->request_ = {};
            const bool started = self->guarded([&] {
                self->channel_->start([loop = self->core_.loop, session = self->weak_from_this()] {
                    loop->post([session] {
                        if (const auto woken = session.lock()) woken->go_on();
                    });
                });
            });
            if (started) self->go_on();
        });
    }

    void close() override {
        if (closed_) return;
        closed_ = true;
        stream_->close();
        timer_.cancel();
        again_.cancel();
        channel_.reset();
    }

 private:
    // False: it threw, and the connection is over.
    template <typename Call>
    bool guarded(Call&& call) {
        try {
            call();
            return true;
        } catch (const std::exception&) {
            close();
            return false;
        }
    }

    void go_on() {
        if (closed_) return;
        read();
        if (!closed_) write();
    }

    void read() {
        if (reading_ || closing_ || !channel_->ready()) return;
        reading_ = true;
        socket_.async_read(buffer_, [self = shared_from_this()](error_code error, size_t) {
            self->reading_ = false;
            if (self->closed_ || self->closing_) return;  // what a read sees of our own close is the close's business
            // Beast has answered a close, an oversized message or a violation by itself.
            if (error) return self->close();
            const auto bytes = self->buffer_.cdata();
            if (!self->guarded([&] {
                    self->channel_->receive({static_cast<const char*>(bytes.data()), bytes.size()}, self->socket_.got_text());
                }))
                return;
            self->buffer_.consume(self->buffer_.size());
            self->go_on();
        });
    }

    void write() {
        if (writing_ || closing_) return;
        Channel::Message message;
        if (!guarded([&] { message = channel_->next(); })) return;
        if (message.state == Channel::State::wait) return ask_again(message.again);
        if (message.state == Channel::State::close) return say_goodbye(message);
        writing_ = true;
        arm_write();
        socket_.text(message.text);
        socket_.async_write(asio::buffer(message.bytes), [self = shared_from_this()](error_code error, size_t) {
            self->writing_ = false;
            ++self->timer_number_;
            if (self->closed_) return;
            if (error) return self->close();
            self->go_on();
        });
    }

    void ask_again(std::chrono::milliseconds after) {
        const uint64_t number = ++again_number_;
        if (after.count() == 0) return;
        again_.expires_after(after);
        again_.async_wait([self = shared_from_this(), number](error_code error) {
            if (!error && number == self->again_number_) self->go_on();
        });
    }

    void arm_write() {
        const uint64_t number = ++timer_number_;
        timer_.expires_after(core_.limits.write_time);
        timer_.async_wait([self = shared_from_this(), number](error_code error) {
            if (error || number != self->timer_number_ || self->closed_) return;
            Counters::add(self->core_.counters.slow_readers);
            self->close();
        });
    }

    void say_goodbye(const Channel::Message& message) {
        closing_ = true;
        websocket::close_reason reason;
        reason.code = message.code;
        const std::string_view why = message.bytes.substr(0, 120);
        reason.reason.assign(why.data(), why.size());
        socket_.async_close(reason, [self = shared_from_this()](error_code) { self->close(); });
    }

    std::unique_ptr<Seat> seat_;
    std::unique_ptr<Stream> stream_;
    UpgradeRequest request_;
    std::unique_ptr<Channel> channel_;
    const std::string protocol_;
    asio::steady_timer timer_, again_;
    uint64_t timer_number_ = 0, again_number_ = 0;
    websocket::stream<Stream&, false> socket_;
    beast::flat_buffer buffer_;
    bool closed_ = false, closing_ = false, reading_ = false, writing_ = false;
};

}  // namespace

void begin_websocket(Core& core, std::unique_ptr<Seat> seat, std::unique_ptr<Stream> stream, UpgradeRequest request,
                     std::unique_ptr<Channel> channel, std::string protocol) {
    std::make_shared<WebSocketSession>(core, std::move(seat), std::move(stream), std::move(request), std::move(channel),
                                       std::move(protocol))
        ->begin();
}

}  // namespace cvf::http
