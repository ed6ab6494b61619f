// How a directive fares on one agent, and on all.
#include <gmock/gmock.h>

#include "directive/status.h"

namespace {

using namespace cvf::directive;
using testing::HasSubstr;

constexpr const char* uid = "3f0c2b1a-5d4e-4f6a-8b7c-9d0e1f2a3b4c";

Status status(std::string node, State state, uint64_t generation = 2, std::string reason = {}) {
    Status s;
    s.directive = "Metadata/shop";
    s.uid = uid;
    s.generation = generation;
    s.node = std::move(node);
    s.state = state;
    s.reason = std::move(reason);
    s.since = 1'767'323'045'000'000'001;
    return s;
}

TEST(DirectiveStatus, goes_through_json_unchanged) {
    Status s = status("n\"1", State::degraded, 3, "no BTF:\nno tracepoints");
    s.ends = 1'767'323'999'000'000'000;
    s.matched = 18'446'744'073'709'551'615u;
    s.sampled_out = 2;
    s.limited = 3;
    s.sent = 4;
    s.bytes = 5;
    s.lost = 6;
    const auto again = status_from_json(to_json(s));
    ASSERT_TRUE(again) << again.error();
    EXPECT_EQ(*again, s);
    for (const State state : {State::accepted, State::active, State::degraded, State::expired, State::rejected})
        EXPECT_EQ(status_from_json(to_json(status("n", state)))->state, state);
    EXPECT_EQ(
        to_json(status("n1", State::active)),
        R"({"directive":"Metadata/shop","uid":"3f0c2b1a-5d4e-4f6a-8b7c-9d0e1f2a3b4c","generation":2,"node":"n1","state":"active","since":1767323045000000001})");
}

TEST(DirectiveStatus, of_a_newer_agent_is_read_and_a_wrong_one_is_refused) {
    EXPECT_TRUE(status_from_json(R"({"directive":"a","node":"n","state":"active","mood":"fine"})"));
    for (const char* wrong :
         {"", "1", "{}", R"({"directive":"a","node":"n"})", R"({"directive":"a","node":"n","state":"asleep"})",
          R"({"directive":1,"node":"n","state":"active"})", R"({"directive":"a","node":"n","state":"active","sent":-1})",
          R"({"directive":"a","node":"n","state":"active","sent":1.5})",
          R"({"directive":"a","node":"n","state":"active","since":18446744073709551615})", R"([{},{}])"})
        EXPECT_FALSE(status_from_json(wrong)) << wrong;
}

TEST(DirectiveSummary, counts_states_and_waits_for_all_that_are_meant) {
    const std::vector<std::string> nodes{"a", "b", "c"};
    std::vector<Status> all{status("a", State::active), status("b", State::accepted), status("stranger", State::rejected)};
    Summary s = summarize(uid, 2, nodes, all);
    EXPECT_EQ(s.agents, 3u);
    EXPECT_EQ(s.states[State::active], 1u);
    EXPECT_EQ(s.behind, 1u);
    EXPECT_FALSE(s.settled());
    EXPECT_EQ(s.show(), "1 accepted, 1 active, 1 not heard of of 3 agents");

    all[1].state = State::active;
    all.push_back(status("c", State::active, 1));
    EXPECT_FALSE(summarize(uid, 2, nodes, all).settled()) << "c runs the spec before";
    all.push_back(status("c", State::rejected, 2, "never"));
    s = summarize(uid, 2, nodes, all);
    EXPECT_TRUE(s.settled());
    EXPECT_FALSE(s.good());
    EXPECT_EQ(s.reasons.at("never"), std::vector<std::string>{"c"});
    all.back().state = State::expired;
    EXPECT_TRUE(summarize(uid, 2, nodes, all).good());
    // Another directive of the same name.
    EXPECT_EQ(summarize("other", 1, nodes, all).behind, 3u);
    EXPECT_EQ(summarize(uid, 2, {}, all).show(), "no agent is meant");
}

TEST(DirectiveSummary, the_latest_word_of_a_node_counts) {
    const std::vector<std::string> nodes{"a"};
    std::vector<Status> all{status("a", State::degraded, 2, "x"), status("a", State::active)};
    all[1].since += 1;
    all[1].sent = 5;
    EXPECT_EQ(summarize(uid, 2, nodes, all).states.count(State::degraded), 0u);
    EXPECT_EQ(summarize(uid, 2, nodes, all).sent, 5u);
    std::swap(all[0], all[1]);
    EXPECT_EQ(summarize(uid, 2, nodes, all).states.count(State::active), 1u);
}

TEST(DirectiveSummary, names_few_nodes_and_few_reasons) {
    std::vector<std::string> nodes;
    std::vector<Status> all;
    for (int i = 0; i < 1'000; ++i) {
        nodes.push_back("n" + std::to_string(i));
        all.push_back(status(nodes.back(), State::rejected, 2, "reason " + std::to_string(i % 50)));
    }
    const Summary s = summarize(uid, 2, nodes, all);
    EXPECT_EQ(s.reasons.size(), Summary::max_reasons);
    for (const auto& [reason, named] : s.reasons) EXPECT_EQ(named.size(), Summary::max_named) << reason;
    EXPECT_EQ(s.states.at(State::rejected), 1'000u);
}

}  // namespace
