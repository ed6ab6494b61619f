#include "http/server.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstring>
#include <optional>
#include <thread>

#include "http/address.h"
#include "http/core.h"
#include "http/session.h"
#include "http/tls.h"

namespace asio = boost::asio;
using boost::system::error_code;
using StreamProtocol = asio::generic::stream_protocol;

namespace cvf::http {

namespace {

// Without the port, for limits and for people.
std::string peer_of(int fd) {
    sockaddr_storage at{};
    socklen_t size = sizeof at;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&at), &size) != 0) return {};
    if (at.ss_family == AF_UNIX) {
        ucred who{};
        socklen_t who_size = sizeof who;
        if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &who_size) != 0) return "unix:";
        return fmt::format("unix:{}", who.uid);
    }
    if (at.ss_family == AF_INET) {
        const auto* v4 = reinterpret_cast<const sockaddr_in*>(&at);
        return asio::ip::address_v4(ntohl(v4->sin_addr.s_addr)).to_string();
    }
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&at);
    asio::ip::address_v6::bytes_type bytes;
    std::memcpy(bytes.data(), &v6->sin6_addr, bytes.size());
    const asio::ip::address_v6 address(bytes, v6->sin6_scope_id);
    if (address.is_v4_mapped()) return asio::ip::make_address_v4(asio::ip::v4_mapped, address).to_string();
    return address.to_string();
}

class ListeningServer final : public Server {
 public:
    ListeningServer(Handler handler, const ServerLimits& limits, std::optional<ServerTls> tls, HeadCheck check)
        : core_(limits), acceptor_(core_.io), retry_(core_.io), look_(core_.io), tls_(std::move(tls)) {
        core_.handler = std::move(handler);
        core_.check = std::move(check);
    }
    ~ListeningServer() override {
        if (thread_.joinable()) {
            core_.io.stop();
            thread_.join();
        }
        core_.workers.stop();
        core_.loop->end();
        // Nobody runs the loop now, so its state may be touched from here.
        stopping_ = true;
        error_code ignored;
        acceptor_.close(ignored);
        retry_.cancel();
        look_.cancel();
        // Closing one may end it, and with it its place in the set.
        while (!core_.connections.empty()) {
            for (Connection* one : std::vector<Connection*>(core_.connections.begin(), core_.connections.end()))
                if (core_.connections.contains(one)) one->close();
            core_.io.restart();
            core_.io.poll();
        }
        if (!unix_path_.empty()) ::unlink(unix_path_.c_str());
    }

    std::optional<std::string> open(std::string_view listen) {
        StreamProtocol::endpoint end;
        if (tls_) {
            auto context = server_context(*tls_);
            if (!context) return std::move(context.error());
            context_ = std::move(*context);
            mark_ = files_mark(*tls_);
        }
        if (listen.starts_with("unix:") || listen.starts_with('/')) {
            const auto place = parse_place(listen);
            if (!place) return place.error();
            if (auto error = clear_stale(place->unix_path)) return error;
            if (tls_) return fmt::format("{}: a unix socket takes no TLS", listen);
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
            address_ = fmt::format("http{}://{}{}{}:{}", tls_ ? "s" : "", v6 ? "[" : "", bound.address().to_string(),
                                   v6 ? "]" : "", port_);
        } else {
            unix_path_ = address_.substr(5);
        }
        accept();
        if (tls_) look_again();
        thread_ = quiet_thread("cvf-http", [this] { core_.io.run(); });
        return std::nullopt;
    }

    uint16_t port() const override { return port_; }
    std::string address() const override { return address_; }
    ServerStats stats() const override {
        const auto of = [](const std::atomic<uint64_t>& counter) { return counter.load(std::memory_order_relaxed); };
        const Counters& c = core_.counters;
        return {of(c.requests),     of(c.connections),       of(c.refused), of(c.over_limit),
                of(c.slow_readers), of(c.handshakes_failed), of(c.reloads), of(c.reloads_failed)};
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
            take(std::move(socket));
            accept();
        });
    }

    void take(StreamProtocol::socket socket) {
        std::string peer = peer_of(socket.native_handle());
        const auto at = core_.peers.find(peer);
        const size_t most = unix_path_.empty() ? core_.limits.connections_per_peer : core_.limits.connections;
        if (peer.empty() || core_.counters.connections.load(std::memory_order_relaxed) >= core_.limits.connections ||
            (at != core_.peers.end() && at->second >= most))
            return Counters::add(core_.counters.refused);
        const int on = 1;
        ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        begin_session(core_, std::move(socket), std::move(peer), context_);
    }

    // Certificates are renewed under a running server.
    void look_again() {
        look_.expires_after(tls_->look_again);
        look_.async_wait([this](error_code cancelled) {
            if (cancelled || stopping_) return;
            if (const uint64_t mark = files_mark(*tls_); mark != mark_) {
                mark_ = mark;
                if (auto context = server_context(*tls_)) {
                    context_ = std::move(*context);
                    Counters::add(core_.counters.reloads);
                } else {
                    Counters::add(core_.counters.reloads_failed);
                    if (tls_->complain) tls_->complain(context.error());
                }
            }
            look_again();
        });
    }

    Core core_;
    asio::basic_socket_acceptor<StreamProtocol> acceptor_;
    asio::steady_timer retry_, look_;
    const std::optional<ServerTls> tls_;
    Stream::Context context_;
    uint64_t mark_ = 0;
    std::thread thread_;
    std::string address_, unix_path_;
    uint16_t port_ = 0;
    bool stopping_ = false;
};

}  // namespace

std::expected<std::unique_ptr<Server>, std::string> Server::start(std::string_view listen, Handler handler, ServerLimits limits,
                                                                  std::optional<ServerTls> tls, HeadCheck check) {
    auto server = std::make_unique<ListeningServer>(std::move(handler), limits, std::move(tls), std::move(check));
    if (auto error = server->open(listen)) return std::unexpected(std::move(*error));
    return server;
}

}  // namespace cvf::http
