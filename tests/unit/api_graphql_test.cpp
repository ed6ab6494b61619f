// GraphQL on the API's services: a real controller over the in-process bus, a real history, live records, and a WebSocket's
// channel.
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <filesystem>
#include <thread>

#include "api/authentication.h"
#include "api/graphql_channel.h"
#include "api/graphql_source.h"
#include "api/live.h"
#include "api/queries.h"
#include "api/threads.h"
#include "bus/bus.h"
#include "graphql/engine.h"
#include "history/store.h"
#include "history_records.h"

namespace cvf::api {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;
using controller::Role;

struct ApiGraphql : testing::Test {
    const std::string folder = testing::TempDir() + "cvf-graphql-" + std::to_string(::getpid());
    std::unique_ptr<bus::Bus> bus;
    std::unique_ptr<controller::Audit> audit;
    std::unique_ptr<controller::Directives> directives;
    std::unique_ptr<controller::Nodes> nodes;
    std::unique_ptr<history::History> store;
    sink::Hub hub;
    ServerOptions options;
    const Authentication authentication{"local-token", nullptr};
    State state;
    Streams streams{16};
    Queries queries{{}};
    Threads threads;

    template <typename Done>
    static bool until(Done done) {
        for (int i = 0; i < 3000; i++) {
            if (done()) return true;
            std::this_thread::sleep_for(2ms);
        }
        return false;
    }
    void SetUp() override {
        bus::Options how;
        how.url = std::string("local:graphql-") + testing::UnitTest::GetInstance()->current_test_info()->name();
        bus = std::move(*bus::Bus::connect(std::move(how)));
        audit = std::move(*controller::Audit::open(*bus));
        directives = std::move(*controller::Directives::open(*bus, *audit));
        nodes = std::move(*controller::Nodes::open(*bus));
        ASSERT_TRUE(until([&] { return directives->ready() && nodes->ready(); }));
        options.services = {&hub, directives.get(), nodes.get(), audit.get(), nullptr};
        state.options = &options;
        state.authentication = &authentication;
        state.streams = &streams;
        state.queries = &queries;
        state.threads = &threads;
    }
    void TearDown() override { std::filesystem::remove_all(folder); }
    void keep_records(int count) {
        history::StoreOptions how;
        how.folder = folder;
        how.max_age = std::chrono::days(36500);
        store = std::move(*history::open_store(how));
        history::Made made;
        store->write(made.lines(0, count));
        store->flush();
        options.services.history = store.get();
    }
    json::object run(std::string query, Role role = Role::plaintext_operator) {
        GraphqlSource source(state, {"someone", std::string(controller::name_of(role)), "127.0.0.1"}, role);
        const auto prepared = graphql::prepare(graphql::fabric_schema(), {std::move(query), {}, {}}, {});
        return prepared ? graphql::execute((*prepared)->request(), source) : prepared.error().json();
    }
    static std::string code(const json::object& answer) {
        return std::string(answer.at("errors").at(0).at("extensions").at("code").as_string());
    }
};

TEST_F(ApiGraphql, PagesOfTheHistoryFollowEachOtherWithoutGapOrDouble) {
    keep_records(250);
    std::set<std::string> seen;
    std::string after = "null";
    for (int pages = 0; pages < 10; ++pages) {
        const json::object answer = run("{ records(first: 60, order: oldest, after: " + after +
                                        ") { nodes { record_id } pageInfo { hasNextPage endCursor } progress { damaged } } }");
        ASSERT_FALSE(answer.contains("errors")) << json::serialize(answer);
        const json::value& page = answer.at("data").at("records");
        for (const json::value& node : page.at("nodes").as_array())
            EXPECT_TRUE(seen.insert(json::serialize(node.at("record_id"))).second);
        after = json::serialize(page.at("pageInfo").at("endCursor"));
        if (!page.at("pageInfo").at("hasNextPage").as_bool()) break;
    }
    EXPECT_EQ(seen.size(), 250u);
    EXPECT_EQ(run("{ history { records } }").at("data").at("history").at("records").to_number<int>(), 250);
}

TEST_F(ApiGraphql, NumbersOverTheHistoryAreATable) {
    keep_records(250);
    const json::object answer = run("{ aggregate(measures: \"count\") { columns rows more } }");
    ASSERT_FALSE(answer.contains("errors")) << json::serialize(answer);
    EXPECT_EQ(json::serialize(answer.at("data").at("aggregate")), R"({"columns":["count"],"rows":[[250]],"more":false})");
}

TEST_F(ApiGraphql, ABadFilterIsToldWithItsColumn) {
    keep_records(1);
    const json::object answer = run("{ records(filter: \"source.port >\") { nodes { record_id } } }");
    EXPECT_EQ(code(answer), "BAD_USER_INPUT");
    EXPECT_EQ(answer.at("errors").at(0).at("extensions").at("parameter").as_string(), "filter");
    EXPECT_EQ(answer.at("errors").at(0).at("extensions").at("column").to_number<int>(), 14);
}

constexpr const char* apply_flow =
    "mutation { applyDirective(document: \"\"\"\n  apiVersion: cvf/v1\n  kind: Flow\n  metadata: {name: x, labels: {team: "
    "shop}}\n  spec: "
    "{}\n\"\"\") { change directive { kind metadata { name generation } status { revision } } } }";

TEST_F(ApiGraphql, AnOperatorAppliesFindsAndDeletesADirective) {
    const json::object applied = run(apply_flow, Role::operator_);
    ASSERT_FALSE(applied.contains("errors")) << json::serialize(applied);
    EXPECT_EQ(applied.at("data").at("applyDirective").at(0).at("change").as_string(), "created");
    ASSERT_TRUE(until([&] { return directives->list().size() == 1; }));
    EXPECT_EQ(json::serialize(run("{ directives(labelSelector: \"team=shop\") { nodes { kind metadata { name } } } "
                                  "directive(kind: Flow, name: \"y\") { kind } }")
                                  .at("data")),
              R"({"directives":{"nodes":[{"kind":"Flow","metadata":{"name":"x"}}]},"directive":null})");
    EXPECT_EQ(run(apply_flow, Role::operator_).at("data").at("applyDirective").at(0).at("change").as_string(), "unchanged");
    const json::object gone = run("mutation { deleteDirective(kind: Flow, name: \"x\") { metadata { name } } }", Role::operator_);
    ASSERT_FALSE(gone.contains("errors")) << json::serialize(gone);
    EXPECT_EQ(code(run("mutation { deleteDirective(kind: Flow, name: \"x\") { kind } }")), "NOT_FOUND");
}

TEST_F(ApiGraphql, WhoMayNotIsRefusedAndAudited) {
    EXPECT_EQ(code(run(apply_flow, Role::viewer)), "FORBIDDEN");
    EXPECT_EQ(code(run("mutation { deleteDirective(kind: Plaintext, name: \"x\") { kind } }", Role::operator_)), "FORBIDDEN");
    EXPECT_TRUE(directives->list().empty());
    ASSERT_EQ(audit->newest(10).size(), 2u);
    EXPECT_EQ(audit->newest(10)[0].object, "Plaintext/x");
    EXPECT_EQ(audit->newest(10)[0].outcome, "refused");
}

TEST_F(ApiGraphql, ABadDirectiveIsToldWithEveryProblem) {
    const json::object answer =
        run("mutation { applyDirective(document: \"{apiVersion: cvf/v1, kind: Flow, metadata: {name: x}, spec: {smaple: 1/2, "
            "limits: {duration: soon}}}\") { change } }");
    EXPECT_EQ(code(answer), "INVALID_DIRECTIVE");
    EXPECT_GE(answer.at("errors").at(0).at("extensions").at("problems").as_array().size(), 2u);
}

TEST_F(ApiGraphql, WithoutAControllerItSaysSo) {
    options.services.directives = nullptr;
    options.services.nodes = nullptr;
    EXPECT_EQ(code(run("{ nodes { nodes { name } } }")), "NOT_HERE");
    EXPECT_EQ(code(run("{ records { nodes { record_id } } }")), "NOT_HERE");
}

TEST_F(ApiGraphql, AChannelAnswersQueriesAndFollowsLiveRecords) {
    keep_records(10);
    std::atomic<int> woken{0};
    auto channel = make_graphql_channel(state, {"Bearer local-token", "", "127.0.0.1"}, nullptr);
    channel->start([&] { ++woken; });
    const auto hear = [&] {
        std::string out;
        until([&] {
            const auto message = channel->next();
            if (message.state == http::Channel::State::more) out = message.bytes;
            return !out.empty();
        });
        return out;
    };
    channel->receive(R"({"type":"connection_init"})", true);
    EXPECT_EQ(hear(), R"({"type":"connection_ack"})");
    channel->receive(R"({"id":"q","type":"subscribe","payload":{"query":"{ history { records } }"}})", true);
    EXPECT_EQ(hear(), R"({"id":"q","type":"next","payload":{"data":{"history":{"records":10}}}})");
    EXPECT_EQ(hear(), R"({"id":"q","type":"complete"})");
    EXPECT_GT(woken, 0);
    channel->receive(
        R"({"id":"s","type":"subscribe","payload":{"query":"subscription { records(filter: \"source.port == 53\", types: [dns]) { __typename source_port } }"}})",
        true);
    EXPECT_TRUE(until([&] {
        EXPECT_EQ(channel->next().state, http::Channel::State::wait);
        return hub.subscribers() == 1;
    }));
    record::Record record;
    for (const uint64_t port : {52, 53}) {
        record.begin(record::RecordType::dns, 1);
        record.uint(record::Field::source_port, port);
        hub.publish(record);
    }
    hub.flush();
    EXPECT_EQ(hear(), R"({"id":"s","type":"next","payload":{"data":{"records":{"__typename":"DnsRecord","source_port":53}}}})");
    EXPECT_EQ(hub.subscribers(), 1u);
    channel.reset();
    hub.flush();
    EXPECT_EQ(hub.subscribers(), 0u);
}

}  // namespace
}  // namespace cvf::api
