// What the process says of itself: index, health, metrics, descriptions.
#include <fmt/format.h>

#include <boost/json.hpp>

#include "api/authentication.h"
#include "api/live.h"
#include "api/openapi.h"
#include "api/queries.h"
#include "api/routes.h"
#include "directive/schema.h"
#include "record/fields.h"
#include "record/schema.h"

namespace cvf::api {
namespace {

http::OutgoingResponse index(const Call& call) {
    boost::json::array types;
    for (size_t i = 0; i < record::type_count; ++i) types.emplace_back(record::info(static_cast<record::RecordType>(i)).name);
    return json_response({{"name", "cvf"},
                          {"version", call.state.options->version},
                          {"description", "/api/v1/openapi.json"},
                          {"records", "/api/v1/records{?filter,types,fields}"},
                          {"types", types},
                          {"health", "/healthz"},
                          {"ready", "/readyz"},
                          {"metrics", "/metrics"}});
}

http::OutgoingResponse health(const Call&) {
    http::OutgoingResponse response;
    response.body = "ok\n";
    return response;
}

http::OutgoingResponse ready(const Call& call) {
    const ServerOptions& options = *call.state.options;
    const auto why_not = options.why_not_ready ? options.why_not_ready() : std::nullopt;
    if (why_not) return to_response({.status = 503, .title = "Not ready", .detail = *why_not});
    if ((options.services.directives && !options.services.directives->ready()) ||
        (options.services.nodes && !options.services.nodes->ready()))
        return to_response({.status = 503, .title = "Not ready", .detail = "the bus has not told yet what is in force"});
    return health(call);
}

Metric refusals(State& state) {
    Metric metric{
        "cvf_api_refused_total", "HTTP requests answered with an error, by status and reason.", Metric::Type::counter, {}};
    const std::lock_guard lock(state.mutex);
    for (const auto& [what, count] : state.refusals)
        metric.samples.push_back({{{"status", fmt::format("{}", what.first)}, {"reason", what.second}}, count});
    return metric;
}

http::OutgoingResponse metrics(const Call& call) {
    State& state = call.state;
    std::vector<Metric> all;
    if (state.options->metrics) all = state.options->metrics();
    const http::Server* server = state.server.load();
    const auto stats = server ? server->stats() : http::ServerStats{};
    const auto counter = [&](const char* name, const char* help, uint64_t value) {
        all.push_back(Metric::counter(name, help, value));
    };
    const auto gauge = [&](const char* name, const char* help, uint64_t value) {
        all.push_back(Metric::gauge(name, help, value));
    };
    counter("cvf_api_requests_total", "HTTP requests answered.", stats.requests);
    gauge("cvf_api_connections", "HTTP connections open now.", stats.connections);
    counter("cvf_api_connections_refused_total", "HTTP connections closed at once: too many.", stats.refused);
    counter("cvf_api_over_limit_total", "HTTP requests that were too large or too slow, or came when too many were waiting.",
            stats.over_limit);
    counter("cvf_api_slow_readers_total", "HTTP connections cut, for the client did not read.", stats.slow_readers);
    counter("cvf_api_tls_handshakes_failed_total", "TLS handshakes that failed.", stats.handshakes_failed);
    counter("cvf_api_tls_reloads_total", "Certificates read anew.", stats.reloads);
    counter("cvf_api_tls_reloads_failed_total", "New certificates that could not be used.", stats.reloads_failed);
    gauge("cvf_api_subscribers", "Streams of live records open now.", state.streams->count());
    gauge("cvf_api_watchers", "Watches of directives and nodes, and WebSockets, open now.", state.watchers.load());
    gauge("cvf_api_queries", "Queries of the history under way.", state.queries->running());
    counter("cvf_api_queries_answered_total", "Queries answered.", state.queries->answered());
    counter("cvf_api_queries_failed_total", "Queries that failed, took too long, or whose client went.", state.queries->failed());
    counter("cvf_api_records_sent_total", "Records handed to streams.", state.streams->sent());
    counter("cvf_api_records_lost_total", "Records left out of streams whose client read too slowly.", state.streams->lost());
    counter("cvf_api_roles_reloads_failed_total", "Changes of the roles file that could not be used.",
            state.authentication->failed_reloads());
    if (state.services().audit)
        counter("cvf_audit_lost_total", "Entries of the audit trail that are on no bus.", state.services().audit->lost());
    all.push_back(refusals(state));
    http::OutgoingResponse response;
    response.content_type = metrics_content_type;
    response.body = write_metrics(all);
    return response;
}

http::OutgoingResponse schema(std::string text) {
    http::OutgoingResponse response;
    response.content_type = "application/schema+json";
    response.body = std::move(text);
    response.headers.push_back({"Cache-Control", "max-age=300"});
    return response;
}

http::OutgoingResponse description(const Call&) {
    static const std::string text = openapi();
    auto response = schema(text);
    response.content_type = "application/json";
    return response;
}

http::OutgoingResponse directive_schema(const Call&) {
    static const std::string text = directive::json_schema();
    return schema(text);
}

http::OutgoingResponse record_schema(const Call&) {
    static const std::string text = record::json_schema();
    return schema(text);
}

constexpr Content text[] = {{"text/plain", R"({"type": "string"})", ""}};
constexpr Content json_object[] = {{"application/json", R"({"type": "object"})", ""}};
constexpr Content schema_content[] = {{"application/schema+json", R"({"type": "object"})", ""}};
constexpr Answer index_answers[] = {{200, "Names, version, record types and where to go on.", json_object, ""}};
constexpr Answer openapi_answers[] = {{200, "This document.", json_object, ""}};
constexpr Answer schema_answers[] = {{200, "JSON Schema, draft 2020-12.", schema_content, ""}};
constexpr Answer health_answers[] = {{200, "It is alive.", text, ""}};
constexpr Answer ready_answers[] = {{200, "It does its work.", text, ""}};
constexpr Answer metrics_answers[] = {{200, "Prometheus text format 0.0.4.", text, ""}};
constexpr unsigned not_ready[] = {503};

}  // namespace

std::span<const Route> service_routes() {
    static constexpr Route table[] = {
        {"GET", "/api/v1", {}, false, index, "index", "service", "What there is", "", {}, "", {}, index_answers},
        {"GET",
         "/api/v1/openapi.json",
         {},
         false,
         description,
         "getDescription",
         "service",
         "The description of this API",
         "",
         {},
         "",
         {},
         openapi_answers},
        {"GET",
         "/api/v1/directive.schema.json",
         {},
         false,
         directive_schema,
         "getDirectiveSchema",
         "service",
         "The schema of directives",
         "",
         {},
         "",
         {},
         schema_answers},
        {"GET",
         "/api/v1/record.schema.json",
         {},
         false,
         record_schema,
         "getRecordSchema",
         "service",
         "The schema of records",
         "",
         {},
         "",
         {},
         schema_answers},
        {"GET", "/healthz", {}, false, health, "getHealth", "service", "Is the process alive", "", {}, "", {}, health_answers},
        {"GET",
         "/readyz",
         {},
         false,
         ready,
         "getReadiness",
         "service",
         "Does it do its work",
         "",
         {},
         "",
         {},
         ready_answers,
         not_ready},
        {"GET", "/metrics", {}, false, metrics, "getMetrics", "service", "Counters", "", {}, "", {}, metrics_answers},
    };
    return table;
}

}  // namespace cvf::api
