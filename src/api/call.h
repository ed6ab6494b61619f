// One request on its way through the API, with who asks; and what routes make answers of.
//
// Thread rule: a Call belongs to one thread at a time; State's members say theirs.
#pragma once

#include <atomic>
#include <boost/json/value.hpp>
#include <chrono>
#include <initializer_list>
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
#include "http/workers.h"

namespace cvf::api {

class Authentication;
class Queries;
class Streams;
class Threads;
class Watches;

// What all calls share; lives as long as the server.
struct State {
    const ServerOptions* options = nullptr;
    std::string instance;  // of this server, for ETags of versions that only it counts
    const Authentication* authentication = nullptr;
    Streams* streams = nullptr;  // the server's thread
    Watches* watches = nullptr;  // likewise
    Queries* queries = nullptr;
    Threads* threads = nullptr;         // of what WebSockets ask
    http::Workers* graphql = nullptr;   // what is asked of /graphql over HTTP: apart, for it may take long
    std::atomic<bool> stopping{false};  // what takes long is to end
    std::atomic<const http::Server*> server{nullptr};
    std::atomic<uint64_t> watchers{0};
    // Refusals by status and reason, and of those that are audited how many were since when. Any thread.
    std::mutex mutex;
    std::map<std::pair<unsigned, std::string>, uint64_t> refusals;
    uint64_t audited = 0;
    std::chrono::steady_clock::time_point audited_since{};

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
    std::optional<controller::Role> role = {};  // likewise; also of a WebSocket whose client is yet to say who it is
    std::string client_name = {};               // of the client's certificate
    std::string peer = {};                      // its address
    bool upgrade = false;                       // asks to become a WebSocket

    std::string_view header(std::string_view name) const { return http::find_header(headers, name); }
    std::optional<std::string_view> parameter(std::string_view name) const { return target.parameter(name); }
    // Which of these Accept likes best; the first of those it likes alike, and of all when it says nothing of any.
    std::string_view preferred(std::initializer_list<std::string_view> media) const;
    const Services& services() const { return state.services(); }
};

http::OutgoingResponse json_response(const boost::json::value& value);

// Responses of problem.h's.
http::OutgoingResponse not_here(std::string_view what);
http::OutgoingResponse bad_parameter(std::string_view name, std::string detail, size_t column = 0);
http::OutgoingResponse too_many(std::string detail);

// "a, b,,c": the items without blanks around them, empty ones left out.
std::vector<std::string> split_commas(std::string_view text);
// "true", "1" and a parameter without value are true; "false", "0" are not. Nothing: it is neither.
std::optional<bool> flag_of(std::string_view text);

}  // namespace cvf::api
