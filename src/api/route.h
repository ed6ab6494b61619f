// The one table of routes: what is routed by it, checked by it and described by it (openapi.h).
//
// Thread rule: constant. A route that waits runs on a worker of the HTTP server, others on its loop and must not block.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/call.h"
#include "controller/roles.h"

namespace cvf::api {

// A query parameter.
struct Parameter {
    std::string_view name;
    std::string_view schema;   // JSON Schema
    std::string_view example;  // of a value, as text; empty: none
    std::string_view doc;
    bool list = false;  // items with commas between them
};

// A body, by media type.
struct Content {
    std::string_view media;
    std::string_view schema;   // JSON Schema; {"$ref": …} as a rule
    std::string_view example;  // name of an example in openapi_examples(); empty: none
};

struct Answer {
    unsigned status;
    std::string_view doc;
    std::span<const Content> content;
    std::string_view headers;  // names with blanks between them, of those in openapi.cpp
};

struct Route {
    std::string_view method;
    std::string_view path;                 // "{…}" stands for one segment
    std::optional<controller::Role> role;  // at least; nothing: anybody
    bool waits = false;                    // runs on a worker
    http::OutgoingResponse (*handle)(const Call&) = nullptr;
    std::string_view id, tag, summary;
    std::string_view doc;
    std::span<const Parameter> parameters;
    std::string_view request_headers;         // names with blanks between them
    std::span<const Content> request;         // empty: no body
    std::span<const Answer> answers;          // good ones
    std::span<const unsigned> problems = {};  // statuses of bad ones besides those that every route has
    bool upgrades = false;                    // to a WebSocket, over which the client may say who it is
    std::string_view page = {};               // the file that browsers are shown who ask for this path as a page
};

std::span<const Route> routes();

struct Found {
    const Route* route = nullptr;           // null: no such path, or none with this method
    std::vector<std::string> names;         // of the path's {…}
    std::vector<std::string_view> methods;  // of the path; empty: there is no such path
};
Found find_route(std::string_view method, std::string_view path);

}  // namespace cvf::api
