#include "record/parse.h"

#include <gtest/gtest.h>

#include "record/json.h"
#include "record/text.h"

namespace cvf::record {
namespace {

std::string json(const Record& record) {
    Buffer out;
    write_json(record, nullptr, out);
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

TEST(ParseRecord, takes_the_head_wherever_it_stands) {
    Record record;
    ASSERT_TRUE(parse_record(
        R"({ "source.port" : 80, "dns.answers":["x"], "record.type":"dns" ,"@timestamp":"2026-01-02T03:04:05Z"} )", record));
    EXPECT_EQ(record.type(), RecordType::dns);
    ASSERT_NE(record.find(Field::source_port), nullptr);
    EXPECT_EQ(record.find(Field::source_port)->uint, 80u);
    EXPECT_EQ(record.values().size(), 4u);
}

TEST(ParseRecord, undoes_every_escape_and_refuses_what_is_no_string) {
    const std::string head = R"({"@timestamp":"2026-01-02T03:04:05Z","record.type":"dns","dns.question.name":)";
    Record record;
    ASSERT_TRUE(parse_record(head + R"("\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"})", record));
    EXPECT_EQ(record.find(Field::dns_question_name)->as_text(), "\"\\/\b\f\n\r\t\u00e9\U0001F600");
    for (const char* bad : {R"("\x41")", R"("\ud83d")", R"("\ude00")", R"("\u12")", "\"\x01\"", "\"\xff\"", "\"\xc0\x80\"",
                            "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"open", "01", "1.", "-", "1e", "tru", "[1", "{\"a\":}"})
        EXPECT_FALSE(parse_record(head + bad + "}", record)) << bad;
}

TEST(ParseRecord, keeps_numbers_to_the_kind_of_their_field) {
    const std::string head = R"({"@timestamp":"2026-01-02T03:04:05Z","record.type":"event",)";
    Record record;
    for (const char* odd : {"-1", "1.5", "1e3", "18446744073709551616", "true", "null"}) {
        ASSERT_TRUE(parse_record(head + "\"source.port\":" + odd + "}", record)) << odd;
        EXPECT_EQ(record.find(Field::source_port), nullptr) << odd;
    }
    ASSERT_TRUE(parse_record(head + "\"cvf.clock.step\":9223372036854775808}", record));
    EXPECT_EQ(record.find(Field::cvf_clock_step), nullptr);
}

TEST(ParseTime, is_the_way_back_of_write_time) {
    for (const int64_t ns :
         {int64_t{0}, int64_t{-1}, int64_t{1}, int64_t{1'700'000'000'000'000'001}, int64_t{951'782'400'000'000'000}}) {
        char text[40];
        const char* end = write_time(text, ns);
        int64_t back = 7;
        EXPECT_TRUE(parse_time({text, static_cast<size_t>(end - text)}, back));
        EXPECT_EQ(back, ns);
    }
    int64_t ns = 0;
    for (const char* bad : {"", "2026-02-30T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00", "2026-01-01T00:00:00.Z",
                            "9999-01-01T00:00:00Z", "2026-01-01T00:00:00.1234567890Z", "2026-01-01 00:00:00Z"})
        EXPECT_FALSE(parse_time(bad, ns)) << bad;
}

}  // namespace
}  // namespace cvf::record
