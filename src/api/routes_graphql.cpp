// /graphql: queries and mutations over GET and POST, subscriptions over a WebSocket (docs: schema/schema.graphql).
#include <fmt/format.h>

#include <algorithm>

#include "api/graphql_channel.h"
#include "api/graphql_source.h"
#include "api/routes.h"
#include "api/watchers.h"
#include "graphql/over_http.h"
#include "graphql/transport_ws.h"
#include "http/header.h"

namespace cvf::api {
namespace {

http::OutgoingResponse websocket(const Call& call) {
    const auto protocols = http::list_items(call.header("Sec-WebSocket-Protocol"));
    if (std::ranges::find(protocols, graphql::transport_protocol) == protocols.end())
        return to_response(
            {.title = "Bad request", .detail = fmt::format("the WebSocket's protocol is {}", graphql::transport_protocol)});
    // Who has not said yet who it is takes no seat from those who have.
    std::shared_ptr<void> seat;
    if (call.role && !(seat = take_watcher(call.state))) return to_response(no_watcher(call.state));
    http::OutgoingResponse response;
    response.protocol = graphql::transport_protocol;
    response.channel = make_graphql_channel(call.state, {std::string(call.header("Authorization")), call.client_name, call.peer},
                                            std::move(seat));
    return response;
}

http::OutgoingResponse made(const Call& call) {
    const graphql::HttpRequest request{call.method == "HEAD" ? "GET" : std::string_view(call.method), call.header("Content-Type"),
                                       call.header("Accept"), call.body, call.target.query};
    GraphqlSource source(call.state, call.who, call.role.value_or(controller::Role::viewer));
    graphql::HttpResponse answer = graphql::answer_http(graphql::fabric_schema(), request, source, {});
    http::OutgoingResponse response;
    response.status = answer.status;
    response.content_type = std::move(answer.content_type);
    response.body = std::move(answer.body);
    response.headers.push_back({"Cache-Control", "no-store"});
    response.headers.push_back({"Vary", "Accept"});
    if (!answer.allow.empty()) response.headers.push_back({"Allow", std::move(answer.allow)});
    return response;
}

http::OutgoingResponse answer(const Call& call) {
    // Not any Upgrade: clients of HTTP/2 offer h2c with everything they ask.
    if (call.upgrade && call.method == "GET") return websocket(call);
    http::OutgoingResponse response;
    response.later = [call](const http::Reply& reply) {
        const bool taken = call.state.graphql->submit([call, reply] {
            http::OutgoingResponse out;
            try {
                out = made(call);
            } catch (const std::exception&) {
                out = to_response({.status = 500, .title = "Internal error"});
            }
            reply(std::move(out));
        });
        if (!taken) reply(too_many("as many requests as may wait are waiting; try again"));
    };
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
         false,
         answer,
         "graphqlQuery",
         "graphql",
         "A GraphQL query, or a WebSocket",
         "As GraphQL over HTTP says. With an upgrade to the protocol graphql-transport-ws: subscriptions and the rest; who can't "
         "send a token with that sends `authorization` in its `connection_init`. A browser that asks for text/html and no query "
         "is "
         "shown GraphiQL, if this was built with it.",
         parameters,
         "Accept",
         {},
         answers,
         problems,
         true,
         "graphiql.html"},
        {"POST",
         "/graphql",
         controller::Role::viewer,
         false,
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
