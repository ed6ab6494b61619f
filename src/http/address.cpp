#include "http/address.h"

#include <fmt/format.h>
#include <sys/un.h>

#include <charconv>

namespace cvf::http {
namespace {

std::expected<Place, std::string> unix_place(std::string_view path) {
    if (path.size() >= sizeof(sockaddr_un::sun_path))
        return std::unexpected(fmt::format("the socket path '{}' is too long", path));
    Place place;
    place.unix_path = path;
    return place;
}

std::expected<Place, std::string> host_port(std::string_view text, bool port_needed, uint16_t port_by_default) {
    Place place;
    place.port = port_by_default;
    std::string_view port;
    bool has_port = false;
    if (text.starts_with('[')) {
        const size_t close = text.find(']');
        if (close == std::string_view::npos) return std::unexpected(fmt::format("'{}' lacks a ']'", text));
        place.host = text.substr(1, close - 1);
        const std::string_view rest = text.substr(close + 1);
        if (!rest.empty() && rest[0] != ':') return std::unexpected(fmt::format("'{}' is not HOST:PORT", text));
        has_port = !rest.empty();
        if (has_port) port = rest.substr(1);
    } else {
        const size_t colon = text.find(':');
        if (colon != text.rfind(':'))
            return std::unexpected(fmt::format("the IPv6 address in '{}' must stand in brackets", text));
        place.host = text.substr(0, colon);
        has_port = colon != std::string_view::npos;
        if (has_port) port = text.substr(colon + 1);
    }
    if (place.host.empty()) return std::unexpected(fmt::format("'{}' names no host", text));
    for (char c : place.host)
        if (static_cast<unsigned char>(c) <= ' ' || c == '@' || c == 0x7f)
            return std::unexpected(fmt::format("'{}' is not a host name", place.host));
    if (!has_port && port_needed) return std::unexpected(fmt::format("'{}' has no port: ADDR:PORT is wanted", text));
    if (has_port) {
        const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), place.port);
        if (error != std::errc{} || end != port.data() + port.size())
            return std::unexpected(fmt::format("'{}' is not a port between 0 and 65535", port));
    }
    return place;
}

}  // namespace

std::string Place::authority() const {
    if (!unix_path.empty()) return "localhost";
    const bool v6 = host.find(':') != std::string::npos;
    return fmt::format("{}{}{}:{}", v6 ? "[" : "", host, v6 ? "]" : "", port);
}

std::expected<Place, std::string> parse_place(std::string_view where) {
    if (where.starts_with("unix:")) where.remove_prefix(5);
    if (where.starts_with('/')) return unix_place(where);
    constexpr std::string_view plain = "http://", secure = "https://";
    const bool tls = where.starts_with(secure);
    if (tls)
        where.remove_prefix(secure.size());
    else if (where.starts_with(plain))
        where.remove_prefix(plain.size());
    if (where.ends_with('/')) where.remove_suffix(1);
    if (where.find('/') != std::string_view::npos)
        return std::unexpected(fmt::format("'{}' has a path: http://HOST:PORT alone is wanted", where));
    auto place = host_port(where, false, tls ? 443 : 80);
    if (place) place->tls = tls;
    return place;
}

std::expected<Place, std::string> parse_host_port(std::string_view text) {
    return host_port(text, true, 80);
}

}  // namespace cvf::http
