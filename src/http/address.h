// Where an HTTP peer stands: parsing of "http[s]://HOST[:PORT]", "unix:/path", "/path" and "HOST:PORT". Private to this room.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace cvf::http {

struct Place {
    std::string unix_path;  // not empty: a unix socket
    std::string host;       // without brackets
    uint16_t port = 80;
    bool tls = false;
    std::string authority() const;  // for the Host header: "localhost" for a unix socket
};

// Client side; the error is a sentence.
std::expected<Place, std::string> parse_place(std::string_view where);

// "ADDR:PORT" or "[ADDR]:PORT"; a port of 0 is allowed.
std::expected<Place, std::string> parse_host_port(std::string_view text);

}  // namespace cvf::http
