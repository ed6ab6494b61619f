// Records as JSON: every kind of value, hostile text, projections.
#include "record/json.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <string>

namespace cvf::record {
namespace {

std::string json_string(std::string_view text) {
    Buffer out;
    write_json_string(text, out);
    return std::string(out.view());
}

std::string ip(std::initializer_list<int> bytes) {
    std::vector<uint8_t> b(bytes.begin(), bytes.end());
    char out[64];
    return {out, write_ip(out, b)};
}

std::string time_text(int64_t ns) {
    char out[40];
    return {out, write_time(out, ns)};
}

std::string uint_text(uint64_t v) {
    char out[24];
    return {out, write_uint(out, v)};
}

TEST(JsonString, PlainTextOfEveryLengthIsCopied) {
    std::string text;
    for (int n = 0; n < 100; n++) {
        EXPECT_EQ(json_string(text), "\"" + text + "\"");
        text += static_cast<char>('a' + n % 26);
    }
}

TEST(JsonString, WhatJsonForbidsIsEscapedWhereverItStands) {
    for (size_t size = 1; size <= 40; size++)
        for (size_t at = 0; at < size; at++) {
            std::string text(size, 'x'), want(size, 'x');
            text[at] = '"';
            want.replace(at, 1, "\\\"");
            EXPECT_EQ(json_string(text), "\"" + want + "\"");
            text[at] = '\x01';
            want = std::string(size, 'x').replace(at, 1, "\\u0001");
            EXPECT_EQ(json_string(text), "\"" + want + "\"");
            text[size - 1] = '\x7f';
            if (at != size - 1) EXPECT_EQ(json_string(text), "\"" + want.substr(0, want.size() - 1) + "\\u007f\"");
        }
    EXPECT_EQ(json_string("\n\r\t\\\x7f"), "\"\\n\\r\\t\\\\\\u007f\"");
}

TEST(JsonString, Utf8IsKeptAndOtherBytesAreShown) {
    EXPECT_EQ(json_string("grüße, 世界 🎉"), "\"grüße, 世界 🎉\"");
    EXPECT_EQ(json_string("a\xff"), "\"a\\\\xff\"");
    EXPECT_EQ(json_string("\xc0\x80"), "\"\\\\xc0\\\\x80\"");             // overlong
    EXPECT_EQ(json_string("\xed\xa0\x80"), "\"\\\\xed\\\\xa0\\\\x80\"");  // surrogate
    EXPECT_EQ(json_string("\xf4\x90\x80\x80"), "\"\\\\xf4\\\\x90\\\\x80\\\\x80\"");
    EXPECT_EQ(json_string("\xe4\xb8"), "\"\\\\xe4\\\\xb8\"");  // cut short
}

TEST(Text, NumbersOfEveryLength) {
    EXPECT_EQ(uint_text(0), "0");
    uint64_t v = 1;
    std::string want = "1";
    for (int digits = 1; digits <= 19; digits++) {
        EXPECT_EQ(uint_text(v), want);
        EXPECT_EQ(uint_text(v * 10 - 1), std::string(static_cast<size_t>(digits), '9'));
        v *= 10;
        want += '0';
    }
    EXPECT_EQ(uint_text(std::numeric_limits<uint64_t>::max()), "18446744073709551615");
    for (uint64_t x = 1; x < 1'000'000; x += 37) ASSERT_EQ(uint_text(x), std::to_string(x));
}

TEST(Text, AddressesAreWrittenAsRfc5952Says) {
    EXPECT_EQ(ip({192, 0, 2, 255}), "192.0.2.255");
    EXPECT_EQ(ip({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}), "::");
    EXPECT_EQ(ip({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}), "::1");
    EXPECT_EQ(ip({0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}), "2001:db8::");
    EXPECT_EQ(ip({0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1}),
              "2001:db8:0:1:1:1:1:1");                                                             // one group is not shortened
    EXPECT_EQ(ip({0x20, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1}), "2001:0:0:1::1");           // the longest run
    EXPECT_EQ(ip({0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1}), "2001:db8::1:0:0:1");  // the first of equals
    EXPECT_EQ(ip({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1}), "::ffff:192.0.2.1");
    EXPECT_EQ(ip({0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0xab, 0xcd, 0, 0xff, 0xfe, 0, 0, 1}), "fe80::abcd:ff:fe00:1");
}

TEST(Text, ZeroGroupsOfAnAddressAreShortenedAsInetNtopDoes) {
    for (unsigned zero = 0; zero < 256; zero++) {
        if ((zero & 0x1f) == 0x1f) continue;  // inet_ntop() writes some of these with an IPv4 address at the end
        std::vector<uint8_t> address(16);
        for (unsigned group = 0; group < 8; group++)
            if (!(zero >> group & 1)) address[2 * group + 1] = static_cast<uint8_t>(group + 1);
        char want[64], got[64];
        ASSERT_NE(inet_ntop(AF_INET6, address.data(), want, sizeof want), nullptr);
        EXPECT_EQ(std::string_view(got, static_cast<size_t>(write_ip(got, address) - got)), want);
    }
}

TEST(Text, TimesAreUtcWithNanoseconds) {
    EXPECT_EQ(time_text(0), "1970-01-01T00:00:00.000000000Z");
    EXPECT_EQ(time_text(951'782'399'999'999'999), "2000-02-28T23:59:59.999999999Z");
    EXPECT_EQ(time_text(951'782'400'000'000'001), "2000-02-29T00:00:00.000000001Z");
    EXPECT_EQ(time_text(4'107'542'400'000'000'000), "2100-03-01T00:00:00.000000000Z");
    EXPECT_EQ(time_text(-1), "1969-12-31T23:59:59.999999999Z");
}

TEST(Json, EveryKindOfValueIsWritten) {
    Record r;
    r.begin(RecordType::dns, 1'000'000'000);
    r.text(Field::dns_question_name, "example.test");
    r.uint(Field::source_port, 53);
    const uint8_t address[] = {192, 0, 2, 1};
    r.ip(Field::source_address, address);
    const uint8_t mac[] = {0, 1, 2, 0xab, 0xcd, 0xef};
    r.mac(Field::source_mac, mac);
    const std::string_view answers[] = {"a\"b", ""};
    r.texts(Field::dns_answers, answers);
    const uint64_t ttls[] = {0, 300};
    r.uints(Field::dns_answer_ttls, ttls);
    const std::span<const uint8_t> ips[] = {address};
    r.ips(Field::dns_resolved_ip, ips);
    const std::pair<std::string_view, std::string_view> labels[] = {{"app", "cart"}, {"x.y/z", "1"}};
    r.map(Field::source_container_label, labels);
    r.flag(Field::cvf_truncated, true);
    Buffer out;
    write_json(r, nullptr, out);
    EXPECT_EQ(out.view(),
              "{\"@timestamp\":\"1970-01-01T00:00:01.000000000Z\",\"record.type\":\"dns\",\"dns.question.name\":\"example.test\","
              "\"source.port\":53,\"source.address\":\"192.0.2.1\",\"source.mac\":\"00-01-02-AB-CD-EF\",\"dns.answers\":["
              "\"a\\\"b\",\"\"],"
              "\"cvf.dns.answer.ttls\":[0,300],\"dns.resolved_ip\":[\"192.0.2.1\"],"
              "\"source.container.label\":{\"app\":\"cart\",\"x.y/z\":\"1\"},\"cvf.truncated\":true}\n");
}

TEST(Json, AttachedSetsAreWrittenBehindTheRecordsOwnFields) {
    FieldSet owner;
    owner.uint(Field::source_process_pid, 7);
    Record r;
    r.begin(RecordType::flow, 0);
    r.attach(&owner);
    r.attach(nullptr);
    Buffer out;
    write_json(r, nullptr, out);
    EXPECT_TRUE(out.view().ends_with(",\"source.process.pid\":7}\n")) << out.view();
    EXPECT_EQ(r.lookup(Field::source_process_pid)->uint, 7u);
    EXPECT_EQ(r.lookup(Field::source_port), nullptr);
}

TEST(Json, AProjectionKeepsItsFieldsAndTheJoinKeys) {
    Record r;
    r.begin(RecordType::flow, 0);
    r.text(Field::record_id, "x-1");
    r.uint(Field::source_port, 1);
    r.uint(Field::destination_port, 2);
    const std::string patterns[] = {"source.*"};
    auto projection = Projection::parse(patterns);
    ASSERT_TRUE(projection);
    Buffer out;
    write_json(r, &*projection, out);
    EXPECT_EQ(
        out.view(),
        "{\"@timestamp\":\"1970-01-01T00:00:00.000000000Z\",\"record.type\":\"flow\",\"record.id\":\"x-1\",\"source.port\":1}\n");
}

TEST(Json, AnUnknownFieldInAProjectionNamesTheNearest) {
    const std::string patterns[] = {"source.prot"};
    auto projection = Projection::parse(patterns);
    ASSERT_FALSE(projection);
    EXPECT_EQ(projection.error(), "no field is named \"source.prot\"; did you mean \"source.port\"?");
    const std::string prefix[] = {"nothing.*"};
    EXPECT_FALSE(Projection::parse(prefix));
}

TEST(Json, AWholeRecordOfLongTextFitsWhateverTheBufferHeld) {
    Buffer out;
    for (size_t size : {0u, 1u, 4000u, 4096u, 70'000u}) {
        std::string text(size, '\x01');
        Record r;
        r.begin(RecordType::http, 0);
        r.text(Field::url_path, text);
        const size_t before = out.size();
        write_json(r, nullptr, out);
        EXPECT_EQ(
            out.size() - before,
            std::string_view("{\"@timestamp\":\"1970-01-01T00:00:00.000000000Z\",\"record.type\":\"http\",\"url.path\":\"\"}\n")
                    .size() +
                size * 6);
        EXPECT_EQ(out.view()[before], '{');
    }
}

TEST(Fields, EveryKeyIsFoundByItsName) {
    for (size_t i = 0; i < field_count; i++) {
        const auto field = static_cast<Field>(i);
        ASSERT_EQ(field_by_key(info(field).key), field) << info(field).key;
        const JsonKey& key = json_key(field);
        EXPECT_EQ(std::string(key.text, key.size), ",\"" + std::string(info(field).key) + "\":");
    }
    EXPECT_FALSE(field_by_key("no.such.key"));
    EXPECT_EQ(type_by_name("dns"), RecordType::dns);
    EXPECT_FALSE(type_by_name("dsn"));
}

TEST(Arena, DoesNotHoldWhatOneHugeRecordTook) {
    Arena arena;
    arena.take(20'000);
    arena.take(17u << 20);
    EXPECT_GT(arena.capacity(), 17u << 20);
    arena.reset();
    EXPECT_LE(arena.capacity(), Arena::most_kept);
    EXPECT_GE(arena.capacity(), 20'000u);
    EXPECT_EQ(arena.copy("again"), "again");
    arena.take(17u << 20);
    arena.reset();
    arena.reset();
    EXPECT_EQ(arena.copy("again"), "again");

    Arena only_huge;
    only_huge.take(2u << 20);
    only_huge.reset();
    EXPECT_EQ(only_huge.capacity(), 0u);
    EXPECT_EQ(only_huge.copy("again"), "again");
}

TEST(Arena, PointersStayValidUntilReset) {
    Arena arena;
    std::vector<std::string_view> kept;
    for (int i = 0; i < 1000; i++) kept.push_back(arena.copy("text " + std::to_string(i)));
    for (int i = 0; i < 1000; i++) ASSERT_EQ(kept[static_cast<size_t>(i)], "text " + std::to_string(i));
    arena.reset();
    EXPECT_EQ(arena.copy("again"), "again");
}

}  // namespace
}  // namespace cvf::record
