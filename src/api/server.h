// The agent's HTTP API.
//
//   GET /api/v1/                 what there is (JSON)
//   GET /api/v1/records          live records as server-sent events; query: filter=EXPR, types=A,B, fields=A,B; bearer token
//   GET /healthz, /readyz        is the process alive; does it see traffic (503 and why not)
//   GET /metrics                 counters for Prometheus
//
// Errors are application/problem+json (RFC 9457); a bad filter has the column in `column`. In the stream each `data:` line is one
// record; `event: lost` with {"lost":N} stands where N records were left out because the client reads too slowly; a comment line
// comes each 10 s of silence. There is no `id:` line, for a stream cannot be taken up again where it broke off; the record has
// record.id.
//
// Thread rule: start() and the destructor on one thread; the callbacks run on the API's own. The Hub must outlive the server.
#pragma once

#include <cstddef>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/metrics.h"
#include "http/server.h"
#include "sink/subscription.h"

namespace cvf::api {

inline constexpr std::string_view default_listen = "127.0.0.1:7380";

struct ServerOptions {
    std::string listen{default_listen};
    std::string token_file;  // made at the start, removed at the end; empty: /run/cvf/token
    std::string version;     // of the program, for the index
    sink::Hub* hub = nullptr;
    std::function<std::vector<Metric>()> metrics;               // a snapshot; may be empty
    std::function<std::optional<std::string>()> why_not_ready;  // nothing: ready; may be empty
    size_t max_subscribers = 16;
    size_t subscriber_queue_bytes = 4 * 1024 * 1024;
    http::ServerLimits limits;
};

class Server {
 public:
    // The error is one line that names the address or the token file.
    static std::expected<std::unique_ptr<Server>, std::string> start(ServerOptions options);
    virtual ~Server() = default;

    virtual std::string address() const = 0;  // "http://127.0.0.1:7380"
    virtual uint16_t port() const = 0;
    virtual const std::string& token() const = 0;
};

}  // namespace cvf::api
