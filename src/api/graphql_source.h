// What GraphQL asks, answered by the services of the API on behalf of whoever sent the request.
//
// Roles: anybody who got in may read; changing directives needs an operator, and a plaintext-operator where Plaintext is
// concerned. A refusal is audited. Thread rule: one thread at a time; stop() from any. Limits: ServerOptions::max_queries of the
// history at once, each at most longest_query.
#pragma once

#include <atomic>
#include <chrono>

#include "api/call.h"
#include "graphql/source.h"

namespace cvf::api {

inline constexpr std::chrono::seconds longest_graphql_query{30};  // its answer is not sent while it is made

class GraphqlSource final : public graphql::Source {
 public:
    GraphqlSource(State& state, controller::Who who, controller::Role role) : state_(state), who_(std::move(who)), role_(role) {}

    Done query(const history::QueryText& text, const history::Receiver& receiver) override;
    Result directives(std::string_view kind, std::string_view labels) override;
    Result directive(std::string_view kind, std::string_view name) override;
    Result nodes(std::string_view labels) override;
    Result node(std::string_view name) override;
    Result history() override;
    Result apply(std::string_view document, bool dry_run) override;
    Result remove(std::string_view kind, std::string_view name) override;
    std::expected<std::unique_ptr<graphql::RecordStream>, graphql::SourceError> follow(const graphql::FollowText& text,
                                                                                       std::function<void()> wake) override;

    void stop() { stopped_ = true; }  // a query under way ends soon, with an error

 private:
    std::optional<graphql::SourceError> forbidden(directive::Kind kind, std::string_view action, const std::string& object) const;

    State& state_;
    const controller::Who who_;
    const controller::Role role_;
    std::atomic<bool> stopped_{false};
};

}  // namespace cvf::api
