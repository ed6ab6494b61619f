// Agents as the controller sees them: restarts, goodbyes, and two that are alive under one name.
#include "controller/nodes.h"

#include <gtest/gtest.h>

#include <ctime>
#include <thread>

#include "bus/subjects.h"

namespace cvf::controller {
namespace {

class NodesTest : public testing::Test {
 protected:
    void SetUp() override {
        bus::Options options;
        options.url = std::string("local:nodes-") + testing::UnitTest::GetInstance()->current_test_info()->name();
        bus_ = std::move(*bus::Bus::connect(std::move(options)));
        audit_ = std::move(*Audit::open(*bus_));
        nodes_ = std::move(*Nodes::open(*bus_, audit_.get()));
        ASSERT_TRUE(until([&] { return nodes_->ready(); }));
    }
    // As an agent does; returns when the controller has it.
    void write(const std::string& instance, bool leaving = false) {
        directive::NodeStatus status;
        status.name = "n";
        status.instance = instance;
        status.machine = "m";
        status.leaving = leaving;
        status.sent = static_cast<int64_t>(::time(nullptr)) * 1'000'000'000;
        const uint64_t before = nodes_->version();
        ASSERT_TRUE(bus_->put(bus::bucket::nodes, "n", directive::to_json(status)));
        ASSERT_TRUE(until([&] { return nodes_->version() > before; }));
    }
    template <typename Done>
    static bool until(Done done) {
        for (int i = 0; i < 5000; i++) {
            if (done()) return true;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        return false;
    }

    std::unique_ptr<bus::Bus> bus_;
    std::unique_ptr<Audit> audit_;
    std::unique_ptr<Nodes> nodes_;
};

TEST_F(NodesTest, a_restarted_agent_is_no_namesake_of_itself) {
    for (const char* instance : {"a", "a", "b", "b", "c"}) write(instance);
    EXPECT_TRUE(nodes_->find("n")->namesakes.empty());
    EXPECT_EQ(nodes_->find("n")->status.instance, "c");
    EXPECT_TRUE(audit_->newest(10).empty());
}

TEST_F(NodesTest, two_agents_that_take_turns_are_told_and_audited_once) {
    for (const char* instance : {"a", "b", "a", "b", "a"}) write(instance);
    const auto node = nodes_->find("n");
    EXPECT_EQ(node->status.instance, "a");
    EXPECT_EQ(node->namesakes, std::vector<std::string>{"b"});
    EXPECT_FALSE(node->lost);
    const auto entries = audit_->newest(10);
    ASSERT_EQ(entries.size(), 1u);
    EXPECT_EQ(entries[0].object, "Node/n");
    EXPECT_EQ(entries[0].outcome, "doubled");
    EXPECT_NE(entries[0].reason.find("instance a"), std::string::npos);
    EXPECT_NE(entries[0].reason.find("instance b"), std::string::npos);
}

TEST_F(NodesTest, the_goodbye_of_one_of_two_does_not_end_the_other) {
    for (const char* instance : {"a", "b", "a"}) write(instance);
    write("b", true);
    auto node = nodes_->find("n");
    EXPECT_EQ(node->status.instance, "a");
    EXPECT_FALSE(node->status.leaving);
    EXPECT_FALSE(node->lost);
    EXPECT_TRUE(node->namesakes.empty());
    write("a", true);
    EXPECT_TRUE(nodes_->find("n")->status.leaving);
    EXPECT_TRUE(nodes_->find("n")->lost);
}

}  // namespace
}  // namespace cvf::controller
