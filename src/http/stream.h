// A connection's bytes, in the clear or through TLS: one type for both, so that what stands on it is compiled once. Private to
// this room.
//
// It is an AsyncReadStream and AsyncWriteStream of Asio's. Thread rule: the loop's thread.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace cvf::http {

class Stream {
 public:
    using Socket = boost::asio::generic::stream_protocol::socket;
    using executor_type = Socket::executor_type;
    using Context = std::shared_ptr<boost::asio::ssl::context>;

    explicit Stream(Socket socket) : socket_(std::move(socket)) {}
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    // From here on all bytes go through TLS; a handshake is to come first.
    void secure(Context context) {
        context_ = std::move(context);
        tls_.emplace(socket_, *context_);
    }
    bool secured() const { return tls_.has_value(); }
    SSL* ssl() { return tls_->native_handle(); }

    Socket& socket() { return socket_; }
    executor_type get_executor() { return socket_.get_executor(); }

    template <typename Handler>
    void async_handshake(boost::asio::ssl::stream_base::handshake_type type, Handler&& handler) {
        tls_->async_handshake(type, std::forward<Handler>(handler));
    }
    template <typename Handler>
    void async_shutdown(Handler&& handler) {
        tls_->async_shutdown(std::forward<Handler>(handler));
    }
    template <typename Buffers, typename Handler>
    void async_read_some(const Buffers& buffers, Handler&& handler) {
        if (tls_)
            tls_->async_read_some(buffers, std::forward<Handler>(handler));
        else
            socket_.async_read_some(buffers, std::forward<Handler>(handler));
    }
    template <typename Buffers, typename Handler>
    void async_write_some(const Buffers& buffers, Handler&& handler) {
        if (tls_)
            tls_->async_write_some(buffers, std::forward<Handler>(handler));
        else
            socket_.async_write_some(buffers, std::forward<Handler>(handler));
    }

    // Ends what is under way with an error. What was sent may be lost.
    void close() {
        boost::system::error_code ignored;
        socket_.close(ignored);
    }

 private:
    Socket socket_;
    Context context_;
    std::optional<boost::asio::ssl::stream<Socket&>> tls_;
};

}  // namespace cvf::http
