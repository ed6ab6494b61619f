// Rules that send sums over windows: what went in comes out, whatever rate, volume and change of rules there is in between.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "pipeline/shard.h"
#include "record/parse.h"
#include "tap/file.h"

namespace cvf::pipeline {
namespace {

using record::Field;
using record::RecordType;

constexpr int64_t second = 1'000'000'000;
constexpr int64_t noon = 1'767'355'200 * second;

// Keeps numbers of what it is given.
struct Kept final : sink::RecordSink {
    uint64_t records = 0, sums = 0, counted = 0, others = 0, bytes = 0, flow_bytes = 0, metric_bytes = 0;
    std::map<std::string, uint64_t> by_type, counted_by_type;
    std::vector<std::string> lines;
    size_t write(const record::Record& r, const record::Projection* fields) override {
        const auto number = [&](Field field) {
            const record::Value* v = r.lookup(field);
            return v ? v->uint : 0;
        };
        records++;
        if (r.type() == RecordType::metric) {
            sums++;
            counted += number(Field::metric_count);
            metric_bytes += number(Field::network_bytes);
            if (r.lookup(Field::metric_other)) others++;
            if (const record::Value* type = r.lookup(Field::metric_type))
                counted_by_type[std::string(type->as_text())] += number(Field::metric_count);
        } else {
            by_type[std::string(record::info(r.type()).name)]++;
            const record::Value* state = r.lookup(Field::flow_state);
            if (state && state->as_text() == "final") flow_bytes += number(Field::network_bytes);
        }
        record::Buffer out;
        record::write_json(r, fields, out);
        lines.emplace_back(out.view());
        bytes += out.size();
        return out.size();
    }
    void flush() override {}
    void finish(std::chrono::milliseconds) override {}
    sink::RecordSinkStats stats() const override { return {}; }
};

class SumsTest : public testing::Test {
 protected:
    Rule rule(std::shared_ptr<sink::RecordSink> way, std::initializer_list<RecordType> types = {RecordType::http}) {
        Rule r;
        r.directive = "test";
        r.selection.types.reset();
        for (RecordType t : types) r.selection.types.set(static_cast<size_t>(t));
        if (types.size() == 0) r.selection.types.set();
        r.ways.push_back(std::move(way));
        return r;
    }
    Rule sums(std::shared_ptr<sink::RecordSink> way, std::initializer_list<RecordType> types = {RecordType::http},
              std::vector<Field> by = {Field::destination_port}) {
        Rule r = rule(std::move(way), types);
        metric::WindowOptions o;
        o.length = 10 * second;
        o.by = std::move(by);
        o.bytes = o.packets = o.latency = true;
        o.directive = "Metadata/test";
        o.node = "n1";
        o.id_seed = ++seed_;
        r.sums = std::make_shared<metric::Windows>(std::move(o));
        return r;
    }
    const record::Record& http(uint64_t port, uint64_t duration = 1000) {
        record_.begin(RecordType::http, noon);
        record_.text(Field::record_id, "r");
        record_.uint(Field::destination_port, port);
        record_.uint(Field::event_duration, duration);
        return record_;
    }
    template <typename... R>
    static std::unique_ptr<Rules> make(R... rules) {
        std::vector<Rule> list;
        (list.push_back(std::move(rules)), ...);
        return std::make_unique<Rules>(std::move(list));
    }

