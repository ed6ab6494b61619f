// Request targets and URLs: taken apart, and freed of what must not be recorded.
//
// RFC 9112 section 3.2 (forms of the request target), RFC 3986. User names and passwords before the host are dropped. In queries
// the values of keys known to carry secrets read REDACTED, as OpenTelemetry asks for url.query, and so do session ids in path
// parameters. Everything returned points into the argument, or into `arena` where the text had to change.
#pragma once

#include <cstdint>
#include <string_view>

#include "record/record.h"

namespace cvf::protocol::http1 {

struct Authority {
    std::string_view host;  // without port, user and the brackets of IPv6
    uint16_t port = 0;      // 0: not written, or not a port
};

// "user:password@host:port".
Authority split_authority(std::string_view text);

struct Target {
    std::string_view scheme;  // "http", "https" … of an absolute target; empty otherwise
    Authority authority;      // of an absolute target, or of CONNECT
    std::string_view path;    // never empty except for CONNECT
    std::string_view query;   // without '?'
};

Target split_target(std::string_view target, bool connect);

std::string_view redact_query(std::string_view query, record::Arena& arena);
std::string_view redact_path(std::string_view path, record::Arena& arena);
// A whole URL, absolute or relative, as in Referer and Location.
std::string_view redact_url(std::string_view url, record::Arena& arena);

}  // namespace cvf::protocol::http1
