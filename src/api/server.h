// The HTTP API of an agent or a controller: REST under /api/v1, health and metrics. docs/api.md is its manual,
// schema/openapi.json its description; both and the routing come from one table (route.h).
//
// Errors are application/problem+json (RFC 9457). Roles: controller/roles.h; a wrong token is 401, too small a role 403, without
// detail. Each refusal is counted in cvf_api_refused_total.
//
// Thread rule: start() and the destructor on one thread; the callbacks run on the API's own. Services must outlive the server.
#pragma once

#include <cstddef>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/metrics.h"
#include "api/services.h"
#include "http/server.h"

namespace cvf::api {

inline constexpr std::string_view default_listen = "127.0.0.1:7380";

struct ServerOptions {
    std::string listen{default_listen};  // ADDR:PORT or unix:/path
    std::optional<http::ServerTls> tls;  // speak HTTPS
    std::string token_file;              // the local token: made at the start, removed at the end; empty: /run/cvf/token
    std::string roles_file;              // further tokens and client certificates with their roles; empty: none
    std::string version;                 // of the program, for the index
    Services services;
    std::function<std::vector<Metric>()> metrics;               // a snapshot; may be empty
    std::function<std::optional<std::string>()> why_not_ready;  // nothing: ready; may be empty
    std::function<void(const std::string&)> complain;           // about files that changed and can't be used; may be empty
    size_t max_subscribers = 16;                                // streams of live records
    size_t subscriber_queue_bytes = 4 * 1024 * 1024;
    size_t max_watchers = 32;  // watches of directives and nodes
    size_t max_queries = 4;    // of the history, at once
    std::chrono::seconds query_time{300};
    http::ServerLimits limits;
};

class Server {
 public:
    // The error is one line that names the address or the file.
    static std::expected<std::unique_ptr<Server>, std::string> start(ServerOptions options);
    virtual ~Server() = default;

    virtual std::string address() const = 0;  // "http://127.0.0.1:7380"
    virtual uint16_t port() const = 0;
    virtual const std::string& token() const = 0;
};

}  // namespace cvf::api
