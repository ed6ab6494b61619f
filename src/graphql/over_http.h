// GraphQL over HTTP: a request to a response, as plain values.
//
// GET with ?query=…&operationName=…&variables=…&extensions=… (queries only), POST with a JSON body. Answers are
// application/graphql-response+json if the client takes that (400 when the request can't be executed), else application/json
// (200, but for requests that are none). Thread rule: as the Source. Source: GraphQL over HTTP, stage 2 draft.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "graphql/engine.h"

namespace cvf::graphql {

struct HttpRequest {
    std::string_view method;
    std::string_view content_type, accept;  // headers; empty: absent
    std::string_view body;
    std::vector<std::pair<std::string, std::string>> parameters;  // of the query string, decoded
};

struct HttpResponse {
    unsigned status = 200;
    std::string content_type;
    std::string body;
    std::string allow;  // of 405; else empty
};

HttpResponse answer_http(const Schema& schema, const HttpRequest& request, Source& source, const Limits& limits);

// The document of a request that is sent as such asks for text/html, and not for an answer: a browser.
bool wants_page(const HttpRequest& request);

}  // namespace cvf::graphql
