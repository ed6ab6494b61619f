// The families of routes, each a file of its own: routes_<family>.cpp. Private to this room.
#pragma once

#include <span>

#include "api/route.h"

namespace cvf::api {

std::span<const Route> service_routes();
std::span<const Route> directive_routes();
std::span<const Route> node_routes();
std::span<const Route> record_routes();
std::span<const Route> query_routes();
std::span<const Route> audit_routes();
std::span<const Route> graphql_routes();
std::span<const Route> page_routes();

// Changing directives; routes_change.cpp.
http::OutgoingResponse apply_one(const Call& call);      // PUT
http::OutgoingResponse apply_several(const Call& call);  // POST
http::OutgoingResponse remove_one(const Call& call);     // DELETE

// Parameters that several have.
inline constexpr Parameter limit_parameter{"limit", R"({"type": "integer", "minimum": 1, "maximum": 1000, "default": 500})",
                                           "100", "Items in one answer, at most."};
inline constexpr Parameter continue_parameter{"continue", R"({"type": "string"})", "",
                                              "`metadata.continue` of the last answer: go on behind it."};
inline constexpr Parameter watch_parameter{
    "watch", R"({"type": "boolean", "default": false})", "",
    "Server-sent events instead: `added` for all that is there, `synced`, then `added`, `modified` and `deleted` as it changes."};

}  // namespace cvf::api
