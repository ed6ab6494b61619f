// Steering: directives on the bus become rules of the data path, and each says how it fares.
#include "agent/steering.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <thread>

#include "bus/subjects.h"
#include "directive/parse.h"
#include "directive/signature.h"
#include "directive/write.h"

namespace cvf::agent {
namespace {

using directive::State;
using record::Field;
using record::RecordType;

struct Kept final : sink::RecordSink {
    std::mutex mutex;
    std::vector<std::string> lines;
    size_t write(const record::Record& r, const record::Projection* fields) override {
        record::Buffer out;
        record::write_json(r, fields, out);
        const std::lock_guard lock(mutex);
        lines.emplace_back(out.view());
        return out.size();
    }
    void flush() override {}
    void finish(std::chrono::milliseconds) override {}
    sink::RecordSinkStats stats() const override { return {}; }
};

class SteeringTest : public testing::Test {
 protected:
    void SetUp() override {
        char name[] = "/tmp/cvf-steering-XXXXXX";
        ASSERT_NE(mkdtemp(name), nullptr);
        directory_ = name;
        bus::Options options;
        options.url = std::string("local:steering-") + testing::UnitTest::GetInstance()->current_test_info()->name();
        auto bus = bus::Bus::connect(std::move(options));
        ASSERT_TRUE(bus) << bus.error();
        bus_ = std::move(*bus);
    }
    void TearDown() override {
        steering_.reset();
        bus_.reset();
        std::filesystem::remove_all(directory_);
    }

    void start(std::function<void(SteeringOptions&)> change = {}) {
        SteeringOptions options;
        options.node.name = "node-1";
        options.node.instance = "1";
        options.node.labels = {{"zone", "a"}};
        options.bus = bus_.get();
        options.ways = {way_, directory_ + "/records", "node-1"};
        options.policy.output_directory = directory_ + "/records";
        options.slot = &slot_;
        options.state_file = directory_ + "/state";
        options.status_every = std::chrono::milliseconds(50);
        if (change) change(options);
        auto steering = Steering::start(std::move(options));
        ASSERT_TRUE(steering) << steering.error();
        steering_ = std::move(*steering);
    }

    static directive::Directive parse(const std::string& yaml) {
        auto parsed = directive::parse_one(yaml);
        EXPECT_TRUE(parsed) << parsed.error().front().show();
        directive::Directive d = *parsed;
        d.metadata.generation = 1;
        d.metadata.uid =
            fmt::format("00000000-0000-4000-8000-{:012x}", std::hash<std::string>()(d.metadata.name) & 0xffffffffffff);
        return d;
    }
    void put(const directive::Directive& d) {
        ASSERT_TRUE(bus_->put(bus::bucket::directives, directive::identity(d), directive::canonical(d)));
    }
    void put(const std::string& yaml) { put(parse(yaml)); }

