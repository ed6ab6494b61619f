#include "api/server.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <expected>

#include "api/authentication.h"
#include "api/call.h"
#include "api/change.h"
#include "api/live.h"
#include "api/looks.h"
#include "api/pages.h"
#include "api/queries.h"
#include "api/route.h"
#include "api/threads.h"
#include "api/token.h"
#include "graphql/over_http.h"
#include "http/header.h"
#include "record/nearest.h"

namespace cvf::api {
namespace {

using http::IncomingRequest;
using http::OutgoingResponse;

// A page of another site may make a browser send what it likes to us, and with it, by itself, the user's certificate. What it
// can't do is to forge Origin (RFC 6454). Without Origin it is no page.
bool foreign(const IncomingRequest& request, bool certificate) {
    std::string_view origin = request.header("Origin");
    if (origin.empty()) return false;
    if (origin.starts_with("https://"))
        origin.remove_prefix(8);
    else if (origin.starts_with("http://") && !certificate)
        origin.remove_prefix(7);
    else
        return true;
    return !http::same_word(origin, request.header("Host"));
}

class ApiServer final : public Server {
 public:
    ApiServer(ServerOptions options, std::string token, std::unique_ptr<controller::RolesFile> roles)
        : options_(std::move(options)),
          token_(std::move(token)),
          authentication_(token_, std::move(roles)),
          streams_(options_.max_subscribers),
          queries_(
              {options_.max_queries, options_.query_time, std::chrono::ceil<std::chrono::seconds>(options_.limits.write_time)}),
          graphql_(std::max<size_t>(options_.limits.workers, 2) - 1, options_.limits.waiting_work) {
        state_.options = &options_;
        state_.authentication = &authentication_;
        state_.streams = &streams_;
        state_.watches = &watches_;
        state_.queries = &queries_;
        state_.threads = &threads_;
        state_.graphql = &graphql_;
    }
    ~ApiServer() override {
        state_.stopping = true;
        state_.server = nullptr;
        http_.reset();
        if (!token_written_) return;
        // Another agent may have put its own token there since.
        if (const auto there = read_token_file(options_.token_file); there && *there == token_)
            ::unlink(options_.token_file.c_str());
    }

    std::optional<std::string> open() {
        auto instance = make_token();
        if (!instance) return instance.error();
        state_.instance = instance->substr(0, 12);
        auto server = http::Server::start(
            options_.listen, [this](const IncomingRequest& request) { return handle(request); }, options_.limits, options_.tls,
            [this](const IncomingRequest& head) { return refusal(head); });
        if (!server) return server.error();
        http_ = std::move(*server);
        state_.server = http_.get();
        // Only when the address is ours: where another agent has it, its clients need the file as it is.
        if (auto error = write_token_file(options_.token_file, token_)) return error;
        token_written_ = true;
        return std::nullopt;
    }

    std::string address() const override { return http_->address(); }
    uint16_t port() const override { return http_->port(); }
    const std::string& token() const override { return token_; }

 private:
    // Where a request goes, and who asks.
    struct Admitted {
        const Route* route = nullptr;
        std::vector<std::string> names;
        std::optional<controller::Identity> who;  // of a public route nobody; likewise of a WebSocket that will say it later
        bool page = false;                        // it is a browser's user who is to see the route's page
    };

    std::expected<Admitted, OutgoingResponse> admit(const IncomingRequest& request) {
        Found found = find_route(request.method, request.target.path);
        if (found.methods.empty())
            return std::unexpected(
                done(to_response({.status = 404,
                                  .title = "Not found",
                                  .detail = "there is no such path; GET /api/v1/openapi.json tells what there is"}),
                     "path"));
        if (!found.route) {
            std::string allow = fmt::format("{}", fmt::join(found.methods, ", "));
            if (std::ranges::find(found.methods, "GET") != found.methods.end()) allow += ", HEAD";
            auto response =
                to_response({.status = 405, .title = "Method not allowed", .detail = fmt::format("it takes {} only", allow)});
            response.headers.push_back({"Allow", allow});
            return std::unexpected(done(std::move(response), "method"));
        }
        Admitted out{found.route, std::move(found.names), {}};
        out.page = find_asset(out.route->page) &&
                   graphql::wants_page({request.method, {}, request.header("Accept"), {}, request.target.query}) &&
                   !request.upgrade;
        if (!out.route->role || out.page) return out;
        const std::string_view authorization = request.header("Authorization");
        out.who = authentication_.identify(authorization, request.client_name);
        const bool upgrade = request.upgrade && out.route->upgrades;
        const bool by_certificate = out.who && authorization.empty();
        if ((upgrade || by_certificate) && foreign(request, by_certificate)) {
            state_.refused(403, "origin");
            return std::unexpected(
                done(to_response({.status = 403, .title = "Forbidden", .detail = "a page of another site may not ask this"}),
                     "origin"));
        }
        if (!out.who && !(upgrade && authorization.empty())) return std::unexpected(unauthorized(request));
        if (out.who && out.who->role < *out.route->role) {
            const std::string_view method = out.route->method;
            note_refusal(state_, who_of(*out.who, request), *out.route->role,
                         method == "DELETE" ? "delete"
                         : method == "GET"  ? ""
                                            : "apply",
                         fmt::format("{}", fmt::join(out.names, "/")));
            return std::unexpected(done(to_response({.status = 403, .title = "Forbidden"}), "role"));
        }
        return out;
    }

