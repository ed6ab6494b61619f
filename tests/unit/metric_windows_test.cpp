// Windows: what counts where and when, that nothing gets lost, and what a clock may do.
#include "metric/windows.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace cvf::metric {
namespace {

using record::Field;
using record::Kind;
using record::RecordType;
using record::Value;

constexpr int64_t second = 1'000'000'000;
constexpr int64_t noon = 1'767'355'200 * second;  // a whole multiple of ten seconds

// A record made, as keys and values that outlive it.
struct Made {
    int64_t start = 0;
    std::map<std::string, uint64_t> numbers;
    std::map<std::string, std::string> texts;
    std::map<std::string, std::vector<uint64_t>> lists;
    bool other = false;
    uint64_t number(const std::string& key) const {
        const auto at = numbers.find(key);
        EXPECT_NE(at, numbers.end()) << key;
        return at == numbers.end() ? 0 : at->second;
    }
};

class WindowsTest : public testing::Test {
 protected:
    static WindowOptions options() {
        WindowOptions o;
        o.length = 10 * second;
        o.by = {Field::destination_port};
        o.latency = true;
        o.directive = "Metadata/test";
        o.node = "n1";
        o.id_seed = 0xab;
        return o;
    }
    record::Record& http(uint64_t port, uint64_t duration = 0, bool error = false, std::string_view id = "r") {
        record_.begin(RecordType::http, noon);
        record_.copy(Field::record_id, id);
        if (port) record_.uint(Field::destination_port, port);
        if (duration) record_.uint(Field::event_duration, duration);
        if (error) record_.text(Field::error_type, "500");
        return record_;
    }
    // Takes all that is due.
    std::vector<Made> take(Windows& w) {
        std::vector<Made> all;
        while (const record::Record* r = w.next()) {
            EXPECT_EQ(r->type(), RecordType::metric);
            Made made;
            made.start = r->timestamp();
            for (const Value& v : r->values()) {
                const std::string key(record::info(v.field).key);
                if (v.kind == Kind::uint) made.numbers[key] = v.uint;
                if (v.kind == Kind::text) made.texts[key] = v.as_text();
                if (v.kind == Kind::list_uint)
                    for (const Value& item : v.as_items()) made.lists[key].push_back(item.uint);
                if (v.field == Field::metric_other) made.other = v.flag;
            }
            EXPECT_TRUE(ids_.insert(made.texts["record.id"]).second) << "two of one record.id";
            all.push_back(std::move(made));
        }
        return all;
    }
    // Tells the time, as a pipeline does.
    std::vector<Made> pass(Windows& w, int64_t now) {
        std::vector<Made> all;
        if (w.advance(now)) {
            all = take(w);
            w.turn(now);
        }
        for (Made& m : take(w)) all.push_back(std::move(m));
        return all;
    }
    record::Record record_;
    std::set<std::string> ids_;
};

TEST_F(WindowsTest, sums_by_group_over_a_window_aligned_to_the_clock) {
    Windows w(options());
    EXPECT_TRUE(pass(w, noon).empty());
    w.add(http(80, 1000, false, "fast"));
    w.add(http(80, 9'000'000, true, "slow"));
    w.add(http(80, 2000, false, "middle"));
    w.add(http(443));
    EXPECT_TRUE(pass(w, noon + 9 * second).empty());
    const auto made = pass(w, noon + 10 * second + 5);
    ASSERT_EQ(made.size(), 2u);
    const Made& web = made[0].number("destination.port") == 80 ? made[0] : made[1];
    const Made& tls = made[0].number("destination.port") == 80 ? made[1] : made[0];
    EXPECT_EQ(web.start, noon);
    EXPECT_EQ(web.number("cvf.metric.window"), static_cast<uint64_t>(10 * second));
    EXPECT_EQ(web.number("cvf.metric.count"), 3u);
    EXPECT_EQ(web.number("cvf.metric.errors"), 1u);
    EXPECT_EQ(web.number("cvf.metric.latency.count"), 3u);
    EXPECT_EQ(web.number("cvf.metric.latency.sum"), 9'003'000u);
    EXPECT_EQ(web.number("cvf.metric.latency.min"), 1000u);
    EXPECT_EQ(web.number("cvf.metric.latency.max"), 9'000'000u);
    EXPECT_NEAR(static_cast<double>(web.number("cvf.metric.latency.p50")), 2000, 90);
    EXPECT_NEAR(static_cast<double>(web.number("cvf.metric.latency.p99")), 9e6, 405'000);
    EXPECT_EQ(web.lists.at("cvf.metric.latency.buckets").size(), 3u);
    EXPECT_EQ(web.lists.at("cvf.metric.latency.counts"), (std::vector<uint64_t>{1, 1, 1}));
    EXPECT_EQ(web.texts.at("cvf.metric.latency.slowest"), "slow");
    EXPECT_EQ(web.texts.at("cvf.metric.type"), "http");
    EXPECT_EQ(web.texts.at("cvf.metric.directive"), "Metadata/test");
    EXPECT_EQ(web.texts.at("host.name"), "n1");
    EXPECT_EQ(tls.number("cvf.metric.count"), 1u);
    EXPECT_FALSE(tls.numbers.contains("cvf.metric.latency.count"));
    EXPECT_TRUE(pass(w, noon + 30 * second).empty()) << "a window without records has none";
}

TEST_F(WindowsTest, every_kind_of_single_value_makes_groups_and_comes_back_as_it_was) {
    WindowOptions o = options();
    o.by = {Field::server_address, Field::source_address, Field::source_mac,  Field::cvf_truncated,
            Field::event_start,    Field::cvf_clock_step, Field::record_type, Field::destination_port};
    Windows w(o);
    w.advance(noon);
    const auto add = [&](std::string_view name, uint8_t last, bool six) {
        record_.begin(RecordType::flow, noon);
        record_.text(Field::server_address, name);
        std::array<uint8_t, 16> address{};
        address[six ? 15 : 3] = last;
        record_.ip(Field::source_address, std::span(address).first(six ? 16 : 4));
        record_.mac(Field::source_mac, address.data());
        record_.flag(Field::cvf_truncated, six);
        record_.time(Field::event_start, noon);
        record_.sint(Field::cvf_clock_step, -5);
        w.add(record_);
    };
    for (int i = 0; i < 3; i++) {
        add("a", 1, false);
        add("a", 1, true);
        add("a", 2, false);
        add("ab", 2, false);
        add(std::string(300, 'x'), 2, false);
    }
    EXPECT_EQ(w.groups(), 5u);
    w.turn(noon + second);
    std::set<std::string> names;
    while (const record::Record* r = w.next()) {
        EXPECT_EQ(r->lookup(Field::metric_count)->uint, 3u);
        EXPECT_EQ(r->lookup(Field::record_type)->as_text(), "metric");
        EXPECT_EQ(r->lookup(Field::metric_type)->as_text(), "flow");
        EXPECT_EQ(r->lookup(Field::cvf_clock_step)->sint, -5);
        EXPECT_EQ(r->lookup(Field::event_start)->sint, noon);
        const Value* address = r->lookup(Field::source_address);
        EXPECT_EQ(r->lookup(Field::cvf_truncated)->flag, address->short_size == 16);
        EXPECT_EQ(r->lookup(Field::source_mac)->inline_bytes[3], address->inline_bytes[3]);
        EXPECT_FALSE(r->lookup(Field::destination_port)) << "none had one";
        names.emplace(r->lookup(Field::server_address)->as_text());
    }
    EXPECT_EQ(names, (std::set<std::string>{"a", "ab", std::string(300, 'x')}));
}

TEST_F(WindowsTest, flow_records_add_up_to_the_conversations_totals_and_only_ended_ones_have_a_latency) {
    WindowOptions o = options();
    o.bytes = o.packets = true;
    Windows w(o);
    const auto flow = [&](bool final, uint64_t sequence, uint64_t packets) {
        record_.begin(RecordType::flow, noon);
        record_.text(Field::record_id, "f");
        record_.text(Field::flow_id, "0123456789abcdef");
        record_.uint(Field::destination_port, 443);
        record_.text(Field::flow_state, final ? "final" : "interim");
        record_.uint(Field::flow_sequence, sequence);
        record_.uint(Field::event_duration, (sequence + 1) * second);
        record_.uint(Field::source_packets, packets);
        record_.uint(Field::destination_packets, 2 * packets);
        record_.uint(Field::source_bytes, 100 * packets);
        record_.uint(Field::destination_bytes, 1000 * packets);
        w.add(record_);
    };
    w.advance(noon);
    flow(false, 0, 10);
    flow(false, 1, 25);
    auto made = pass(w, noon + 10 * second);
    ASSERT_EQ(made.size(), 1u);
    EXPECT_EQ(made[0].number("source.bytes"), 2500u);
    EXPECT_EQ(made[0].number("destination.bytes"), 25'000u);
    EXPECT_EQ(made[0].number("network.bytes"), 27'500u);
    EXPECT_FALSE(made[0].numbers.contains("cvf.metric.latency.count"));
    flow(true, 2, 31);
    made = pass(w, noon + 20 * second);
    ASSERT_EQ(made.size(), 1u);
    EXPECT_EQ(made[0].number("source.packets"), 6u);
    EXPECT_EQ(made[0].number("destination.packets"), 12u);
    EXPECT_EQ(made[0].number("network.packets"), 18u);
    EXPECT_EQ(made[0].number("source.bytes"), 600u);
    EXPECT_EQ(made[0].number("cvf.metric.latency.count"), 1u);
    EXPECT_EQ(made[0].number("cvf.metric.latency.max"), static_cast<uint64_t>(3 * second));
}

TEST_F(WindowsTest, what_has_no_room_is_summed_into_one_record_that_says_so) {
    WindowOptions o = options();
    o.max_groups = 10;
    Windows w(o);
    w.advance(noon);
    for (uint64_t i = 0; i < 1000; i++) w.add(http(1 + i % 100, 1000 + i, i % 2, "r" + std::to_string(i)));
    EXPECT_EQ(w.groups(), 10u);
    const auto made = pass(w, noon + 10 * second);
    ASSERT_EQ(made.size(), 11u);
    uint64_t count = 0, errors = 0, latencies = 0;
    for (const Made& m : made) {
        count += m.number("cvf.metric.count");
        errors += m.number("cvf.metric.errors");
        latencies += m.number("cvf.metric.latency.count");
        EXPECT_EQ(m.other, !m.numbers.contains("destination.port"));
        if (m.other) EXPECT_EQ(m.texts.at("cvf.metric.latency.slowest"), "r999");
        if (m.other) EXPECT_EQ(m.number("cvf.metric.count"), 900u);
    }
    EXPECT_EQ(count, 1000u);
    EXPECT_EQ(errors, 500u);
    EXPECT_EQ(latencies, 1000u);
    w.add(http(99));
    EXPECT_EQ(w.groups(), 1u) << "the next window has room again";
}

TEST_F(WindowsTest, long_values_have_a_bound_too) {
    WindowOptions o = options();
    o.by = {Field::url_path};
    o.max_key_bytes = 10'000;
    Windows w(o);
    w.advance(noon);
    const auto add = [&](const std::string& path) {
        http(80);
        record_.text(Field::url_path, path);
        w.add(record_);
    };
    add(std::string(20'000, 'x'));
    EXPECT_EQ(w.groups(), 0u);
    for (char c = 'a'; c <= 'z'; c++) add(std::string(1000, c));
    EXPECT_EQ(w.groups(), 9u);
    uint64_t count = 0;
    for (const Made& m : pass(w, noon + 10 * second)) count += m.number("cvf.metric.count");
    EXPECT_EQ(count, 27u);
}

TEST_F(WindowsTest, the_first_window_and_the_last_say_how_long_they_were) {
    Windows w(options());
    EXPECT_TRUE(pass(w, noon + 7 * second).empty());
    w.add(http(80));
    auto made = pass(w, noon + 10 * second);
    ASSERT_EQ(made.size(), 1u);
    EXPECT_EQ(made[0].start, noon + 7 * second);
    EXPECT_EQ(made[0].number("cvf.metric.window"), static_cast<uint64_t>(3 * second));
    w.add(http(80));
    EXPECT_TRUE(pass(w, noon + 12 * second).empty());
    w.turn(noon + 14 * second);
    made = take(w);
    ASSERT_EQ(made.size(), 1u);
    EXPECT_EQ(made[0].start, noon + 10 * second);
    EXPECT_EQ(made[0].number("cvf.metric.window"), static_cast<uint64_t>(4 * second));
}

TEST_F(WindowsTest, a_clock_may_step_either_way_and_no_record_is_lost) {
    Windows w(options());
    uint64_t given = 0, counted = 0;
    const auto add = [&] { w.add(http(80)), given++; };
    const auto at = [&](int64_t now) {
        const auto made = pass(w, now);
        for (const Made& m : made) counted += m.number("cvf.metric.count");
        return made;
    };
    at(noon);
    add();
    EXPECT_TRUE(at(noon + 5 * second).empty());
    EXPECT_TRUE(at(noon + 5 * second - 500'000'000).empty()) << "a small step is none";
    add();
    auto made = at(noon - 3600 * second);  // an hour back: the window ends where it stood
    ASSERT_EQ(made.size(), 1u);
    EXPECT_EQ(made[0].start, noon);
    EXPECT_EQ(made[0].number("cvf.metric.window"), static_cast<uint64_t>(5 * second));
    add();
    made = at(noon - 3590 * second);
    ASSERT_EQ(made.size(), 1u);
    EXPECT_EQ(made[0].start, noon - 3600 * second);
    add();
    made = at(noon + 100'000 * 3600 * second);  // ten years ahead
    ASSERT_EQ(made.size(), 1u);
    EXPECT_EQ(made[0].start, noon - 3590 * second);
    add();
    w.turn(noon + 100'000 * 3600 * second + 1);
    for (const Made& m : take(w)) counted += m.number("cvf.metric.count");
    EXPECT_EQ(counted, given);
}

TEST_F(WindowsTest, records_before_any_time_was_told_and_at_impossible_times_are_counted) {
    Windows w(options());
    w.add(http(80));
    EXPECT_FALSE(w.advance(0));
    w.add(http(80));
    EXPECT_FALSE(w.advance(noon));
    w.turn(noon);
    const auto made = take(w);
    ASSERT_EQ(made.size(), 1u);
    EXPECT_EQ(made[0].number("cvf.metric.count"), 2u);
    EXPECT_EQ(made[0].number("cvf.metric.window"), 1u) << "no one may divide by nothing";
    WindowOptions o = options();
    o.id_seed++;
    Windows never(o);
    never.add(http(80));
    never.turn(0);
    EXPECT_EQ(take(never).size(), 1u);
}

TEST_F(WindowsTest, what_waits_can_be_folded_into_one_and_says_it_is_several) {
    Windows w(options());
    w.advance(noon);
    for (uint64_t i = 0; i < 50; i++) w.add(http(i + 1, 1000 * (i + 1), false, std::to_string(i)));
    w.turn(noon + 10 * second);
    EXPECT_EQ(w.due(), 50u);
    EXPECT_TRUE(w.next());
    EXPECT_EQ(w.fold(), 49u);
    EXPECT_EQ(w.due(), 1u);
    EXPECT_EQ(w.fold(), 0u);
    const auto made = take(w);
    ASSERT_EQ(made.size(), 1u);
    EXPECT_TRUE(made[0].other);
    EXPECT_EQ(made[0].number("cvf.metric.count"), 49u);
}

TEST_F(WindowsTest, a_group_of_several_types_names_none) {
    Windows w(options());
    w.advance(noon);
    w.add(http(53));
    record_.begin(RecordType::dns, noon);
    record_.uint(Field::destination_port, 53);
    w.add(record_);
    w.turn(noon + second);
    const auto made = take(w);
    ASSERT_EQ(made.size(), 1u);
    EXPECT_FALSE(made[0].texts.contains("cvf.metric.type"));
}

TEST_F(WindowsTest, the_node_stands_there_once_also_when_grouped_by) {
    WindowOptions o = options();
    o.by = {Field::host_name};
    Windows w(o);
    w.advance(noon);
    http(80);
    record_.text(Field::host_name, "elsewhere");
    w.add(record_);
    w.turn(noon + second);
    const auto made = take(w);
    ASSERT_EQ(made.size(), 1u);
    EXPECT_EQ(made[0].texts.at("host.name"), "elsewhere");
}

TEST_F(WindowsTest, random_records_over_random_clocks_add_up) {
    std::mt19937_64 random(5);
    WindowOptions o = options();
    o.max_groups = 20;
    Windows w(o);
    int64_t now = noon;
    uint64_t given = 0, counted = 0, durations = 0, summed = 0;
    const auto count = [&](const std::vector<Made>& made) {
        for (const Made& m : made) {
            counted += m.number("cvf.metric.count");
            if (m.numbers.contains("cvf.metric.latency.sum")) summed += m.number("cvf.metric.latency.sum");
            EXPECT_GT(m.number("cvf.metric.window"), 0u);
            EXPECT_LE(m.number("cvf.metric.window"), static_cast<uint64_t>(10 * second));
        }
    };
    for (int i = 0; i < 50'000; i++) {
        const uint64_t duration = random() % 1'000'000;
        w.add(http(random() % 40, duration));
        given++;
        durations += duration;
        if (random() % 10 == 0) now += static_cast<int64_t>(random() % static_cast<uint64_t>(second));
        if (random() % 1000 == 0) now -= static_cast<int64_t>(random() % static_cast<uint64_t>(100 * second));
        if (random() % 1000 == 0) now += static_cast<int64_t>(random() % static_cast<uint64_t>(3600 * second));
        if (random() % 5 == 0) count(pass(w, now));
    }
    w.turn(now);
    count(take(w));
    EXPECT_EQ(counted, given);
    EXPECT_EQ(summed, durations);
}

}  // namespace
}  // namespace cvf::metric
