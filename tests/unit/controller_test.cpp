// The controller over the in-process bus: desired state, nodes, audit, foreign directives, gaps.
#include "controller/controller.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <ctime>
#include <mutex>
#include <thread>

#include "bus/subjects.h"
#include "directive/lease.h"
#include "directive/parse.h"
#include "directive/write.h"

namespace cvf::controller {
namespace {

class ControllerTest : public testing::Test {
 protected:
    void SetUp() override {
        bus_ = connect();
        open();
        ASSERT_TRUE(until([&] { return !controller_->why_not_ready(); }));
    }
    std::unique_ptr<bus::Bus> connect() {
        bus::Options options;
        options.url = std::string("local:controller-") + testing::UnitTest::GetInstance()->current_test_info()->name();
        auto bus = bus::Bus::connect(std::move(options));
        EXPECT_TRUE(bus) << bus.error();
        return std::move(*bus);
    }
    void open() {
        auto controller = Controller::open({}, *bus_);
        ASSERT_TRUE(controller) << controller.error();
        controller_ = std::move(*controller);
    }
    static directive::Directive metadata(const std::string& name, const std::string& filter = {}) {
        directive::Directive d;
        d.metadata.name = name;
        d.spec.filter = filter;
        return d;
    }
    template <typename Done>
    static bool until(Done done) {
        for (int i = 0; i < 5000; i++) {
            if (done()) return true;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        return false;
    }

    const Who who_{"alice", "operator", "127.0.0.1"};
    std::unique_ptr<bus::Bus> bus_;
    std::unique_ptr<Controller> controller_;
};

TEST_F(ControllerTest, applying_twice_is_applying_once_and_the_generation_counts_specs) {
    Directives& all = controller_->directives();
    const auto first = all.apply(metadata("a"), who_, false);
    ASSERT_TRUE(first) << first.error().text;
    EXPECT_EQ(first->change, directive::Change::created);
    EXPECT_EQ(first->stored.directive.metadata.generation, 1u);
    const auto again = all.apply(metadata("a"), who_, false);
    ASSERT_TRUE(again) << again.error().text;
    EXPECT_EQ(again->change, directive::Change::unchanged);
    EXPECT_EQ(again->stored.revision, first->stored.revision);
    const auto other = all.apply(metadata("a", "source.port > 5"), who_, false);
    ASSERT_TRUE(other);
    EXPECT_EQ(other->change, directive::Change::configured);
    EXPECT_EQ(other->stored.directive.metadata.generation, 2u);
    EXPECT_EQ(other->stored.directive.metadata.uid, first->stored.directive.metadata.uid);
}

TEST_F(ControllerTest, a_dry_run_changes_nothing) {
    const auto dry = controller_->directives().apply(metadata("a"), who_, true);
    ASSERT_TRUE(dry);
    EXPECT_EQ(dry->change, directive::Change::created);
    EXPECT_TRUE(controller_->directives().list().empty());
}

TEST_F(ControllerTest, who_expects_an_old_revision_is_refused) {
    const auto first = controller_->directives().apply(metadata("a"), who_, false);
    ASSERT_TRUE(first);
    ASSERT_TRUE(controller_->directives().apply(metadata("a", "source.port > 5"), who_, false));
    const auto late = controller_->directives().apply(metadata("a", "source.port > 6"), who_, false, first->stored.revision);
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().status, 409u);
    const auto absent = controller_->directives().apply(metadata("b"), who_, false, 7);
    ASSERT_FALSE(absent);
    EXPECT_EQ(absent.error().status, 409u);
    const auto deleted = controller_->directives().remove(directive::Kind::metadata, "a", who_, first->stored.revision);
    ASSERT_FALSE(deleted);
    EXPECT_EQ(deleted.error().status, 409u);
    EXPECT_TRUE(controller_->directives().find(directive::Kind::metadata, "a"));
}

TEST_F(ControllerTest, controllers_that_change_one_directive_at_once_all_come_through_or_are_told_to_try_again) {
    auto bus = connect();
    auto second = Controller::open({}, *bus);
    ASSERT_TRUE(second);
    ASSERT_TRUE(until([&] { return (*second)->directives().ready() && controller_->directives().ready(); }));
    std::atomic<int> stored{0}, other{0};
    const auto work = [&](Directives& all, int from) {
        for (int i = 0; i < 50; i++) {
            const auto applied = all.apply(metadata("a", fmt::format("source.port > {}", from + i)), who_, false);
            if (applied)
                stored++;
            else if (applied.error().status != 409)
                other++;
            if (const auto now = all.find(directive::Kind::metadata, "a"); now && i % 10 == 9) {
                const auto removed = all.remove(directive::Kind::metadata, "a", who_, now->revision);
                if (!removed && removed.error().status != 409 && removed.error().status != 404) other++;
            }
        }
    };
    std::thread one([&] { work(controller_->directives(), 1000); });
    work((*second)->directives(), 5000);
    one.join();
    EXPECT_EQ(other, 0);
    EXPECT_GE(stored, 50);
    ASSERT_TRUE(until([&] {
        const auto a = controller_->directives().find(directive::Kind::metadata, "a");
        const auto b = (*second)->directives().find(directive::Kind::metadata, "a");
        return a.has_value() == b.has_value() && (!a || a->revision == b->revision);
    }));
}

TEST_F(ControllerTest, an_invalid_directive_is_refused_with_the_place_and_noted) {
    const auto bad = controller_->directives().apply(metadata("a", "nonsense.field == 1"), who_, false);
    ASSERT_FALSE(bad);
    EXPECT_EQ(bad.error().status, 422u);
    ASSERT_FALSE(bad.error().problems.empty());
    EXPECT_EQ(bad.error().problems.front().path, "spec.filter");
    const auto trail = controller_->audit().newest(5);
    ASSERT_EQ(trail.size(), 1u);
    EXPECT_EQ(trail[0].outcome, "refused");
    EXPECT_EQ(trail[0].who.name, "alice");
}

TEST_F(ControllerTest, two_controllers_see_one_state_and_either_may_go) {
    auto bus = connect();
    auto second = Controller::open({}, *bus);
    ASSERT_TRUE(second);
    ASSERT_TRUE(controller_->directives().apply(metadata("a"), who_, false));
    ASSERT_TRUE(until([&] { return (*second)->directives().find(directive::Kind::metadata, "a").has_value(); }));
    const auto removed = (*second)->directives().remove(directive::Kind::metadata, "a", who_);
    ASSERT_TRUE(removed) << removed.error().text;
    ASSERT_TRUE(until([&] { return controller_->directives().list().empty(); }));
    ASSERT_TRUE(controller_->directives().apply(metadata("b"), who_, false));
    controller_.reset();
    ASSERT_TRUE(until([&] { return (*second)->directives().find(directive::Kind::metadata, "b").has_value(); }));
}

TEST_F(ControllerTest, listeners_hear_each_change_once) {
    std::mutex mutex;
    std::vector<std::pair<Event::What, std::string>> heard;
    auto handle = controller_->directives().listen([&](const Event& e) {
        const std::lock_guard lock(mutex);
        heard.emplace_back(e.what, e.stored.directive.metadata.name);
    });
    ASSERT_TRUE(controller_->directives().apply(metadata("a"), who_, false));
    ASSERT_TRUE(controller_->directives().apply(metadata("a", "source.port > 5"), who_, false));
    ASSERT_TRUE(controller_->directives().remove(directive::Kind::metadata, "a", who_));
    ASSERT_TRUE(until([&] {
        const std::lock_guard lock(mutex);
        return heard.size() == 3;
    }));
    EXPECT_EQ(heard[0].first, Event::What::added);
    EXPECT_EQ(heard[1].first, Event::What::modified);
    EXPECT_EQ(heard[2].first, Event::What::deleted);
}

TEST_F(ControllerTest, a_directive_published_by_anyone_is_checked_and_stored) {
    const std::string text = "apiVersion: cvf/v1\nkind: Metadata\nmetadata: {name: foreign}\nspec: {types: [dns]}\n";
    const auto publish = [&](std::string_view payload) {
        bus::Message message;
        message.subject = bus::subject::directives;
        message.payload = payload;
        return bus_->publish(message);
    };
    EXPECT_EQ(publish(text), bus::Accepted::yes);
    ASSERT_TRUE(until([&] { return controller_->directives().find(directive::Kind::metadata, "foreign").has_value(); }));
    EXPECT_EQ(publish("kind: Nonsense"), bus::Accepted::yes);
    ASSERT_TRUE(until([&] { return controller_->numbers().foreign_refused == 1; }));
    EXPECT_EQ(controller_->numbers().foreign_applied, 1u);
    EXPECT_EQ(controller_->directives().list().size(), 1u);
}

TEST_F(ControllerTest, nodes_are_as_they_last_said) {
    directive::NodeStatus status;
    status.name = "node-1";
    status.instance = "a";
    status.kernel = "6.18";
    status.sent = static_cast<int64_t>(::time(nullptr)) * 1'000'000'000;
    ASSERT_TRUE(bus_->put(bus::bucket::nodes, status.name, directive::to_json(status)));
    ASSERT_TRUE(until([&] { return controller_->nodes().find("node-1").has_value(); }));
    const Node node = *controller_->nodes().find("node-1");
    EXPECT_EQ(node.status.kernel, "6.18");
    EXPECT_FALSE(node.lost);
    status.leaving = true;
    ASSERT_TRUE(bus_->put(bus::bucket::nodes, status.name, directive::to_json(status)));
    ASSERT_TRUE(until([&] { return controller_->nodes().find("node-1")->lost; }));
    ASSERT_TRUE(bus_->put(bus::bucket::nodes, "node-2", "not json"));
    EXPECT_EQ(controller_->nodes().list().size(), 1u);
}

TEST_F(ControllerTest, what_is_asked_for_ends_with_its_asker) {
    auto handle = controller_->ask({"http"}, "http.response.status_code >= 500", {});
    ASSERT_TRUE(until([&] { return controller_->directives().list().size() == 1; }));
    EXPECT_TRUE(controller_->directives().list()[0].directive.metadata.labels.contains(directive::lease_label));
    handle.reset();
    ASSERT_TRUE(until([&] { return controller_->directives().list().empty(); }));
}

TEST_F(ControllerTest, what_is_asked_for_with_fields_has_those_its_filter_reads) {
    auto handle = controller_->ask({"http"}, "http.response.status_code >= 500", {"source.port"});
    ASSERT_TRUE(until([&] { return controller_->directives().list().size() == 1; }));
    EXPECT_EQ(controller_->directives().list()[0].directive.spec.fields,
              (std::vector<std::string>{"source.port", "http.response.status_code"}));
}

TEST_F(ControllerTest, what_no_record_can_match_is_not_asked_of_agents) {
    EXPECT_EQ(controller_->ask({"dns"}, "http.response.status_code >= 500", {}), nullptr);
    auto other = controller_->ask({"dns"}, "", {});
    ASSERT_TRUE(until([&] { return controller_->directives().list().size() == 1; }));
    EXPECT_EQ(controller_->directives().list()[0].directive.spec.types, std::vector<std::string>{"dns"});
}

TEST_F(ControllerTest, a_lease_that_a_dead_controller_left_is_removed) {
    controller_.reset();
    directive::Directive left;
    left.metadata.name = "watch-1";
    left.metadata.uid = "00000000-0000-4000-8000-000000000001";
    left.metadata.generation = 1;
    directive::Directive fresh = left, other = left;
    left.metadata.labels[directive::lease_label] = std::to_string(::time(nullptr) - 3600);
    fresh.metadata.name = "watch-2";
    fresh.metadata.labels[directive::lease_label] = std::to_string(::time(nullptr) - 10);  // its controller may be cut off
    other.metadata.name = "other";
    for (const directive::Directive& d : {left, fresh, other})
        ASSERT_TRUE(bus_->put(bus::bucket::directives, directive::identity(d), directive::canonical(d)));
    auto controller = Controller::open({}, *bus_);
    ASSERT_TRUE(controller) << controller.error();
    controller_ = std::move(*controller);
    ASSERT_TRUE(until([&] { return controller_->directives().ready() && controller_->directives().list().size() == 2; }));
    EXPECT_FALSE(controller_->directives().find(directive::Kind::metadata, "watch-1"));
}

TEST(Sequences, gaps_late_batches_and_repetitions_are_counted) {
    Sequences s;
    const auto note = [&](std::string_view first, std::string_view last, std::string_view agent = "n/1/0") {
        const bus::Header headers[] = {{bus::header::agent, agent}, {bus::header::first, first}, {bus::header::last, last}};
        return s.note("cvf.v1.records.dns.n", headers);
    };
    EXPECT_TRUE(note("100", "109"));  // we came late: what was before is not missing
    EXPECT_TRUE(note("120", "129"));
    EXPECT_EQ(s.totals().missing, 10u);
    EXPECT_FALSE(note("120", "129"));
    EXPECT_EQ(s.totals().duplicates, 10u);
    EXPECT_TRUE(note("113", "115"));
    EXPECT_EQ(s.totals().missing, 7u);
    EXPECT_TRUE(note("110", "119"));
    EXPECT_EQ(s.totals().missing, 0u);
    EXPECT_EQ(s.totals().records, 30u);
    EXPECT_EQ(s.totals().duplicates, 13u);
    EXPECT_TRUE(note("1", "5", "n/2/0"));
    EXPECT_EQ(s.totals().records, 35u);
    EXPECT_TRUE(s.note("cvf.v1.records.dns.n", {}));
    EXPECT_EQ(s.totals().unnumbered, 1u);
}

}  // namespace
}  // namespace cvf::controller