    std::optional<directive::Status> status_of(const std::string& identity) {
        for (const auto& s : steering_->status().directives)
            if (s.directive == identity) return s;
        return std::nullopt;
    }
    template <typename Done>
    bool until(Done done) {
        for (int i = 0; i < 5000; i++) {
            if (done()) return true;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        return false;
    }
    bool becomes(const std::string& identity, State state) {
        return until([&] {
            const auto s = status_of(identity);
            return s && s->state == state;
        });
    }
    // What the data path would have in force now.
    pipeline::Rules& rules() {
        if (auto next = slot_.take()) rules_ = std::move(next);
        if (!rules_) rules_ = std::make_unique<pipeline::Rules>();
        return *rules_;
    }
    void route(RecordType type, uint64_t status = 200) {
        record_.begin(type, 1'700'000'000'000'000'000);
        record_.text(Field::record_id, "r");
        if (type == RecordType::http) record_.uint(Field::http_response_status_code, status);
        rules().route(record_);
    }

    std::string directory_;
    std::unique_ptr<bus::Bus> bus_;
    std::shared_ptr<Kept> way_ = std::make_shared<Kept>();
    pipeline::RuleSlot slot_;
    std::unique_ptr<pipeline::Rules> rules_;
    record::Record record_;
    std::unique_ptr<Steering> steering_;
};

constexpr const char* errors = R"(apiVersion: cvf/v1
kind: Metadata
metadata: {name: errors}
spec:
  types: [http]
  filter: http.response.status_code >= 500
)";

TEST_F(SteeringTest, without_a_directive_flows_and_health_go_out_and_nothing_else) {
    start();
    EXPECT_TRUE(rules().wanted()[static_cast<size_t>(RecordType::flow)]);
    EXPECT_TRUE(rules().wanted()[static_cast<size_t>(RecordType::health)]);
    EXPECT_EQ(rules().wanted().count(), 2u);
}

TEST_F(SteeringTest, a_directive_comes_into_force_changes_and_goes) {
    start();
    put(errors);
    ASSERT_TRUE(becomes("Metadata/errors", State::active));
    route(RecordType::http, 503);
    route(RecordType::http, 200);
    route(RecordType::flow);
    EXPECT_EQ(way_->lines.size(), 1u);

    directive::Directive changed = parse(errors);
    changed.spec.filter = "http.response.status_code == 404";
    changed.metadata.generation = 2;
    put(changed);
    ASSERT_TRUE(until([&] {
        const auto s = status_of("Metadata/errors");
        return s && s->generation == 2 && s->state == State::active;
    }));
    route(RecordType::http, 404);
    EXPECT_EQ(way_->lines.size(), 2u);

    ASSERT_TRUE(bus_->remove(bus::bucket::directives, "Metadata/errors"));
    ASSERT_TRUE(until([&] { return !status_of("Metadata/errors"); }));
    EXPECT_TRUE(rules().wanted()[static_cast<size_t>(RecordType::flow)]);
    EXPECT_FALSE(rules().wanted()[static_cast<size_t>(RecordType::http)]);
}

TEST_F(SteeringTest, another_nodes_directive_is_not_ours) {
    start();
    put(R"(apiVersion: cvf/v1
kind: Metadata
metadata: {name: elsewhere}
spec: {selector: {nodes: [node-2]}}
)");
    put(R"(apiVersion: cvf/v1
kind: Metadata
metadata: {name: zone-b}
spec: {selector: {nodeLabels: {zone: b}}}
)");
    put(R"(apiVersion: cvf/v1
kind: Metadata
metadata: {name: zone-a}
spec: {selector: {nodeLabels: {zone: a}}}
)");
    ASSERT_TRUE(becomes("Metadata/zone-a", State::active));
    EXPECT_FALSE(status_of("Metadata/elsewhere"));
    EXPECT_FALSE(status_of("Metadata/zone-b"));
}

TEST_F(SteeringTest, garbage_on_the_bus_is_reported_and_harms_nothing) {
    start();
    put(errors);
    ASSERT_TRUE(bus_->put(bus::bucket::directives, "Metadata/junk", "{{{{"));
    ASSERT_TRUE(bus_->put(bus::bucket::directives, "Metadata/other-name", directive::canonical(parse(errors))));
    ASSERT_TRUE(becomes("Metadata/junk", State::rejected));
    ASSERT_TRUE(becomes("Metadata/other-name", State::rejected));
    EXPECT_TRUE(becomes("Metadata/errors", State::active));
    EXPECT_FALSE(status_of("Metadata/junk")->reason.empty());
}

TEST_F(SteeringTest, what_ends_by_volume_stays_ended_also_after_a_restart) {
    start();
    put(R"(apiVersion: cvf/v1
kind: Metadata
metadata: {name: three}
spec: {types: [http], limits: {records: 3}}
)");
    ASSERT_TRUE(becomes("Metadata/three", State::active));
    for (int i = 0; i < 10; i++) route(RecordType::http);
    EXPECT_EQ(way_->lines.size(), 3u);
    ASSERT_TRUE(becomes("Metadata/three", State::expired));
    steering_.reset();
    rules_.reset();
    start();
    ASSERT_TRUE(becomes("Metadata/three", State::expired));
    route(RecordType::http);
    EXPECT_EQ(way_->lines.size(), 3u);
}

TEST_F(SteeringTest, a_volume_is_not_begun_anew_by_a_restart) {
    const char* three = R"(apiVersion: cvf/v1
kind: Metadata
metadata: {name: three}
spec: {types: [http], limits: {records: 3}}
)";
    start();
    put(three);
    ASSERT_TRUE(becomes("Metadata/three", State::active));
    for (int i = 0; i < 2; i++) route(RecordType::http);
    steering_.reset();
    rules_.reset();
    start();
    ASSERT_TRUE(becomes("Metadata/three", State::active));
    for (int i = 0; i < 10; i++) route(RecordType::http);
    EXPECT_EQ(way_->lines.size(), 3u);
    ASSERT_TRUE(becomes("Metadata/three", State::expired));
}

TEST_F(SteeringTest, another_generation_has_another_life) {
    start();
    directive::Directive d = parse(R"(apiVersion: cvf/v1
kind: Metadata
metadata: {name: three}
spec: {types: [http], limits: {records: 3}}
)");
    put(d);
    ASSERT_TRUE(becomes("Metadata/three", State::active));
    for (int i = 0; i < 5; i++) route(RecordType::http);
    ASSERT_TRUE(becomes("Metadata/three", State::expired));
    // Generation 2 had another spec, which this agent never saw.
    d.metadata.generation = 3;
    put(d);
    ASSERT_TRUE(becomes("Metadata/three", State::active));
    for (int i = 0; i < 5; i++) route(RecordType::http);
    EXPECT_EQ(way_->lines.size(), 6u);
}

TEST_F(SteeringTest, what_has_ended_stays_ended_among_very_many) {
    start();
    const std::string spec = "spec: {types: [http], limits: {records: 1}}\n";
    const auto document = [&](int i) {
        return parse(fmt::format("apiVersion: cvf/v1\nkind: Metadata\nmetadata: {{name: many-{}}}\n{}", i, spec));
    };
    for (int i = 0; i < 300; i++) put(document(i));
    ASSERT_TRUE(becomes("Metadata/many-299", State::active));
    for (int i = 0; i < 2; i++) route(RecordType::http);
    ASSERT_TRUE(becomes("Metadata/many-0", State::expired));
    ASSERT_TRUE(becomes("Metadata/many-299", State::expired));
    steering_.reset();
    rules_.reset();
    start();
    ASSERT_TRUE(becomes("Metadata/many-299", State::expired));
    ASSERT_TRUE(becomes("Metadata/many-0", State::expired));
}

TEST_F(SteeringTest, what_ends_by_time_ends) {
    start();
    put(R"(apiVersion: cvf/v1
kind: Metadata
metadata: {name: short}
spec: {types: [http], limits: {duration: 3s}}
)");
    ASSERT_TRUE(becomes("Metadata/short", State::active));
    EXPECT_GT(status_of("Metadata/short")->ends, 0);
    ASSERT_TRUE(becomes("Metadata/short", State::expired));
    route(RecordType::http);
    EXPECT_TRUE(way_->lines.empty());
}

TEST_F(SteeringTest, a_directive_from_the_bus_writes_files_only_where_it_may) {
    start();
    put(R"(apiVersion: cvf/v1
kind: Metadata
metadata: {name: inside}
spec: {types: [http], output: [{sink: file, path: errors.jsonl}]}
)");
    put(R"(apiVersion: cvf/v1
kind: Metadata
metadata: {name: outside}
spec: {types: [http], output: [{sink: file, path: /etc/cvf-outside}]}
)");
    ASSERT_TRUE(becomes("Metadata/inside", State::active)) << status_of("Metadata/inside")->reason;
    ASSERT_TRUE(becomes("Metadata/outside", State::rejected));
    route(RecordType::http);
    rules().flush(1);
    EXPECT_TRUE(way_->lines.empty());
    ASSERT_TRUE(until([&] {
        rules().tick();
        std::ifstream file(directory_ + "/records/errors.jsonl");
        std::string line;
        return std::getline(file, line) && line.find("\"http\"") != std::string::npos;
    }));
    EXPECT_FALSE(std::filesystem::exists("/etc/cvf-outside"));
}

TEST_F(SteeringTest, the_agents_own_policy_outranks_what_is_asked) {
    start([](SteeringOptions& o) { o.policy.deny_kinds = {directive::Kind::metadata}; });
    put(errors);
    ASSERT_TRUE(becomes("Metadata/errors", State::rejected));
}

TEST_F(SteeringTest, where_signatures_are_required_only_signed_directives_run) {
    auto key = directive::PrivateKey::generate();
    ASSERT_TRUE(key);
    start([&](SteeringOptions& o) {
        o.policy.require_signature = true;
        o.policy.trusted = {key->public_key()};
    });
    put(errors);
    ASSERT_TRUE(becomes("Metadata/errors", State::rejected));
    directive::Directive d = parse(errors);
    d.metadata.name = "signed";
    directive::sign(d, *key, static_cast<int64_t>(::time(nullptr)) * 1'000'000'000, std::chrono::hours(1));
    put(d);
    ASSERT_TRUE(becomes("Metadata/signed", State::active)) << status_of("Metadata/signed")->reason;
    d.spec.filter = "true || false";
    d.metadata.generation = 2;
    put(d);
    ASSERT_TRUE(becomes("Metadata/signed", State::rejected));
}

TEST_F(SteeringTest, a_signed_directive_has_one_life_whatever_uid_it_comes_with) {
    auto key = directive::PrivateKey::generate();
    ASSERT_TRUE(key);
    start([&](SteeringOptions& o) {
        o.policy.require_signature = true;
        o.policy.trusted = {key->public_key()};
    });
    directive::Directive d = parse(R"(apiVersion: cvf/v1
kind: Metadata
metadata: {name: three}
spec: {types: [http], limits: {records: 3}}
)");
    directive::sign(d, *key, static_cast<int64_t>(::time(nullptr)) * 1'000'000'000, std::chrono::hours(1));
    put(d);
    ASSERT_TRUE(becomes("Metadata/three", State::active)) << status_of("Metadata/three")->reason;
    for (int i = 0; i < 5; i++) route(RecordType::http);
    ASSERT_TRUE(becomes("Metadata/three", State::expired));
    d.metadata.uid = "00000000-0000-4000-8000-000000000001";
    d.metadata.generation = 7;
    put(d);
    ASSERT_TRUE(until([&] { return status_of("Metadata/three")->generation == 7; }));
    EXPECT_EQ(status_of("Metadata/three")->state, State::expired);
    for (int i = 0; i < 5; i++) route(RecordType::http);
    EXPECT_EQ(way_->lines.size(), 3u);
}

TEST_F(SteeringTest, a_directive_ends_with_its_signature) {
    auto key = directive::PrivateKey::generate();
    ASSERT_TRUE(key);
    start([&](SteeringOptions& o) { o.policy.trusted = {key->public_key()}; });
    directive::Directive d = parse(errors);
    directive::sign(d, *key, (static_cast<int64_t>(::time(nullptr)) - 57) * 1'000'000'000, std::chrono::minutes(1));
    put(d);
    ASSERT_TRUE(becomes("Metadata/errors", State::active)) << status_of("Metadata/errors")->reason;
    ASSERT_TRUE(becomes("Metadata/errors", State::expired));
}

TEST_F(SteeringTest, a_lease_put_off_after_its_end_holds_again) {
    start();
    directive::Directive d = parse(errors);
    d.metadata.labels["cvf/until"] = std::to_string(::time(nullptr) - 1);
    put(d);
    ASSERT_TRUE(becomes("Metadata/errors", State::expired));
    steering_.reset();
    start();
    ASSERT_TRUE(becomes("Metadata/errors", State::expired));
    d.metadata.labels["cvf/until"] = std::to_string(::time(nullptr) + 60);
    put(d);
    ASSERT_TRUE(becomes("Metadata/errors", State::active));
}

TEST_F(SteeringTest, a_lease_that_is_not_put_off_ends) {
    start();
    directive::Directive d = parse(errors);
    d.metadata.labels["cvf/until"] = std::to_string(::time(nullptr) + 4);
    put(d);
    ASSERT_TRUE(becomes("Metadata/errors", State::active));
    EXPECT_TRUE(rules().wanted()[static_cast<size_t>(RecordType::flow)]) << "who looks on must not end what is published anyway";
    ASSERT_TRUE(becomes("Metadata/errors", State::expired));
}

TEST_F(SteeringTest, the_nodes_document_tells_state_and_says_goodbye) {
    start();
    std::mutex mutex;
    std::optional<directive::NodeStatus> seen;
    auto watch = bus_->watch(bus::bucket::nodes, [&](const bus::Document* document) {
        if (!document || document->removed) return;
        auto status = directive::node_status_from_json(document->value);
        ASSERT_TRUE(status) << status.error();
        const std::lock_guard lock(mutex);
        seen = *status;
    });
    ASSERT_TRUE(watch);
    put(errors);
    ASSERT_TRUE(until([&] {
        const std::lock_guard lock(mutex);
        return seen && seen->directives.size() == 1 && seen->directives[0].state == State::active;
    }));
    steering_.reset();
    ASSERT_TRUE(until([&] {
        const std::lock_guard lock(mutex);
        return seen->leaving;
    }));
}

TEST_F(SteeringTest, a_directive_that_aggregates_sends_sums_and_at_its_end_the_window_that_is_open) {
    start();
    put(R"(apiVersion: cvf/v1
kind: Metadata
metadata: {name: edges}
spec: {types: [http], aggregate: {window: 1h, by: [http.response.status_code], values: [count, latency]}}
)");
    ASSERT_TRUE(becomes("Metadata/edges", State::active)) << status_of("Metadata/edges")->reason;
    const int64_t now = static_cast<int64_t>(::time(nullptr)) * 1'000'000'000;
    rules().flush(now);
    for (int i = 0; i < 3; i++) route(RecordType::http, 200);
    route(RecordType::http, 404);
    put(errors);  // another one comes: the window stays open
    ASSERT_TRUE(becomes("Metadata/errors", State::active));
    auto next = slot_.take();
    ASSERT_TRUE(next);
    rules_->finish(now, next.get());
    rules_ = std::move(next);
    EXPECT_TRUE(way_->lines.empty());
    route(RecordType::http, 404);
    ASSERT_TRUE(bus_->remove(bus::bucket::directives, "Metadata/edges"));
    ASSERT_TRUE(until([&] { return !status_of("Metadata/edges"); }));
    next = slot_.take();
    ASSERT_TRUE(next);
    rules_->finish(now + 5'000'000'000, next.get());
    ASSERT_EQ(way_->lines.size(), 2u);
    for (const std::string& line : way_->lines) {
        EXPECT_NE(line.find("\"cvf.metric.directive\":\"Metadata/edges\""), std::string::npos) << line;
        EXPECT_NE(line.find("\"host.name\":\"node-1\""), std::string::npos) << line;
        EXPECT_NE(line.find("\"cvf.metric.window\":5000000000"), std::string::npos) << line;
        const bool found = line.find("\"http.response.status_code\":200") != std::string::npos;
        EXPECT_NE(line.find(found ? "\"cvf.metric.count\":3" : "\"cvf.metric.count\":2"), std::string::npos) << line;
    }
}

TEST_F(SteeringTest, each_change_of_state_is_a_message_too_and_the_rest_is_not) {
    std::mutex mutex;
    std::vector<directive::NodeStatus> told;
    auto subscription = bus_->subscribe(bus::subject::status("node-1"), "", [&](const bus::Message& m) {
        auto status = directive::node_status_from_json(m.payload);
        ASSERT_TRUE(status) << status.error();
        EXPECT_TRUE(m.durable);
        const std::lock_guard lock(mutex);
        told.push_back(*status);
    });
    ASSERT_TRUE(subscription);
    const auto count = [&] {
        const std::lock_guard lock(mutex);
        return told.size();
    };
    start();
    ASSERT_TRUE(until([&] { return count() == 1; })) << "it began";
    put(errors);
    ASSERT_TRUE(becomes("Metadata/errors", State::active));
    ASSERT_TRUE(until([&] { return count() == 2; }));
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    EXPECT_EQ(count(), 2u) << "a status every 50 ms is no change";
    steering_.reset();
    ASSERT_TRUE(until([&] { return count() == 3; }));
    EXPECT_EQ(told[1].directives.size(), 1u);
    EXPECT_TRUE(told[2].leaving);
}

}  // namespace
}  // namespace cvf::agent
