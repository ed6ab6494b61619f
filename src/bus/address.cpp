#include "bus/address.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <span>

#include "bus/bus.h"

namespace cvf::bus {

namespace {

struct Scheme {
    std::string_view name;  // with what follows it
    Transport transport;
    bool tls;
    unsigned port;
};

constexpr std::array<Scheme, 5> schemes{{
    {"nats://", Transport::nats, false, 4222},
    {"tls://", Transport::nats, true, 4222},
    {"kafka://", Transport::kafka, false, 9092},
    {"kafka+tls://", Transport::kafka, true, 9093},
    {"local:", Transport::local, false, 0},
}};

constexpr std::array<std::string_view, 5> scheme_names{"nats://", "tls://", "kafka://", "kafka+tls://", "local:"};

// What people write who know these by another name.
constexpr std::array<std::pair<std::string_view, std::string_view>, 9> other_names{{
    {"nats+tls", "tls://"},
    {"nats+ssl", "tls://"},
    {"natss", "tls://"},
    {"ssl", "tls://"},
    {"kafkas", "kafka+tls://"},
    {"kafka+ssl", "kafka+tls://"},
    {"kafka+sasl", "kafka://"},
    {"memory", "local:"},
    {"inproc", "local:"},
}};

std::string suggestion(std::string_view scheme) {
    for (const auto& [other, ours] : other_names) {
        if (scheme == other) return fmt::format("; did you mean {}", ours);
    }
    // One slip of the finger: the same letters but for one that differs, is missing or is too many, or two swapped.
    for (const Scheme& s : schemes) {
        const std::string_view name = s.name.substr(0, s.name.find(':'));
        const size_t head =
            static_cast<size_t>(std::mismatch(name.begin(), name.end(), scheme.begin(), scheme.end()).first - name.begin());
        std::string_view a = name.substr(head), b = scheme.substr(head);
        while (!a.empty() && !b.empty() && a.back() == b.back()) a.remove_suffix(1), b.remove_suffix(1);
        const bool swapped = a.size() == 2 && b.size() == 2 && a[0] == b[1] && a[1] == b[0];
        if (swapped || (a.size() <= 1 && b.size() <= 1)) return fmt::format("; did you mean {}", s.name);
    }
    return {};
}

// Letters and what may join them: a text with a login in it is none, and is never repeated.
bool looks_like_scheme(std::string_view text) {
    return !text.empty() && text.size() <= 16 && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' || c == '-' || c == '_';
    });
}

int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

std::optional<std::string> decode(std::string_view text) {
    std::string out;
    for (size_t i = 0; i < text.size(); i++) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        const int high = i + 2 < text.size() ? hex(text[i + 1]) : -1, low = i + 2 < text.size() ? hex(text[i + 2]) : -1;
        if (high < 0 || low < 0) return std::nullopt;
        out += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return out;
}

using Server = std::expected<std::string, std::string>;

// host, host:port, [v6], [v6]:port; nothing after it but a slash.
Server parse_server(std::string_view text, unsigned default_port) {
    if (text.ends_with('/')) text.remove_suffix(1);
    std::string_view host = text, port;
    if (text.starts_with('[')) {
        const size_t end = text.find(']');
        if (end == text.npos) return std::unexpected(fmt::format("\"{}\" lacks the ]", text));
        host = text.substr(0, end + 1);
        port = text.substr(end + 1);
        if (!port.empty() && port[0] != ':') return std::unexpected(fmt::format("\"{}\" has something after the ]", text));
    } else {
        const size_t colon = text.find(':');
        if (colon != text.npos && text.find(':', colon + 1) != text.npos) {
            return std::unexpected(fmt::format("write the IPv6 address \"{}\" in brackets", text));
        }
        host = text.substr(0, colon);
        port = colon == text.npos ? std::string_view{} : text.substr(colon);
    }
    if (host.empty() || host == "[]") return std::unexpected("a server's name is missing");
    const auto odd = std::find_if(host.begin(), host.end(), [](char c) {
        return static_cast<unsigned char>(c) <= ' ' || c == 0x7f ||
               std::string_view("/?#@\\\"<>").find(c) != std::string_view::npos;
    });
    if (odd != host.end()) return std::unexpected("a server is written host:port, with nothing after it");
    if (port.empty()) return fmt::format("{}:{}", host, default_port);
    unsigned number = 0;
    const auto [end, error] = std::from_chars(port.data() + 1, port.data() + port.size(), number);
    if (error != std::errc{} || end != port.data() + port.size() || number == 0 || number > 65535) {
        return std::unexpected(fmt::format("\"{}\" is no port (1 to 65535)", port.substr(1)));
    }
    return fmt::format("{}:{}", host, number);
}

std::expected<void, std::string> parse_login(std::string_view text, Address& address) {
    const size_t colon = text.find(':');
    const auto user = decode(text.substr(0, colon));
    const auto password = decode(colon == text.npos ? std::string_view{} : text.substr(colon + 1));
    if (!user || !password) return std::unexpected("what stands before @ has a % without two hex digits");
    if (colon != text.npos) {
        address.user = *user;
        address.password = *password;
    } else if (address.transport == Transport::nats) {
        address.token = *user;
    } else {
        return std::unexpected("Kafka has no tokens: write user:password@");
    }
    return {};
}

}  // namespace

std::span<const std::string_view> url_schemes() {
    return scheme_names;
}

std::expected<Address, std::string> parse_address(std::string_view url) {
    const auto wrong = [](std::string_view why) { return std::unexpected(fmt::format("bus URL: {}", why)); };
    const auto known = [&](std::string_view text) {
        return std::find_if(schemes.begin(), schemes.end(), [&](const Scheme& s) { return text.starts_with(s.name); });
    };
    const auto scheme = known(url);
    if (scheme == schemes.end()) {
        const size_t end = url.find("://");
        if (end == url.npos || !looks_like_scheme(url.substr(0, end)))
            return wrong(fmt::format("begins with none of {}", fmt::join(scheme_names, ", ")));
        const std::string_view name = url.substr(0, end);
        return wrong(fmt::format("\"{}://\" is none of {}{}", name, fmt::join(scheme_names, ", "), suggestion(name)));
    }

    Address address;
    address.transport = scheme->transport;
    address.tls = scheme->tls;
    std::string_view rest = url.substr(scheme->name.size());
    if (address.transport == Transport::local) {
        if (rest.starts_with("//")) rest.remove_prefix(2);
        address.name = rest;
        return address;
    }
    while (true) {
        const size_t comma = std::min(rest.find(','), rest.size());
        std::string_view one = rest.substr(0, comma);
        if (const size_t end = one.find("://"); end != one.npos && looks_like_scheme(one.substr(0, end))) {
            if (known(one) != scheme) return wrong("all servers of one bus have the same scheme");
            one.remove_prefix(scheme->name.size());
        }
        if (const size_t at = one.rfind('@'); at != one.npos) {
            if (auto login = parse_login(one.substr(0, at), address); !login) return wrong(login.error());
            one.remove_prefix(at + 1);
        }
        auto server = parse_server(one, scheme->port);
        if (!server) return wrong(server.error());
        address.servers.push_back(std::move(*server));
        if (comma == rest.size()) break;
        rest.remove_prefix(comma + 1);
    }
    return address;
}

}  // namespace cvf::bus
