#include "api/server.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>

#include "api/authentication.h"
#include "api/call.h"
#include "api/queries.h"
#include "api/record_stream.h"
#include "api/route.h"
#include "api/token.h"
#include "record/nearest.h"

namespace cvf::api {
namespace {

using http::IncomingRequest;
using http::OutgoingResponse;

// Attempts that a role forbids go into the audit trail, but not so many that they wash out what is in it.
constexpr uint64_t audited_refusals = 10;
constexpr auto audited_in = std::chrono::minutes(1);

class ApiServer final : public Server {
 public:
    ApiServer(ServerOptions options, std::string token, std::unique_ptr<controller::RolesFile> roles)
        : options_(std::move(options)),
          token_(std::move(token)),
          authentication_(token_, std::move(roles)),
          queries_({options_.max_queries, options_.query_time}) {
        state_.options = &options_;
        state_.streams = &streams_;
        state_.queries = &queries_;
    }
    ~ApiServer() override {
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
            options_.listen, [this](const IncomingRequest& request) { return handle(request); }, options_.limits, options_.tls);
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
    OutgoingResponse handle(const IncomingRequest& request) {
        Found found = find_route(request.method, request.target.path);
        if (found.methods.empty())
            return done(to_response({.status = 404,
                                     .title = "Not found",
                                     .detail = "there is no such path; GET /api/v1/openapi.json tells what there is"}),
                        "path");
        if (!found.route) {
            std::string allow = fmt::format("{}", fmt::join(found.methods, ", "));
            if (std::ranges::find(found.methods, "GET") != found.methods.end()) allow += ", HEAD";
            auto response =
                to_response({.status = 405, .title = "Method not allowed", .detail = fmt::format("it takes {} only", allow)});
            response.headers.push_back({"Allow", allow});
            return done(std::move(response), "method");
        }
        const Route& route = *found.route;
        Call call{.state = state_,
                  .method = std::string(request.method),
                  .target = request.target,
                  .headers = request.headers,
                  .body = std::string(request.body),
                  .names = std::move(found.names)};
        if (route.role) {
            auto who = authentication_.identify(request.header("authorization"), request.client_name);
            if (!who) return unauthorized(request);
            call.who = {who->name, std::string(controller::name_of(who->role)), std::string(request.peer)};
            call.role = who->role;
            if (who->role < *route.role) return forbidden(call, route);
        }
        if (auto wrong = check_parameters(call, route)) return done(std::move(*wrong), "parameter");
        if (!route.waits) return done(route.handle(call), route.id);
        OutgoingResponse promise;
        promise.work = [this, &route, call = std::move(call)] { return done(route.handle(call), route.id); };
        return promise;
    }

    OutgoingResponse unauthorized(const IncomingRequest& request) {
        const bool given = !request.header("authorization").empty();
        auto response =
            to_response({.status = 401,
                         .title = "Unauthorized",
                         .detail = given ? "" : fmt::format("a bearer token is needed: it stands in {}", options_.token_file)});
        response.headers.push_back({"WWW-Authenticate", "Bearer realm=\"cvf\""});
        return done(std::move(response), given ? "wrong token" : "no token");
    }

    OutgoingResponse forbidden(const Call& call, const Route& route) {
        const auto now = std::chrono::steady_clock::now();
        if (now - audited_since_ > audited_in) {
            audited_since_ = now;
            audited_ = 0;
        }
        if (options_.services.audit && audited_++ < audited_refusals)
            options_.services.audit->note({0, call.who, std::string(route.method == "DELETE" ? "delete" : "apply"),
                                           fmt::format("{}", fmt::join(call.names, "/")), 0, "refused",
                                           fmt::format("needs the role {}", controller::name_of(*route.role))});
        return done(to_response({.status = 403, .title = "Forbidden"}), "role");
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

    // What all answers have, and the count of those that are refusals. Any thread.
    OutgoingResponse done(OutgoingResponse response, std::string_view reason) {
        if (response.status >= 400) state_.refused(response.status, std::string(reason));
        response.headers.push_back({"X-Content-Type-Options", "nosniff"});
        return response;
    }

    const ServerOptions options_;
    const std::string token_;
    const Authentication authentication_;
    State state_;
    Streams streams_;       // the API's thread
    uint64_t audited_ = 0;  // likewise
    std::chrono::steady_clock::time_point audited_since_{};
    Queries queries_;
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
