// /graphql: queries and mutations over GET and POST, subscriptions over a WebSocket (docs: schema/schema.graphql).
#include <fmt/format.h>

#include <algorithm>

#include "api/graphql_channel.h"
#include "api/graphql_source.h"
#include "api/routes.h"
#include "graphql/over_http.h"
#include "graphql/transport_ws.h"

namespace cvf::api {
namespace {

http::OutgoingResponse websocket(const Call& call) {
    const auto protocols = split_commas(call.header("Sec-WebSocket-Protocol"));
    if (std::ranges::find(protocols, graphql::transport_protocol) == protocols.end())
        return to_response(
            {.title = "Bad request", .detail = fmt::format("the WebSocket's protocol is {}", graphql::transport_protocol)});
    State& state = call.state;
    if (state.watchers.fetch_add(1) >= state.options->max_watchers) {
        --state.watchers;
        return too_many(fmt::format("{} watches are open, and no more are allowed", state.options->max_watchers));
    }
    std::shared_ptr<void> alive(nullptr, [&state](void*) { --state.watchers; });
    http::OutgoingResponse response;
    response.protocol = graphql::transport_protocol;
    response.channel = make_graphql_channel(state, call.who, call.role.value_or(controller::Role::viewer), std::move(alive));
    return response;
}

http::OutgoingResponse answer(const Call& call) {
    if (!call.header("Upgrade").empty()) return websocket(call);
    graphql::HttpRequest request{call.method == "HEAD" ? "GET" : std::string_view(call.method), call.header("Content-Type"),
                                 call.header("Accept"), call.body, call.target.query};
    GraphqlSource source(call.state, call.who, call.role.value_or(controller::Role::viewer));
    graphql::HttpResponse made = graphql::answer_http(graphql::fabric_schema(), request, source, {});
    http::OutgoingResponse response;
    response.status = made.status;
    response.content_type = std::move(made.content_type);
    response.body = std::move(made.body);
    response.headers.push_back({"Cache-Control", "no-store"});
    response.headers.push_back({"Vary", "Accept"});
    if (!made.allow.empty()) response.headers.push_back({"Allow", std::move(made.allow)});
    return response;
}

constexpr Parameter parameters[] = {
    {"query", R"({"type": "string", "maxLength": 65536})", "{ history { records } }",
     "The document; without an upgrade it is needed."},
    {"operationName", R"({"type": "string"})", "", "Which of its operations."},
    {"variables", R"({"type": "string"})", "", "A JSON object."},
    {"extensions", R"({"type": "string"})", "", "A JSON object; nothing in it has a meaning yet."},
};
constexpr std::string_view request_schema =
    R"({"type": "object", "required": ["query"], "properties": {"query": {"type": "string"}, "operationName": {"type": ["string", "null"]}, "variables": {"type": ["object", "null"]}, "extensions": {"type": ["object", "null"]}}})";
constexpr std::string_view answer_schema =
    R"({"type": "object", "properties": {"data": {"type": ["object", "null"]}, "errors": {"type": "array", "items": {"type": "object", "required": ["message"]}}}})";
constexpr Content request[] = {{"application/json", request_schema, ""}};
constexpr Content content[] = {{"application/graphql-response+json", answer_schema, ""}, {"application/json", answer_schema, ""}};
constexpr Answer answers[] = {{200, "The answer, or what is wrong with the request.", content, "Vary"}};
constexpr unsigned problems[] = {400, 503};

}  // namespace

std::span<const Route> graphql_routes() {
    static constexpr Route table[] = {
        {"GET",
         "/graphql",
         controller::Role::viewer,
         true,
         answer,
         "graphqlQuery",
         "graphql",
         "A GraphQL query, or a WebSocket",
         "As GraphQL over HTTP says. With an upgrade to the protocol graphql-transport-ws: subscriptions and the rest.",
         parameters,
         "Accept",
         {},
         answers,
         problems},
        {"POST",
         "/graphql",
         controller::Role::viewer,
         true,
         answer,
         "graphql",
         "graphql",
         "A GraphQL query or mutation",
         "schema/schema.graphql says what can be asked. Mutations need the role operator.",
         {},
         "Accept",
         request,
         answers,
         problems},
    };
    return table;
}

}  // namespace cvf::api
