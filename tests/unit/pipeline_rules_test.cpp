// Rules: several directives over the same records.
#include "pipeline/rules.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace cvf::pipeline {
namespace {

using record::Field;
using record::RecordType;

struct Kept final : sink::RecordSink {
    std::vector<std::string> lines;
    size_t flushes = 0;
    size_t write(const record::Record& r, const record::Projection* fields) override {
        record::Buffer out;
        record::write_json(r, fields, out);
        lines.emplace_back(out.view());
        return out.size();
    }
    void flush() override { flushes++; }
    void finish(std::chrono::milliseconds) override {}
    sink::RecordSinkStats stats() const override { return {}; }
};

Selection select(std::initializer_list<RecordType> types, std::string_view filter = {}, std::vector<std::string> fields = {}) {
    Selection s;
    s.types.reset();
    for (RecordType t : types) s.types.set(static_cast<size_t>(t));
    if (!filter.empty()) s.filter = std::move(*filter::Filter::compile(filter));
    if (!fields.empty()) s.fields = *record::Projection::parse(fields);
    return s;
}

Rule rule(Selection selection, std::vector<std::shared_ptr<sink::RecordSink>> ways) {
    Rule r;
    r.directive = "test";
    r.selection = std::move(selection);
    r.ways = std::move(ways);
    return r;
}

template <typename... R>
Rules rules(R... all) {
    std::vector<Rule> list;
    (list.push_back(std::move(all)), ...);
    return Rules(std::move(list));
}

class RulesTest : public testing::Test {
 protected:
    record::Record& http(uint64_t status, uint16_t port = 4711) {
        record_.begin(RecordType::http, 1'700'000'000'000'000'000);
        record_.text(Field::record_id, "r");
        record_.ip(Field::source_address, std::array<uint8_t, 4>{10, 0, 0, 1});
        record_.ip(Field::destination_address, std::array<uint8_t, 4>{10, 0, 0, 2});
        record_.uint(Field::source_port, port);
        record_.uint(Field::destination_port, 80);
        record_.text(Field::network_transport, "tcp");
        record_.uint(Field::http_response_status_code, status);
        return record_;
    }
    record::Record record_;
    std::shared_ptr<Kept> way_ = std::make_shared<Kept>(), other_ = std::make_shared<Kept>();
};

TEST_F(RulesTest, a_record_that_two_rules_want_goes_out_once_with_the_fields_of_both) {
    Rules r = rules(rule(select({RecordType::http}, "http.response.status_code >= 500", {"source.port"}), {way_}),
                    rule(select({RecordType::http}, {}, {"http.response.status_code"}), {way_}));
    r.route(http(503));
    r.route(http(200));
    ASSERT_EQ(way_->lines.size(), 2u);
    EXPECT_NE(way_->lines[0].find("4711"), std::string::npos);
    EXPECT_NE(way_->lines[0].find("503"), std::string::npos);
    EXPECT_EQ(way_->lines[1].find("4711"), std::string::npos);
}

TEST_F(RulesTest, each_way_gets_what_its_own_rules_want) {
    Rules r = rules(rule(select({RecordType::http}, "http.response.status_code >= 500"), {way_}),
                    rule(select({RecordType::http}), {other_}));
    r.route(http(200));
    r.route(http(500));
    EXPECT_EQ(way_->lines.size(), 1u);
    EXPECT_EQ(other_->lines.size(), 2u);
}

TEST_F(RulesTest, only_types_that_some_rule_wants_are_wanted) {
    Rules r = rules(rule(select({RecordType::http, RecordType::dns}, "has(http.response.status_code)"), {way_}));
    EXPECT_TRUE(r.wanted()[static_cast<size_t>(RecordType::http)]);
    EXPECT_FALSE(r.wanted()[static_cast<size_t>(RecordType::dns)]);
    EXPECT_FALSE(r.wanted()[static_cast<size_t>(RecordType::flow)]);
}

TEST_F(RulesTest, a_sample_takes_whole_conversations_and_counts_the_rest) {
    Rule sampled = rule(select({RecordType::http}), {way_});
    sampled.sample.one_in = 10;
    auto counts = sampled.counts;
    Rules r = rules(std::move(sampled));
    for (int i = 0; i < 5000; i++) {
        r.route(http(200, static_cast<uint16_t>(10'000 + i / 5)));
    }
    EXPECT_EQ(way_->lines.size() % 5, 0u);
    EXPECT_NEAR(static_cast<double>(way_->lines.size()), 500, 150);
    EXPECT_EQ(counts->matched, 5000u);
    EXPECT_EQ(counts->sent + counts->sampled_out, 5000u);
}

TEST_F(RulesTest, a_rate_holds_over_time_and_what_is_over_it_is_counted) {
    Rule limited = rule(select({RecordType::http}), {way_});
    limited.limits.records_per_second = 100;
    auto counts = limited.counts;
    Rules r = rules(std::move(limited));
    int64_t now = 1'000'000'000'000;
    for (int ms = 0; ms < 10'000; ms++) {
        r.route(http(200));
        r.flush(now += 1'000'000);
    }
    EXPECT_NEAR(static_cast<double>(counts->sent), 1100, 5);  // ten seconds, and the first second's saved
    EXPECT_EQ(counts->sent + counts->limited, 10'000u);
}

TEST_F(RulesTest, a_set_built_anew_gives_no_second_burst) {
    Rule first = rule(select({RecordType::http}), {way_});
    first.limits.records_per_second = 10;
    Rule second = rule(select({RecordType::http}), {way_});
    second.limits = first.limits;
    second.meter = first.meter;
    Rules before = rules(std::move(first));
    before.flush(1'000'000'000);
    for (int i = 0; i < 20; i++) before.route(http(200));
    EXPECT_EQ(way_->lines.size(), 10u);
    Rules after = rules(std::move(second));
    after.flush(1'000'000'000);
    for (int i = 0; i < 20; i++) after.route(http(200));
    EXPECT_EQ(way_->lines.size(), 10u);
    after.flush(1'500'000'000);
    for (int i = 0; i < 20; i++) after.route(http(200));
    EXPECT_EQ(way_->lines.size(), 15u);
}

TEST_F(RulesTest, a_rated_sample_goes_by_the_turns_time_not_by_what_records_tell_of) {
    Rule sampled = rule(select({RecordType::http}), {way_});
    sampled.sample.per_second = 10;
    Rules r = rules(std::move(sampled));
    const int64_t now = 1'700'000'000'000'000'000;
    for (int turn = 0; turn < 100; turn++) {  // 1 s
        r.flush(now + turn * 10'000'000);
        for (int i = 0; i < 10; i++) {
            record::Record& one = http(200, static_cast<uint16_t>(1024 + turn * 10 + i));
            // Every other one began 1.2 s ago.
            one.begin(RecordType::http, now + turn * 10'000'000 - (i % 2) * 1'200'000'000);
            r.route(one);
        }
    }
    EXPECT_LE(way_->lines.size(), 40u) << "of 1,000";
}

TEST_F(RulesTest, a_volume_ends_the_rule_and_leaves_others_alone) {
    Rule small = rule(select({RecordType::http}), {way_});
    small.limits.records = 3;
    auto counts = small.counts;
    Rules r = rules(std::move(small), rule(select({RecordType::http}), {other_}));
    for (int i = 0; i < 10; i++) r.route(http(200));
    EXPECT_EQ(way_->lines.size(), 3u);
    EXPECT_TRUE(counts->used_up);
    EXPECT_EQ(other_->lines.size(), 10u);
}

}  // namespace
}  // namespace cvf::pipeline
