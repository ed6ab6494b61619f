#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "api/metrics.h"
#include "api/parse_record.h"
#include "api/problem.h"
#include "api/sse.h"
#include "api/token.h"
#include "record/json.h"

namespace cvf::api {
namespace {

using record::Field;
using record::Record;
using record::RecordType;

std::string json(const Record& record) {
    record::Buffer out;
    record::write_json(record, nullptr, out);
    return std::string(out.view());
}

TEST(ParseRecord, gives_back_what_was_written_for_every_kind) {
    Record record;
    record.begin(RecordType::dns, 1'700'000'000'123'456'789);
    const uint8_t v4[] = {10, 0, 0, 1}, v6[16] = {0x20, 1, 0xd, 0xb8}, mac[] = {0, 1, 2, 0xaa, 0xbb, 0xff},
                  hex[] = {0, 0x7f, 0xff};
    record.ip(Field::source_address, v4);
    record.ip(Field::destination_address, v6);
    record.uint(Field::source_port, UINT64_MAX);
    record.mac(Field::source_mac, mac);
    record.text(Field::dns_question_name, "a\"\\\x01ü.example");
    record.flag(Field::cvf_truncated, true);
    record.time(Field::event_start, -1);
    record.sint(Field::cvf_clock_step, INT64_MIN);
    record.hex(Field::dns_edns_cookie, hex);
    const std::string_view texts[] = {"one", "", "three"};
    record.texts(Field::dns_answers, texts);
    const uint64_t numbers[] = {0, 1, UINT64_MAX};
    record.uints(Field::dns_answer_ttls, numbers);
    const std::span<const uint8_t> ips[] = {v4, v6};
    record.ips(Field::dns_resolved_ip, ips);
    const std::pair<std::string_view, std::string_view> labels[] = {{"app", "cart"}, {"a.b/c", "\"x\""}};
    record.map(Field::source_container_label, labels);

    const std::string line = json(record);
    Record again;
    const auto parsed = parse_record(line, again);
    ASSERT_TRUE(parsed) << parsed.error();
    EXPECT_EQ(json(again), line);
    EXPECT_EQ(again.type(), RecordType::dns);
    EXPECT_EQ(again.timestamp(), record.timestamp());
}

TEST(ParseRecord, leaves_out_what_it_does_not_know_and_what_is_of_another_kind) {
    Record record;
    ASSERT_TRUE(
        parse_record(R"({"@timestamp":"2026-01-02T03:04:05Z","record.type":"dns","from.the.future":[{"a":1}],"source.port":"80",)"
                     R"("source.address":"10.0.0.300","destination.address":"::1","dns.answers":[1],"source.mac":"00-01"})",
                     record));
    EXPECT_EQ(record.find(Field::source_port), nullptr);
    EXPECT_EQ(record.find(Field::source_address), nullptr);
    EXPECT_EQ(record.find(Field::dns_answers), nullptr);
    EXPECT_EQ(record.find(Field::source_mac), nullptr);
    EXPECT_NE(record.find(Field::destination_address), nullptr);
}

TEST(ParseRecord, takes_the_same_key_twice_without_harm) {
    Record record;
    ASSERT_TRUE(
        parse_record(R"({"@timestamp":"2026-01-02T03:04:05Z","record.type":"dns","source.port":1,"source.port":2})", record));
    EXPECT_NE(record.find(Field::source_port), nullptr);
}

TEST(ParseRecord, tells_what_is_no_record) {
    Record record;
    for (const char* bad :
         {"", "x", "[]", "{}", R"({"@timestamp":"2026-01-02T03:04:05Z"})", R"({"@timestamp":"yesterday","record.type":"dns"})",
          R"({"@timestamp":"2026-01-02T03:04:05Z","record.type":"nonsense"})", R"({"@timestamp":1,"record.type":"dns"})",
          R"({"@timestamp":"2026-01-02T03:04:05Z","record.type":"dns"} x)"})
        EXPECT_FALSE(parse_record(bad, record)) << bad;
    EXPECT_FALSE(parse_record(std::string(100'000, '['), record)) << "depth is bounded";
}

TEST(ParseTime, is_the_way_back_of_write_time) {
    for (const int64_t ns :
         {int64_t{0}, int64_t{-1}, int64_t{1}, int64_t{1'700'000'000'000'000'001}, int64_t{951'782'400'000'000'000}}) {
        char text[40];
        const char* end = record::write_time(text, ns);
        int64_t back = 7;
        EXPECT_TRUE(parse_time({text, static_cast<size_t>(end - text)}, back));
        EXPECT_EQ(back, ns);
    }
    int64_t ns = 0;
    for (const char* bad : {"", "2026-02-30T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00", "2026-01-01T00:00:00.Z",
                            "9999-01-01T00:00:00Z", "2026-01-01T00:00:00.1234567890Z", "2026-01-01 00:00:00Z"})
        EXPECT_FALSE(parse_time(bad, ns)) << bad;
}

std::string events(std::string_view bytes, size_t step) {
    std::string out;
    EventParser parser([&](std::string_view name, std::string_view data) {
        out += "<" + std::string(name) + ":" + std::string(data) + ">";
        return true;
    });
    for (size_t at = 0; at < bytes.size(); at += step) EXPECT_TRUE(parser.feed(bytes.substr(at, step)));
    return out;
}

TEST(EventParser, gives_the_same_events_however_the_bytes_are_cut) {
    const std::string_view bytes =
        "\xef\xbb\xbf: comment\n\ndata: one\n\ndata:two\ndata: lines\r\n\r\nevent: lost\rdata: {}\r\rid: 1\nevent: "
        "none\n\ndata\n\nfield\ndata: unfinished";
    for (size_t step = 1; step <= bytes.size(); ++step)
        EXPECT_EQ(events(bytes, step), "<message:one><message:two\nlines><lost:{}><message:>") << step;
}

TEST(EventParser, keeps_its_bound) {
    for (const std::string& bytes :
         {std::string(200, 'x'), "data: " + std::string(60, 'x') + "\ndata: " + std::string(60, 'x') + "\n"}) {
        EventParser parser([](std::string_view, std::string_view) { return true; }, 100);
        EXPECT_FALSE(parser.feed(bytes));
        EXPECT_TRUE(parser.too_long());
    }
}

TEST(Token, file_is_readable_by_its_owner_alone_and_new_each_time) {
    const std::string path = testing::TempDir() + "cvf-token-test/token";
    const auto first = make_token_file(path);
    ASSERT_TRUE(first) << first.error();
    EXPECT_EQ(first->size(), 64u);
    struct stat st{};
    ASSERT_EQ(::stat(path.c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 07777, 0600u);
    EXPECT_EQ(*read_token_file(path), *first);
    EXPECT_NE(*make_token_file(path), *first);
    std::ofstream(path) << " \n";
    EXPECT_FALSE(read_token_file(path));
    std::ofstream(path) << "two words\n";
    EXPECT_FALSE(read_token_file(path));
    ::unlink(path.c_str());
    EXPECT_NE(read_token_file(path).error().find(path), std::string::npos);
    EXPECT_FALSE(make_token_file("/proc/nowhere/token"));
    ::rmdir((testing::TempDir() + "cvf-token-test").c_str());
}

TEST(Token, is_compared_whole) {
    EXPECT_TRUE(authorized("Bearer abc", "abc"));
    EXPECT_TRUE(authorized("bearer  abc", "abc"));
    for (const char* bad : {"", "abc", "Bearer", "Bearer ", "Bearer ab", "Bearer abd", "Bearer abcd", "Basic abc"})
        EXPECT_FALSE(authorized(bad, "abc")) << bad;
    EXPECT_FALSE(authorized("Bearer ", "")) << "no token is no key";
}

TEST(Metrics, escape_what_the_format_gives_a_meaning) {
    const Metric metric{"cvf_x_total",
                        "A \\ and\na line.",
                        Metric::Type::counter,
                        {{{{"a", "q\"\\\n"}, {"b", "2"}}, uint64_t{18446744073709551615u}}}};
    EXPECT_EQ(write_metrics({metric}),
              "# HELP cvf_x_total A \\\\ and\\na line.\n# TYPE cvf_x_total counter\ncvf_x_total{a=\"q\\\"\\\\\\n\",b=\"2\"} "
              "18446744073709551615\n");
    EXPECT_EQ(write_metrics({{"cvf_y_total", "Nothing.", Metric::Type::counter, {}}}), "");
}

TEST(Problem, of_another_server_is_read_with_care) {
    EXPECT_EQ(parse_problem(400, R"({"detail":"no\u001b[2Jfield","column":7,"parameter":"filter"})").detail, "no[2Jfield");
    EXPECT_EQ(parse_problem(400, R"({"column":7})").column, 7u);
    for (const char* odd : {"", "<html>", "[]", R"({"detail":1,"column":"x"})", R"({"column":-1})"}) {
        EXPECT_EQ(parse_problem(400, odd).detail, "");
        EXPECT_EQ(parse_problem(400, odd).column, 0u);
    }
}

}  // namespace
}  // namespace cvf::api
