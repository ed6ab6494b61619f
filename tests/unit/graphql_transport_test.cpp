#include <gtest/gtest.h>

#include "../graphql/fake_source.h"
#include "graphql/over_http.h"
#include "graphql/transport_ws.h"

namespace cvf::graphql {
namespace {

class GraphqlTransport : public ::testing::Test {
 protected:
    void say(std::string_view message) { transport.receive(message, true); }
    std::string heard() { return transport.next().value_or(""); }
    // Runs the job there is; false: there is none.
    bool work() { return work(transport); }
    bool work(Transport& on) {
        auto job = on.take_job();
        if (job) on.finish(job->run(fabric_schema(), limits, source));
        return job.has_value();
    }
    Transport::Owner owner() {
        return {[this](const std::string* authorization) -> std::optional<Transport::Closed> {
                    if (authorization) said = *authorization;
                    return let ? std::nullopt : std::optional(Transport::Closed{4403, "Forbidden"});
                },
                [this]() -> Source& { return source; }};
    }

    FakeSource source;
    Limits limits{};
    bool let = true;
    std::string said = "nothing";
    Transport transport{owner(), limits, [] {}};
};

constexpr std::string_view init = R"({"type":"connection_init"})";

TEST_F(GraphqlTransport, AQueryIsAJobWhoseResultIsSentAndEndsIt) {
    say(init);
    EXPECT_EQ(heard(), R"({"type":"connection_ack"})");
    say(R"({"id":"1","type":"subscribe","payload":{"query":"{ history { records } }"}})");
    EXPECT_EQ(heard(), "");
    ASSERT_TRUE(work());
    EXPECT_EQ(heard(), R"({"id":"1","type":"next","payload":{"data":{"history":null}}})");
    EXPECT_EQ(heard(), R"({"id":"1","type":"complete"})");
    EXPECT_EQ(transport.operations(), 0u);
}

TEST_F(GraphqlTransport, WhatTheClientEndsIsNotAnsweredAnyMoreAndWhatWaitedIsForgotten) {
    say(init);
    heard();
    say(R"({"id":"1","type":"subscribe","payload":{"query":"{ history { records } }"}})");
    auto job = transport.take_job();
    ASSERT_TRUE(job);
    EXPECT_TRUE(transport.wanted());
    // Whoever subscribes and completes while one is under way leaves nothing behind.
    for (int i = 0; i < 1000; ++i) {
        say(R"({"id":"2","type":"subscribe","payload":{"query":"{ history { records } }"}})");
        EXPECT_FALSE(transport.take_job()) << "one at a time";
        say(R"({"id":"2","type":"complete"})");
    }
    ASSERT_FALSE(transport.closed());
    say(R"({"id":"1","type":"complete"})");
    EXPECT_FALSE(transport.wanted());
    transport.finish(job->run(fabric_schema(), limits, source));
    EXPECT_EQ(heard(), "");
    EXPECT_FALSE(work());
    EXPECT_EQ(transport.operations(), 0u);
}

TEST_F(GraphqlTransport, NoJobBeginsWhileAnAnswerWaitsForTheClient) {
    say(init);
    heard();
    for (const char* id : {"1", "2"})
        say(std::string(R"({"type":"subscribe","payload":{"query":"{ history { records } }"},"id":")") + id + "\"}");
    ASSERT_TRUE(work());
    EXPECT_FALSE(work());
    EXPECT_NE(heard(), "");
    EXPECT_FALSE(work());
    EXPECT_NE(heard(), "") << "complete";
    EXPECT_TRUE(work());
}

TEST_F(GraphqlTransport, TheOwnerIsAskedWhetherTheClientMayBeginAndGoOn) {
    say(R"({"type":"connection_init","payload":{"authorization":"Bearer abc"}})");
    EXPECT_EQ(said, "Bearer abc");
    heard();
    let = false;
    say(R"({"id":"1","type":"subscribe","payload":{"query":"{ history { records } }"}})");
    ASSERT_TRUE(transport.closed());
    EXPECT_EQ(transport.closed()->code, 4403);
    Transport fresh(owner(), limits, [] {});
    fresh.receive(init, true);
    EXPECT_EQ(said, "");
    ASSERT_TRUE(fresh.closed());
    EXPECT_EQ(fresh.next(), std::nullopt) << "no acknowledgement";
}

TEST_F(GraphqlTransport, SubscriptionsTakeTurns) {
    say(init);
    heard();
    source.endless = true;
    say(R"({"id":"a","type":"subscribe","payload":{"query":"subscription { records(types: [http]) { record_id } }"}})");
    say(R"({"id":"b","type":"subscribe","payload":{"query":"subscription { records { record_id url: host_name } }"}})");
    while (work()) {
    }
    EXPECT_EQ(source.last_follow.keys, (std::vector<std::string>{"host.name", "record.id"}));
    EXPECT_EQ(heard(), R"({"id":"a","type":"next","payload":{"data":{"records":{"record_id":"r0"}}}})");
    EXPECT_EQ(heard(), R"({"id":"b","type":"next","payload":{"data":{"records":{"record_id":"r0","url":"node-b"}}}})");
    EXPECT_EQ(heard(), R"({"id":"a","type":"next","payload":{"data":{"records":{"record_id":"r1"}}}})");
    for (int i = 0; i < 9; ++i) EXPECT_NE(heard(), "");
    EXPECT_EQ(heard(), "");
    EXPECT_EQ(transport.operations(), 2u);
}

TEST_F(GraphqlTransport, RulesOfTheProtocolCloseTheConnectionWithItsCodes) {
    transport.init_time_over();
    ASSERT_TRUE(transport.closed());
    EXPECT_EQ(transport.closed()->code, 4408);
    Transport binary(owner(), {}, [] {});
    binary.receive(init, false);
    EXPECT_EQ(binary.closed()->code, 4400);
    Transport twice(owner(), {}, [] {});
    twice.receive(init, true);
    for (int i = 0; i < 2; ++i) twice.receive(R"({"id":"1","type":"subscribe","payload":{"query":"{ __typename }"}})", true);
    EXPECT_EQ(twice.closed()->code, 4409);
    EXPECT_FALSE(twice.take_job());
}

TEST_F(GraphqlTransport, OperationsAndAnswersThatWaitAreBounded) {
    say(init);
    for (size_t i = 0; i < 1000; ++i) say(R"({"type":"ping"})");
    size_t sent = 0;
    while (transport.next()) ++sent;
    EXPECT_LE(sent, limits.concurrent);
    for (size_t i = 0; i < 100; ++i)
        say(R"({"id":")" + std::to_string(i) + R"(","type":"subscribe","payload":{"query":"{ nope }"}})");
    ASSERT_TRUE(transport.closed());
    EXPECT_EQ(transport.closed()->code, 4429);
}

HttpResponse http(std::string_view method, std::string_view accept, std::string_view body,
                  std::vector<std::pair<std::string, std::string>> parameters = {}) {
    FakeSource source;
    return answer_http(fabric_schema(), {method, "application/json", accept, body, std::move(parameters)}, source, {});
}

TEST(GraphqlOverHttp, AcceptDecidesTheTypeAndTheStatusOfBadDocuments) {
    constexpr std::string_view bad = R"({"query":"{ nope }"})";
    EXPECT_EQ(http("POST", "", bad).status, 200u);
    EXPECT_EQ(http("POST", "application/graphql-response+json", bad).status, 400u);
    EXPECT_EQ(http("POST", "application/json;q=0.9, application/graphql-response+json;q=0.8", bad).content_type,
              "application/json; charset=utf-8");
    EXPECT_EQ(http("POST", "application/json, application/graphql-response+json", bad).content_type,
              "application/graphql-response+json; charset=utf-8");
    EXPECT_EQ(http("POST", "application/*;q=0.5, application/json;q=0", bad).content_type,
              "application/graphql-response+json; charset=utf-8");
    EXPECT_EQ(http("POST", "text/html", bad).status, 406u);
}

TEST(GraphqlOverHttp, AMutationNeedsPost) {
    const auto response = http("GET", "", "", {{"query", "mutation { applyDirective(document: \"x\") { change } }"}});
    EXPECT_EQ(response.status, 405u);
    EXPECT_EQ(response.allow, "POST");
    EXPECT_EQ(http("GET", "", "",
                   {{"query", "query ($n: Int) { records(first: $n) { nodes { record_id } } }"}, {"variables", "{\"n\":1}"}})
                  .body,
              R"({"data":{"records":{"nodes":[{"record_id":"r5"}]}}})");
    EXPECT_EQ(http("DELETE", "", "").allow, "GET, POST");
}

TEST_F(GraphqlTransport, ABadDocumentIsAnErrorOfItsOperationAlone) {
    say(init);
    heard();
    say(R"({"id":"1","type":"subscribe","payload":{"query":"{ nope }"}})");
    ASSERT_TRUE(work());
    EXPECT_TRUE(heard().starts_with(R"({"id":"1","type":"error")"));
    EXPECT_FALSE(transport.closed());
    EXPECT_EQ(transport.operations(), 0u);
}

TEST(GraphqlOverHttp, ABrowserIsShownThePage) {
    EXPECT_TRUE(wants_page({"GET", "", "text/html,application/xhtml+xml,*/*;q=0.8", "", {}}));
    EXPECT_FALSE(wants_page({"GET", "", "*/*", "", {}}));
    EXPECT_FALSE(wants_page({"GET", "", "text/html", "", {{"query", "{ a }"}}}));
}

}  // namespace
}  // namespace cvf::graphql
