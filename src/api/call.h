// One request on its way through the API, with who asks; and what routes make answers of.
//
// Thread rule: a Call belongs to one thread at a time; State's members say theirs.
#pragma once

#include <atomic>
#include <boost/json/value.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/problem.h"
#include "api/server.h"
#include "controller/roles.h"
#include "http/server.h"

namespace cvf::api {

class Streams;
class Queries;

// What all calls share; lives as long as the server.
struct State {
    const ServerOptions* options = nullptr;
    std::string instance;  // of this server, for ETags of versions that only it counts
    Streams* streams = nullptr;
    Queries* queries = nullptr;
    std::atomic<const http::Server*> server{nullptr};
    // Refusals by status and reason. Any thread.
    std::mutex mutex;
    std::map<std::pair<unsigned, std::string>, uint64_t> refusals;
    std::atomic<uint64_t> watchers{0};

    const Services& services() const { return options->services; }
    void refused(unsigned status, std::string reason) {
        const std::lock_guard lock(mutex);
        ++refusals[{status, std::move(reason)}];
    }
};

struct Call {
    State& state;
    std::string method;
    http::Target target;
    std::vector<http::Header> headers;
    std::string body;
    std::vector<std::string> names;             // what stands for the {…} of the route's path
    controller::Who who = {};                   // of public routes empty
    std::optional<controller::Role> role = {};  // likewise

    std::string_view header(std::string_view name) const;
    std::optional<std::string_view> parameter(std::string_view name) const { return target.parameter(name); }
    // Does Accept name this media type, and not with q=0?
    bool accepts(std::string_view media) const;
    const Services& services() const { return state.services(); }
};

http::OutgoingResponse json_response(const boost::json::value& value);

// Problems that several routes have.
http::OutgoingResponse not_here(std::string_view what);  // 501
http::OutgoingResponse bad_parameter(std::string_view name, std::string detail, size_t column = 0);
http::OutgoingResponse too_many(std::string detail);  // 503

// "a, b,,c": the items without blanks around them, empty ones left out.
std::vector<std::string> split_commas(std::string_view text);
// "true", "1" and a parameter without value are true; "false", "0" are not. Nothing: it is neither.
std::optional<bool> flag_of(std::string_view text);

}  // namespace cvf::api
