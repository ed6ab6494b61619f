// What all calls of the client have in common: the token, the wire, and errors told to people. Private to this room.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "api/client.h"
#include "http/client.h"

namespace cvf::api {

// A 2xx answer, or why there is none.
std::expected<http::Response, ClientError> ask(const ClientOptions& options, http::Request request);

// Server-sent events of a GET, until the function returns false, which is success. A stream that ends by itself is an error
// unless `may_end`.
using OnEvent = std::function<bool(std::string_view name, std::string_view data)>;
struct OnStream {
    std::function<void()> connected = {};  // the answer has begun; may be empty
    std::function<void()> heard = {};      // after each piece, if only a sign of life; may be empty
};
std::expected<void, ClientError> follow(const ClientOptions& options, std::string target, const OnEvent& event,
                                        const OnStream& on, bool may_end);

// Appends "?name=value", with & where there are parameters already; nothing for an empty value.
void add_parameter(std::string& target, std::string_view name, std::string_view value);

}  // namespace cvf::api