    record::Record record_;
    std::shared_ptr<Kept> way_ = std::make_shared<Kept>(), other_ = std::make_shared<Kept>();
    uint64_t seed_ = 0;
};

TEST_F(SumsTest, sums_go_out_in_place_of_the_records_when_the_window_is_over) {
    auto r = make(sums(way_));
    r->flush(noon);
    for (int i = 0; i < 7; i++) r->route(http(80));
    r->flush(noon + 9 * second);
    EXPECT_EQ(way_->records, 0u);
    r->flush(noon + 10 * second);
    ASSERT_EQ(way_->lines.size(), 1u);
    EXPECT_NE(way_->lines[0].find("\"cvf.metric.count\":7"), std::string::npos) << way_->lines[0];
    EXPECT_NE(way_->lines[0].find("\"destination.port\":80"), std::string::npos) << way_->lines[0];
}

TEST_F(SumsTest, what_a_rule_has_made_others_may_want_but_nobody_sums_it_again) {
    auto r = make(sums(way_, {}), rule(other_, {RecordType::metric}), rule(way_, {}));
    uint64_t told = 0;
    r->on_made = [&](const record::Record& made) { told += made.type() == RecordType::metric; };
    r->flush(noon);
    r->route(http(80));
    for (int i = 1; i < 10; i++) r->flush(noon + i * 10 * second);
    EXPECT_EQ(way_->sums, 1u) << "once, though two rules want it there";
    EXPECT_EQ(way_->records, 2u);
    EXPECT_EQ(other_->records, 1u);
    EXPECT_EQ(told, 1u);
}

TEST_F(SumsTest, many_groups_go_out_over_several_turns) {
    auto r = make(sums(way_));
    r->flush(noon);
    for (uint64_t i = 0; i < 5000; i++) r->route(http(i));
    r->flush(noon + 10 * second);
    EXPECT_GT(way_->records, 0u);
    EXPECT_LT(way_->records, 1000u);
    for (int i = 1; i < 20; i++) r->flush(noon + 10 * second + i * 10'000'000);
    EXPECT_EQ(way_->records, 5000u);
    EXPECT_EQ(way_->counted, 5000u);
}

TEST_F(SumsTest, a_rate_holds_and_what_it_leaves_is_one_sum_that_says_so) {
    Rule slow = sums(way_);
    slow.limits.records_per_second = 10;
    auto counts = slow.counts;
    auto r = make(std::move(slow));
    int64_t now = noon;
    r->flush(now);
    for (int window = 0; window < 5; window++) {
        for (uint64_t i = 0; i < 1000; i++) r->route(http(i));
        for (int turn = 0; turn < 1000; turn++) r->flush(now += 10'000'000);
    }
    r->finish(now);
    EXPECT_EQ(way_->counted, 5000u);
    EXPECT_GE(way_->others, 4u);
    EXPECT_LE(way_->records, 10u * 50 + 10 + 5);  // the rate, its first second, and the sums of what is left
    EXPECT_EQ(counts->limited + way_->records - way_->others, 5000u);
}

TEST_F(SumsTest, a_volume_is_of_the_sums_and_ends_the_rule) {
    Rule small = sums(way_);
    small.limits.records = 3;
    auto counts = small.counts;
    auto r = make(std::move(small));
    r->flush(noon);
    for (uint64_t i = 0; i < 10; i++) r->route(http(i));
    EXPECT_FALSE(counts->used_up);
    for (int i = 1; i < 10; i++) r->flush(noon + i * 10 * second);
    EXPECT_EQ(way_->records, 3u);
    EXPECT_TRUE(counts->used_up);
    r->finish(noon + 100 * second);
    EXPECT_EQ(way_->records, 3u);
}

TEST_F(SumsTest, what_is_not_in_the_sample_is_not_in_the_sums) {
    Rule sampled = sums(way_);
    sampled.sample.one_in = 4;
    auto counts = sampled.counts;
    auto r = make(std::move(sampled));
    r->flush(noon);
    for (uint64_t i = 0; i < 2000; i++) {
        http(80);
        record_.ip(Field::source_address, std::array<uint8_t, 4>{10, 0, 0, 1});
        record_.ip(Field::destination_address, std::array<uint8_t, 4>{10, 0, 0, 2});
        record_.uint(Field::source_port, i);
        r->route(record_);
    }
    r->finish(noon + second);
    EXPECT_EQ(way_->counted + counts->sampled_out, 2000u);
    EXPECT_NEAR(static_cast<double>(way_->counted), 500, 100);
}

TEST_F(SumsTest, a_change_of_other_rules_leaves_a_window_open_and_the_rules_own_end_sends_it) {
    Rule kept = sums(way_), gone = sums(other_);
    Rule again = rule(way_);
    again.sums = kept.sums;
    again.counts = kept.counts;
    RuleSlot slot;
    Shard shard(ShardOptions{}, {}, nullptr, &slot);
    slot.put(make(std::move(kept), std::move(gone)));
    shard.advance(noon);
    shard.flush();
    const auto emit = [&] {
        record::Record& r = shard.start(RecordType::http, noon);
        r.uint(Field::destination_port, 80);
        shard.emit_record(r);
    };
    emit();
    slot.put(make(std::move(again)));
    shard.advance(noon + 3 * second);
    shard.flush();
    EXPECT_EQ(way_->records, 0u);
    EXPECT_EQ(other_->counted, 1u);
    ASSERT_EQ(other_->lines.size(), 1u);
    EXPECT_NE(other_->lines[0].find("\"cvf.metric.window\":3000000000"), std::string::npos) << other_->lines[0];
    emit();
    shard.advance(noon + 4 * second);
    shard.finish();
    shard.flush();
    EXPECT_EQ(way_->counted, 2u);
    EXPECT_EQ(way_->records, 1u);
    shard.flush();
    EXPECT_EQ(way_->records, 1u);
}

TEST_F(SumsTest, over_real_traffic_the_windows_add_up_to_the_records_and_bytes_there_were) {
    namespace fs = std::filesystem;
    const char* source = std::getenv("CVF_SOURCE");  // else started by hand, in the checkout
    std::vector<fs::path> captures;
    for (const fs::path& folder : {fs::path(source ? source : ".") / "tests/golden/captures",
                                   fs::path(std::getenv("CVF_PCAPS") ? std::getenv("CVF_PCAPS") : "none") / "dev"})
        if (fs::is_directory(folder))
            for (const auto& entry : fs::directory_iterator(folder))
                if (entry.path().string().find(".pcap") != std::string::npos) captures.push_back(entry.path());
    ASSERT_GE(captures.size(), 20u) << "run it in the checkout, or set CVF_SOURCE";
    uint64_t windows = 0, bytes = 0;
    for (const fs::path& capture : captures) {
        auto tap = tap::FileTap::open(capture);
        if (!tap) continue;
        *way_ = {}, *other_ = {};
        RuleSlot slot;
        Rule grouped = sums(other_, {}, {Field::record_type, Field::destination_port});
        auto counts = grouped.counts;
        slot.put(make(rule(way_, {}), std::move(grouped)));
        ShardOptions options;
        options.flow.report_every = 50'000'000;  // many interim records
        Shard shard(options, {}, nullptr, &slot);
        shard.flush();
        decode::Packet packet;
        for (int i = 0; tap->next(packet); i++) {
            shard.frame(packet);
            if (i % 3 == 0) shard.flush();
        }
        shard.finish();
        shard.flush();
        EXPECT_EQ(other_->counted_by_type, way_->by_type) << capture;
        EXPECT_EQ(other_->metric_bytes, way_->flow_bytes) << capture;
        EXPECT_EQ(other_->counted, counts->matched) << capture;
        EXPECT_EQ(way_->sums, other_->sums) << capture << ": the other rule wants these too";
        for (const std::string& line : other_->lines) {
            record::Record read;
            EXPECT_TRUE(record::parse_record(line, read)) << line;
            EXPECT_EQ(read.type(), RecordType::metric);
        }
        windows += other_->sums;
        bytes += other_->metric_bytes;
    }
    EXPECT_GT(windows, 100u);
    EXPECT_GT(bytes, 100'000u);
}

}  // namespace
}  // namespace cvf::pipeline