    static controller::Who who_of(const controller::Identity& who, const IncomingRequest& request) {
        return {who.name, std::string(controller::name_of(who.role)), std::string(request.peer)};
    }

    std::optional<OutgoingResponse> refusal(const IncomingRequest& head) {
        auto admitted = admit(head);
        return admitted ? std::nullopt : std::optional(std::move(admitted.error()));
    }

    OutgoingResponse handle(const IncomingRequest& request) {
        auto admitted = admit(request);
        if (!admitted) return std::move(admitted.error());
        const Route& route = *admitted->route;
        Call call{.state = state_,
                  .method = std::string(request.method),
                  .target = request.target,
                  .headers = request.headers,
                  .body = std::string(request.body),
                  .names = std::move(admitted->names),
                  .client_name = std::string(request.client_name),
                  .peer = std::string(request.peer),
                  .upgrade = request.upgrade};
        if (admitted->who) {
            call.who = who_of(*admitted->who, request);
            call.role = admitted->who->role;
        }
        if (admitted->page) return done(asset_response(call, route.page), route.id);
        if (auto wrong = check_parameters(call, route)) return done(std::move(*wrong), "parameter");
        if (route.waits) {
            OutgoingResponse promise;
            promise.work = [this, &route, call = std::move(call)] { return done(route.handle(call), route.id); };
            return promise;
        }
        auto response = route.handle(call);
        if (!response.later) return done(std::move(response), route.id);
        OutgoingResponse promise;
        promise.later = [this, &route, later = std::move(response.later)](const http::Reply& reply) {
            later([this, &route, reply](OutgoingResponse answer) { reply(done(std::move(answer), route.id)); });
        };
        return promise;
    }

    OutgoingResponse unauthorized(const IncomingRequest& request) {
        const bool given = !request.header("authorization").empty();
        // Where the token stands is for who may be able to read it: someone on this machine.
        const bool here = request.peer.starts_with("127.") || request.peer == "::1" || request.peer.starts_with("unix:");
        auto response =
            to_response({.status = 401,
                         .title = "Unauthorized",
                         .detail = given  ? ""
                                   : here ? fmt::format("a bearer token is needed: it stands in {}", options_.token_file)
                                          : "a bearer token is needed"});
        response.headers.push_back({"WWW-Authenticate", "Bearer realm=\"cvf\""});
        return done(std::move(response), given ? "wrong token" : "no token");
    }

    static std::optional<OutgoingResponse> check_parameters(const Call& call, const Route& route) {
        std::vector<std::string_view> known;
        for (const Parameter& parameter : route.parameters) known.push_back(parameter.name);
        for (const auto& [name, value] : call.target.query) {
            if (std::ranges::find(known, name) != known.end()) continue;
            const auto near = record::nearest(name, known);
            return bad_parameter(name, known.empty() ? fmt::format("unknown parameter '{}': there are none here", name)
                                       : near.empty()
                                           ? fmt::format("unknown parameter '{}': {} there are", name, fmt::join(known, ", "))
                                           : fmt::format("unknown parameter '{}'; did you mean {}?", name, near));
        }
        return std::nullopt;
    }

    // What all answers have, and the count of those that are refusals; a 403 is counted by who decides it, for GraphQL has
    // others. Any thread.
    OutgoingResponse done(OutgoingResponse response, std::string_view reason) {
        if (response.status >= 400 && response.status != 403) state_.refused(response.status, std::string(reason));
        response.headers.push_back({"X-Content-Type-Options", "nosniff"});
        return response;
    }

    const ServerOptions options_;
    const std::string token_;
    const Authentication authentication_;
    State state_;
    Streams streams_;  // the API's thread
    Watches watches_;  // likewise
    Queries queries_;
    Threads threads_;
    http::Workers graphql_;
    std::unique_ptr<http::Server> http_;  // the first to go: all else is used by it
    bool token_written_ = false;
};

}  // namespace

std::expected<std::unique_ptr<Server>, std::string> Server::start(ServerOptions options) {
    if (options.token_file.empty()) options.token_file = default_token_file;
    auto token = make_token();
    if (!token) return std::unexpected(std::move(token.error()));
    std::unique_ptr<controller::RolesFile> roles;
    if (!options.roles_file.empty()) {
        auto opened = controller::RolesFile::open(options.roles_file, options.complain);
        if (!opened) return std::unexpected(std::move(opened.error()));
        roles = std::move(*opened);
    }
    if (options.tls && !options.tls->complain) options.tls->complain = options.complain;
    auto server = std::make_unique<ApiServer>(std::move(options), std::move(*token), std::move(roles));
    if (auto error = server->open()) return std::unexpected(std::move(*error));
    return server;
}

}  // namespace cvf::api
