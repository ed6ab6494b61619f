#include "history/query.h"

#include <gtest/gtest.h>

#include "history/answer.h"

namespace cvf::history {
namespace {

constexpr int64_t now = 1'780'000'000'000'000'000;

std::string error_of(const QueryText& text) {
    const auto query = parse_query(text, now);
    return query ? "" : query.error().show();
}

TEST(Query, times_are_moments_or_how_long_ago) {
    auto query = parse_query({.since = "10m", .until = "2026-05-28T20:26:40Z"}, now);
    ASSERT_TRUE(query) << query.error().show();
    EXPECT_EQ(query->since, now - 600'000'000'000);
    EXPECT_EQ(query->until, now);
    query = parse_query({.since = "1h30m", .until = "now"}, now);
    EXPECT_EQ(query->until, now);
    EXPECT_EQ(error_of({.since = "yesterday"}),
              "since: 'yesterday' is neither a time (2026-01-02T03:04:05Z) nor how long ago (10m, 2h, 7d)");
    EXPECT_EQ(error_of({.since = "1m", .until = "2m"}), "since: it is not before 'until'");
}

TEST(Query, names_what_is_wrong_and_what_was_meant) {
    EXPECT_EQ(error_of({.filter = "source.port == 1 &&"}).substr(0, 8), "filter: ");
    EXPECT_EQ(parse_query({.filter = "true && source.ip == \"1\""}, now).error().column, 9u);
    EXPECT_EQ(error_of({.by = {"source.ip"}}), "by: there is no field 'source.ip'; did you mean source.address?");
    EXPECT_EQ(error_of({.types = {"htpt"}}), "types: there is no record type 'htpt'; did you mean http?");
    EXPECT_EQ(error_of({.measures = {"summ source.bytes"}}), "measures: there is no 'summ'; did you mean sum?");
    EXPECT_EQ(error_of({.measures = {"p99"}}), "p99: p99 of what? Write p99(event.duration)");
    EXPECT_EQ(error_of({.measures = {"sum source.address"}}), "sum: source.address is no number, so it has no sum");
    EXPECT_EQ(error_of({.measures = {"avg @timestamp"}}), "avg: @timestamp is no number, so it has no avg");
    EXPECT_EQ(error_of({.measures = {"count(source.port)"}}),
              "measures: count counts records and takes no field; to count those that have one, filter by has(source.port)");
    EXPECT_EQ(error_of({.by = {"dns.answers"}}), "by: dns.answers is a list: records cannot be grouped by it");
    EXPECT_EQ(error_of({.by = {"event.start"}}),
              "by: event.start is a time: records cannot be grouped by it; for stretches of time there is 'every'");
    EXPECT_EQ(error_of({.top = "5"}), "top: the top of what? Name the keys to group by with 'by'");
    EXPECT_EQ(error_of({.by = {"source.port"}, .top = "0"}), "top: '0' is no whole number above 0");
    EXPECT_EQ(error_of({.every = "1us"}), "every: '1us' is less than 1ms");
    EXPECT_EQ(error_of({.limit = "2000000"}), "limit: 2000000 is more than the 1000000 that an answer may have");
    EXPECT_EQ(error_of({.order = "up"}), "order: 'up' is neither newest nor oldest (first)");
    EXPECT_EQ(error_of({.after = "x"}), "after: this is no position that an answer has given");
    EXPECT_EQ(error_of({.fields = {"source.*"}, .by = {"source.port"}}),
              "fields: a query with groups has no rows to choose fields of");
    EXPECT_EQ(error_of({.fields = {"sorce.port"}}).substr(0, 7), "fields:");
    EXPECT_EQ(error_of({.by = {"source.port", "destination.port", "source.address", "destination.address", "host.name"}}),
              "by: 5 keys are more than the 4 that there may be");
}

TEST(Query, counts_when_groups_are_asked_for_and_nothing_else_is) {
    const auto query = parse_query({.by = {"source.port"}}, now);
    ASSERT_TRUE(query);
    ASSERT_EQ(query->measures.size(), 1u);
    EXPECT_EQ(query->measures[0].name(), "count");
    EXPECT_EQ(query->limit, default_groups);
    EXPECT_FALSE(parse_query({}, now)->aggregates());
}

TEST(Query, looks_only_at_types_that_the_filter_can_match) {
    const auto query = parse_query({.filter = "dns.question.name == \"x\"", .types = {"dns", "http"}}, now);
    ASSERT_TRUE(query);
    EXPECT_EQ(query->types.count(), 1u);
}

TEST(Query, parameters_are_the_same_in_every_front) {
    const std::pair<std::string, std::string> parameters[] = {
        {"filter", "true"}, {"by", "source.port,record.type"}, {"by", "host.name"}, {"count", ""}, {"p99", "event.duration"},
        {"top", "10"},      {"measures", "max source.port"}};
    const auto text = query_text(parameters);
    ASSERT_TRUE(text) << text.error().show();
    EXPECT_EQ(text->by, (std::vector<std::string>{"source.port", "record.type", "host.name"}));
    EXPECT_EQ(text->measures, (std::vector<std::string>{"count", "p99 event.duration", "max source.port"}));
    EXPECT_TRUE(parse_query(*text, now));
    const auto wrong = [](std::string name, std::string value) {
        const std::pair<std::string, std::string> one[] = {{std::move(name), std::move(value)}};
        const auto t = query_text(one);
        return t ? "" : t.error().show();
    };
    EXPECT_EQ(wrong("filtr", "x"), "filtr: there is no parameter 'filtr'; did you mean filter?");
    EXPECT_EQ(wrong("sum", ""), "sum: sum of what? Give it a field");
    EXPECT_EQ(wrong("count", "source.port"), "count: count takes no value but true");
    const std::pair<std::string, std::string> twice[] = {{"top", "1"}, {"top", "2"}};
    EXPECT_EQ(query_text(twice).error().show(), "top: it stands there twice");
}

TEST(Position, is_text_and_back) {
    const Position position{-5, "abc,d-1"};
    const auto back = Position::parse(position.text());
    ASSERT_TRUE(back);
    EXPECT_EQ(back->time, -5);
    EXPECT_EQ(back->id, "abc,d-1");
    for (const char* bad : {"", "5", "x,y", "99999999999999999999,a"}) EXPECT_FALSE(Position::parse(bad)) << bad;
}

TEST(Answer, is_json_lines) {
    Table table;
    table.columns = {"a", "b\"", "c", "d", "e"};
    table.rows = {{std::string("x\n"), uint64_t{18446744073709551615u}, int64_t{-1}, true, {}}, {1.5, {}, {}, {}, {}}};
    record::Buffer out;
    write_json(table, out);
    EXPECT_EQ(out.view(),
              "{\"a\":\"x\\n\",\"b\\\"\":18446744073709551615,\"c\":-1,\"d\":true,\"e\":null}\n"
              "{\"a\":1.5,\"b\\\"\":null,\"c\":null,\"d\":null,\"e\":null}\n");
}

}  // namespace
}  // namespace cvf::history
