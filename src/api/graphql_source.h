// What GraphQL asks, answered by the services of the API on behalf of whoever sent the request.
//
// Roles: anybody who got in may read; changing directives needs an operator, and a plaintext-operator where Plaintext is
// concerned. A refusal is counted and audited. One is made for each request: longest_graphql_request after that, its queries end.
// Thread rule: one thread; follow() only on the HTTP server's. Limits: the history's queries have their place among those of
// Queries, streams of records theirs among Streams.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>

#include "api/call.h"
#include "graphql/source.h"

namespace cvf::api {

inline constexpr std::chrono::seconds longest_graphql_request{30};  // its answer is not sent while it is made

class GraphqlSource final : public graphql::Source {
 public:
    // `stopped`: nobody waits for the answer any more; may be null.
    GraphqlSource(State& state, controller::Who who, controller::Role role,
                  std::shared_ptr<const std::atomic<bool>> stopped = nullptr)
        : state_(state), who_(std::move(who)), role_(role), stopped_(std::move(stopped)) {}

    Done query(const history::QueryText& text, const history::Receiver& receiver) override;
    Result directives(const graphql::ListText& text) override;
    Result directive(std::string_view kind, std::string_view name) override;
    Result nodes(const graphql::ListText& text) override;
    Result node(std::string_view name) override;
    Result history() override;
    Result apply(std::string_view document, bool dry_run) override;
    Result remove(std::string_view kind, std::string_view name) override;
    std::expected<std::unique_ptr<graphql::RecordStream>, graphql::SourceError> follow(const graphql::FollowText& text,
                                                                                       std::function<void()> wake) override;

 private:
    bool stopped() const;

    State& state_;
    const controller::Who who_;
    const controller::Role role_;
    const std::shared_ptr<const std::atomic<bool>> stopped_;
    const std::chrono::steady_clock::time_point until_ = std::chrono::steady_clock::now() + longest_graphql_request;
};

}  // namespace cvf::api
