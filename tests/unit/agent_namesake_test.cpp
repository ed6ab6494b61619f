// Two agents of one name: each notices the other, and neither takes its own former life for one.
#include "agent/namesake.h"

#include <gtest/gtest.h>

#include <thread>

#include "bus/subjects.h"

namespace cvf::agent {
namespace {

using namespace std::chrono_literals;

class NamesakeTest : public testing::Test {
 protected:
    void SetUp() override {
        bus::Options options;
        options.url = std::string("local:namesake-") + testing::UnitTest::GetInstance()->current_test_info()->name();
        bus_ = std::move(*bus::Bus::connect(std::move(options)));
    }
    uint64_t write(const std::string& instance, bool leaving = false) {
        directive::NodeStatus status;
        status.name = "n";
        status.instance = instance;
        status.machine = "machine-of-" + instance;
        status.leaving = leaving;
        return *bus_->put(bus::bucket::nodes, "n", directive::to_json(status));
    }

    std::unique_ptr<bus::Bus> bus_;
};

TEST_F(NamesakeTest, alone_there_is_nothing_to_say) {
    Namesake a(*bus_, "n", "a", 1s);
    for (int i = 0; i < 3; i++) {
        EXPECT_FALSE(a.look());
        a.wrote(write("a"));
    }
}

TEST_F(NamesakeTest, what_stood_there_at_the_start_may_have_been_oneself) {
    write("before");
    Namesake a(*bus_, "n", "a", 1s);
    EXPECT_FALSE(a.look());
    a.wrote(write("a"));
    EXPECT_FALSE(a.look());
}

TEST_F(NamesakeTest, both_of_two_notice_each_other) {
    Namesake a(*bus_, "n", "a", 1s), b(*bus_, "n", "b", 1s);
    EXPECT_FALSE(a.look());
    a.wrote(write("a"));
    EXPECT_FALSE(b.look());
    b.wrote(write("b"));
    const auto of_a = a.look();
    ASSERT_TRUE(of_a);
    EXPECT_NE(of_a->find("instance b, machine machine-of-b"), std::string::npos) << *of_a;
    a.wrote(write("a"));
    const auto of_b = b.look();
    ASSERT_TRUE(of_b);
    EXPECT_NE(of_b->find("instance a"), std::string::npos) << *of_b;
}

TEST_F(NamesakeTest, one_that_falls_silent_or_says_goodbye_is_gone) {
    Namesake a(*bus_, "n", "a", 50ms);
    EXPECT_FALSE(a.look());
    a.wrote(write("a"));
    write("b");
    EXPECT_TRUE(a.look());
    a.wrote(write("a"));
    EXPECT_TRUE(a.look());
    std::this_thread::sleep_for(60ms);
    EXPECT_FALSE(a.look());

    write("c");
    EXPECT_TRUE(a.look());
    write("c", true);
    EXPECT_FALSE(a.look());
}

TEST_F(NamesakeTest, a_goodbye_of_ones_former_life_that_comes_late_is_no_namesake) {
    Namesake a(*bus_, "n", "a", 1s);
    EXPECT_FALSE(a.look());
    a.wrote(write("a"));
    write("before", true);
    EXPECT_FALSE(a.look());
}

}  // namespace
}  // namespace cvf::agent
