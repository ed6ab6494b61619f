// DNS transactions: pairing, time-outs, streams, zone transfers, multicast, recognition, hostile input.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dns_messages.h"
#include "fake_context.h"
#include "protocol/dns_message.h"

namespace {

using namespace cvf;
using namespace cvf::protocol;
using namespace std::string_literals;
using test::FakeContext;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr auto asks = Direction::from_initiator, answers = Direction::from_responder;
constexpr uint16_t a = 1, ns = 2, cname = 5, soa = 6, ptr = 12, aaaa = 28, axfr = 252, ixfr = 251;

std::string answer(uint16_t id, std::string_view name, std::string_view address, uint16_t flags = 0x8180) {
    return test::header(id, flags, 1, 1) + test::question(name, a) + test::rr(test::question_name, a, address);
}

struct Dns : testing::Test {
    FakeContext ctx;
    std::unique_ptr<Dissector> dissector = dns.make();

    void SetUp() override {
        ctx.now = 1'000'000'000;
        ctx.responder_port = 53;
    }
    size_t send(Direction dir, std::string_view bytes) { return dissector->data(dir, test::as_bytes(bytes), ctx); }
    std::string value(std::string_view key, size_t i = 0) {
        EXPECT_LT(i, ctx.records.size());
        return i < ctx.records.size() ? test::json_value(ctx.records[i], key) : "";
    }
};

TEST(DnsName, reads_the_same_whatever_stands_behind_it) {
    for (NameForm form : {NameForm::lower, NameForm::as_sent, NameForm::utf8, NameForm::utf8_lower})
        for (size_t size = 1; size < 64; ++size)
            for (size_t first = 0; first < 256; first += size) {
                // Every byte, at every place of a label.
                std::string label;
                for (size_t i = 0; i < size; ++i) label += static_cast<char>(first + i);
                const std::string name = std::string(dns_header_size, '\0') + static_cast<char>(size) + label + '\0';
                const std::string longer = name + std::string(64, 'x');
                char room[2][dns_name_room];
                DnsReader alone(test::as_bytes(name)), followed(test::as_bytes(longer));
                const char *end = alone.name(room[0], form), *other_end = followed.name(room[1], form);
                ASSERT_NE(end, nullptr);
                ASSERT_EQ(std::string_view(room[0], static_cast<size_t>(end - room[0])),
                          std::string_view(room[1], static_cast<size_t>(other_end - room[1])));
            }
}

// A message of `hops` pointers, each to the one before, the first to a name; the last one's place is `at`.
std::string chain(size_t hops, size_t& at) {
    std::string message = std::string(dns_header_size, '\0') + test::wire_name("end.example");
    size_t target = dns_header_size;
    for (size_t i = 0; i < hops; ++i) {
        at = message.size();
        message += test::be16(static_cast<uint32_t>(0xc000 | target));
        target = at;
    }
    return message;
}

TEST(DnsName, follows_127_pointers_and_no_more) {
    char room[dns_name_room];
    size_t at = 0;
    const std::string good = chain(127, at);
    DnsReader reads(test::as_bytes(good), at);
    const char* end = reads.name(room, NameForm::lower);
    ASSERT_NE(end, nullptr);
    EXPECT_EQ(std::string_view(room, static_cast<size_t>(end - room)), "end.example");
    EXPECT_EQ(reads.at(), at + 2);

    const std::string bad = chain(128, at);
    DnsReader refuses(test::as_bytes(bad), at);
    EXPECT_EQ(refuses.name(room, NameForm::lower), nullptr);
    EXPECT_STREQ(refuses.fault(), "name of too many compression pointers");
}

TEST(DnsName, escapes_what_a_host_name_does_not_have) {
    const std::string message = std::string(dns_header_size, '\0') + "\x08" + "A.\\ \xe4\x7f\x01z" + '\0' + std::string(32, 'x');
    const auto text = [&](NameForm form) {
        char room[dns_name_room];
        return std::string(room, DnsReader(test::as_bytes(message)).name(room, form));
    };
    EXPECT_EQ(text(NameForm::lower), "a\\.\\\\\\032\\228\\127\\001z");
    EXPECT_EQ(text(NameForm::utf8), "A\\.\\\\ \xe4\\127\\001z");
}

TEST_F(Dns, a_query_and_its_response_are_one_record) {
    send(asks, test::query(7, "WWW.Example.COM", a));
    EXPECT_THAT(ctx.records, IsEmpty());
    ctx.now += 250'000;
    const std::string target = test::wire_name("edge.Example.net");
    // The second answer's owner is the first one's data: header, question, then owner, fixed part.
    const size_t target_at = 12 + 17 + 4 + 2 + 10;
    send(answers, test::header(7, 0x8580, 1, 2, 1, 1) + test::question("www.EXAMPLE.com", a) +
                      test::rr(test::question_name, cname, target) +
                      test::rr(test::be16(0xc000 | target_at), a, "\x01\x02\x03\x04", 60) +
                      test::rr(test::question_name, ns, target) + test::rr(std::string(1, '\0'), 41, "", 0x8000, 1232));
    ASSERT_EQ(ctx.records.size(), 1u);
    EXPECT_EQ(ctx.records[0],
              R"({"@timestamp":"1970-01-01T00:00:01.000000000Z","record.type":"dns","event.duration":250000,"dns.id":"7",)"
              R"("dns.type":"answer","dns.op_code":"QUERY","dns.question.name":"www.example.com","dns.question.type":"A",)"
              R"("dns.question.class":"IN","dns.answers":["edge.Example.net","1.2.3.4"],)"
              R"("cvf.dns.answer.names":["www.example.com","edge.example.net"],"cvf.dns.answer.types":["CNAME","A"],)"
              R"("cvf.dns.answer.ttls":[300,60],"dns.resolved_ip":["1.2.3.4"],"cvf.dns.authority.count":1,)"
              R"("cvf.dns.additional.count":1,"cvf.dns.edns.version":0,"cvf.dns.edns.udp_size":1232,)"
              R"("dns.header_flags":["AA","RD","RA","DO"],"dns.response_code":"NOERROR","cvf.dns.query.size":33,)"
              R"("cvf.dns.response.size":)" +
                  std::to_string(12 + 21 + 12 + 18 + 16 + 12 + 18 + 11) + "}");
    EXPECT_THAT(ctx.names, ElementsAre("www.example.com 1.2.3.4 60"));
    EXPECT_EQ(ctx.versions.size(), 1u);
    EXPECT_THAT(ctx.violations, IsEmpty());
    EXPECT_FALSE(dissector->tick(ctx));
}

TEST_F(Dns, queries_sent_together_are_paired_by_id_and_question) {
    send(asks, test::query(1, "a.test", a));
    send(asks, test::query(2, "b.test", a));
    send(asks, test::query(2, "c.test", a));  // the same id for another name
    send(answers, answer(2, "c.test", "\x0a\x00\x00\x03"s));
    send(answers, answer(2, "b.test", "\x0a\x00\x00\x02"s));
    send(answers, answer(1, "a.test", "\x0a\x00\x00\x01"s));
    ASSERT_EQ(ctx.records.size(), 3u);
    EXPECT_EQ(value("dns.question.name", 0), "\"c.test\"");
    EXPECT_EQ(value("dns.answers", 1), R"(["10.0.0.2"])");
    EXPECT_EQ(value("event.duration", 2), "0");
}

TEST_F(Dns, a_repeated_query_belongs_to_the_same_transaction) {
    send(asks, test::query(1, "slow.test", a));
    ctx.now += 5'005'000'000;  // what resolvers do
    EXPECT_TRUE(dissector->tick(ctx));
    send(asks, test::query(1, "slow.test", a));
    ctx.now += 1'000;
    send(answers, answer(1, "slow.test", "\x0a\x00\x00\x01"s));
    ASSERT_EQ(ctx.records.size(), 1u);
    EXPECT_EQ(value("cvf.dns.query.retransmits"), "1");
    EXPECT_EQ(value("event.duration"), "5005001000");
}

TEST_F(Dns, an_unanswered_query_says_why) {
    send(asks, test::query(1, "lost.test", aaaa));
    ctx.now += 5'900'000'000;
    EXPECT_TRUE(dissector->tick(ctx));
    EXPECT_THAT(ctx.records, IsEmpty());
    ctx.now += 100'000'000;
    EXPECT_FALSE(dissector->tick(ctx));
    ASSERT_EQ(ctx.records.size(), 1u);
    EXPECT_EQ(value("dns.type"), "\"query\"");
    EXPECT_EQ(value("dns.question.name"), "\"lost.test\"");
    EXPECT_EQ(value("cvf.dns.unanswered"), "\"timeout\"");
    EXPECT_EQ(value("error.type"), "\"timeout\"");
    EXPECT_EQ(value("event.duration"), "");
    EXPECT_EQ(value("dns.response_code"), "");
    // A response that comes too late stands alone.
    send(answers, answer(1, "lost.test", "\x0a\x00\x00\x01"s));
    EXPECT_EQ(value("event.duration", 1), "");
    send(asks, test::query(2, "last.test", a));
    dissector->finish(ctx);
    ASSERT_EQ(ctx.records.size(), 3u);
    EXPECT_EQ(value("cvf.dns.unanswered", 2), "\"end\"");
    EXPECT_EQ(value("error.type", 2), "");
}

TEST_F(Dns, open_queries_are_bounded_and_none_goes_unrecorded) {
    for (uint16_t id = 0; id < 1000; ++id) send(asks, test::query(id, "flood.test", a));
    EXPECT_EQ(ctx.records.size(), 1000u - 256);
    EXPECT_EQ(value("cvf.dns.unanswered", 0), "\"overflow\"");
    EXPECT_EQ(value("dns.id", 0), "\"0\"");
    dissector->finish(ctx);
    EXPECT_EQ(ctx.records.size(), 1000u);
}

TEST_F(Dns, a_response_first_shows_who_asked) {
    ctx.initiator_port = 53;
    ctx.responder_port = 4000;
    send(asks, answer(9, "late.test", "\x0a\x00\x00\x01"s));
    EXPECT_TRUE(ctx.swapped);
    ASSERT_EQ(ctx.records.size(), 1u);
    EXPECT_EQ(value("dns.answers"), R"(["10.0.0.1"])");
}

TEST_F(Dns, an_error_without_question_takes_it_from_the_query) {
    send(asks, test::query(3, "refused.test", a));
    send(answers, test::header(3, 0x8185, 0));
    ASSERT_EQ(ctx.records.size(), 1u);
    EXPECT_EQ(value("dns.question.name"), "\"refused.test\"");
    EXPECT_EQ(value("dns.response_code"), "\"REFUSED\"");
    EXPECT_EQ(value("error.type"), "\"REFUSED\"");
}

TEST_F(Dns, edns_options_and_the_extended_response_code_are_read) {
    send(asks,
         test::header(4, 0x0100, 1, 0, 0, 1) + test::question("e.test", a) +
             test::rr(std::string(1, '\0'), 41, test::be16(8) + test::be16(7) + "\x00\x01\x18\x00\xc6\x33\x64"s, 0x8000, 4096));
    const std::string options = test::be16(10) + test::be16(16) + "0123456789abcdef" + test::be16(15) + test::be16(6) +
                                test::be16(18) + "nope" + test::be16(3) + test::be16(3) + "ns1" + test::be16(12) + test::be16(2) +
                                "\0\0"s + test::be16(15) + test::be16(2) + test::be16(999) + test::be16(11) + test::be16(2) +
                                test::be16(300);
    send(answers, test::header(4, 0x8180, 1, 0, 0, 1) + test::question("e.test", a) +
                      test::rr(std::string(1, '\0'), 41, options, 1u << 24, 1400));
    ASSERT_EQ(ctx.records.size(), 1u);
    EXPECT_EQ(value("dns.response_code"), "\"BADVERS\"");
    EXPECT_EQ(value("cvf.dns.edns.udp_size"), "1400");
    EXPECT_EQ(value("cvf.dns.edns.cookie"), "\"30313233343536373839616263646566\"");
    EXPECT_EQ(value("cvf.dns.edns.error.code"), "[18,999]");
    EXPECT_EQ(value("cvf.dns.edns.error.name"), R"(["Prohibited","999"])");
    EXPECT_EQ(value("cvf.dns.edns.error.text"), R"(["nope",""])");
    EXPECT_EQ(value("cvf.dns.edns.keepalive"), "30000000000");
    EXPECT_EQ(value("cvf.dns.edns.nsid"), "\"ns1\"");
    EXPECT_EQ(value("cvf.dns.edns.padding"), "2");
    // A server without EDNS: what the client offered is told.
    send(asks,
         test::header(5, 0x0100, 1, 0, 0, 1) + test::question("e.test", a) +
             test::rr(std::string(1, '\0'), 41, test::be16(8) + test::be16(7) + "\x00\x01\x18\x00\xc6\x33\x64"s, 0x8000, 4096));
    send(answers, answer(5, "e.test", "\x0a\x00\x00\x01"s));
    EXPECT_EQ(value("cvf.dns.edns.udp_size", 1), "4096");
    EXPECT_EQ(value("cvf.dns.edns.client_subnet", 1), "\"198.51.100.0/24\"");
    EXPECT_EQ(value("dns.response_code", 1), "\"NOERROR\"");
}

TEST_F(Dns, names_are_escaped_and_lower_case) {
    const std::string odd =
        "\x04"
        "A.b\\"
        "\x03"
        "\x00\xff "s +
        "\x03"
        "c-_" +
        "\0"s;
    send(asks, test::header(1, 0, 1) + odd + test::be16(999) + test::be16(2));
    dissector->finish(ctx);
    EXPECT_EQ(value("dns.question.name"), R"("a\\.b\\\\.\\000\\255\\032.c-_")");
    EXPECT_EQ(value("dns.question.type"), "\"TYPE999\"");
    EXPECT_EQ(value("dns.question.class"), "\"CLASS2\"");
    send(asks, test::header(2, 0, 1) + test::question("", ns));
    dissector->finish(ctx);
    EXPECT_EQ(value("dns.question.name", 1), "\".\"");
}

TEST_F(Dns, hostile_names_are_violations_and_never_loops) {
    const auto with_owner = [&](std::string_view owner, std::string_view reason) {
        ctx.records.clear();
        ctx.violations.clear();
        send(answers, test::header(1, 0x8180, 1, 1) + test::question("x.test", a) + test::rr(owner, a, "\x01\x02\x03\x04"));
        ASSERT_EQ(ctx.records.size(), 1u);
        EXPECT_EQ(value("dns.question.name"), "\"x.test\"");
        EXPECT_EQ(value("cvf.violation"), "\"" + std::string(reason) + "\"");
        EXPECT_THAT(ctx.violations, ElementsAre(reason));
    };
    with_owner("\xc0\x18", "compression pointer does not point back to a name");        // at itself
    with_owner("\xc0\xff", "compression pointer does not point back to a name");        // forward
    with_owner("\xc0\x02", "compression pointer does not point back to a name");        // into the header
    with_owner("\x01y\xc0\x18"s, "compression pointer does not point back to a name");  // a ring
    with_owner(
        "\x80"
        "abc",
        "label of a reserved type");
    std::string longest;
    for (int i = 0; i < 5; ++i) longest += "\x3f" + std::string(63, 'n');
    with_owner(longest + '\0', "name longer than 255 bytes");
}

TEST_F(Dns, every_cut_of_a_message_gives_a_record_or_a_reason) {
    const std::string whole = answer(1, "cut.test", "\x0a\x00\x00\x01"s);
    for (size_t size = 0; size < whole.size(); ++size) {
        FakeContext context;
        const auto d = dns.make();
        d->data(answers, test::as_bytes(std::string_view(whole).substr(0, size)), context);
        EXPECT_EQ(context.violations.size(), 1u) << size;
        EXPECT_EQ(context.records.size(), size < 12 ? 0u : 1u) << size;
        // The same, when it is the capture that cut it, is nobody's fault.
        if (size < 12) continue;
        FakeContext cut;
        cut.cut = true;
        const auto other = dns.make();
        other->data(answers, test::as_bytes(std::string_view(whole).substr(0, size)), cut);
        EXPECT_THAT(cut.violations, IsEmpty()) << size;
        EXPECT_EQ(test::json_value(cut.records.at(0), "cvf.truncated"), "true") << size;
    }
}

TEST_F(Dns, only_names_are_noted_when_nobody_wants_records) {
    ctx.types_wanted.reset();
    send(asks, test::query(1, "quiet.test", a));
    send(answers, answer(1, "quiet.test", "\x0a\x00\x00\x01"s));
    dissector->finish(ctx);
    EXPECT_THAT(ctx.records, IsEmpty());
    EXPECT_THAT(ctx.names, ElementsAre("quiet.test 10.0.0.1 300"));
}

TEST_F(Dns, messages_in_a_stream_are_found_however_it_is_cut) {
    const std::string questions = test::framed(test::query(1, "a.test", a)) + test::framed(test::query(2, "b.test", a));
    const std::string responses =
        test::framed(answer(2, "b.test", "\x0a\x00\x00\x02"s)) + test::framed(answer(1, "a.test", "\x0a\x00\x00\x01"s));
    std::vector<std::string> expected;
    for (size_t segment : {0, 1, 2, 3, 13, 30}) {
        FakeContext context;
        const auto d = dns_tcp.make();
        test::Player play(*d, context);
        play.send(0, questions, segment);
        play.send(1, responses, segment);
        ASSERT_EQ(context.records.size(), 2u) << segment;
        EXPECT_THAT(context.violations, IsEmpty());
        if (expected.empty()) expected = context.records;
        EXPECT_EQ(context.records, expected);
    }
    EXPECT_EQ(test::json_value(expected[0], "dns.answers"), R"(["10.0.0.2"])");
}

TEST_F(Dns, a_stream_goes_on_after_a_gap_at_the_next_message) {
    const auto d = dns_tcp.make();
    test::Player play(*d, ctx);
    play.send(0, test::framed(test::query(1, "a.test", a)) + test::framed(test::query(2, "b.test", a)));
    play.send(1, test::framed(answer(1, "a.test", "\x0a\x00\x00\x01"s)).substr(0, 20));
    play.gap(1, 100);
    play.send(1, test::framed(answer(2, "b.test", "\x0a\x00\x00\x02"s)));
    d->finish(ctx);
    ASSERT_EQ(ctx.records.size(), 2u);
    EXPECT_EQ(value("dns.answers", 0), R"(["10.0.0.2"])");
    EXPECT_EQ(value("cvf.dns.unanswered", 1), "\"end\"");
}

std::string soa_record(uint32_t serial) {
    return test::rr(test::question_name, soa,
                    "\0\0"s + test::be32(serial) + test::be32(1) + test::be32(2) + test::be32(3) + test::be32(4));
}

TEST_F(Dns, a_zone_transfer_of_many_messages_is_one_record) {
    const auto d = dns_tcp.make();
    test::Player play(*d, ctx);
    play.send(0, test::framed(test::query(1, "zone.test", axfr)));
    ctx.now += 1'000;
    play.send(1, test::framed(test::header(1, 0x8400, 1, 2) + test::question("zone.test", axfr) + soa_record(5) +
                              test::rr(test::question_name, ns, "\0"s)));
    const std::string owner = "\x01w\0"s;
    for (int i = 0; i < 3; ++i)
        play.send(1, test::framed(test::header(1, 0x8400, 0, 1) + test::rr(owner, a, "\x01\x02\x03\x04")));
    EXPECT_THAT(ctx.records, IsEmpty());
    ctx.now += 1'000;
    play.send(1, test::framed(test::header(1, 0x8400, 1, 1) + test::question("zone.test", axfr) + soa_record(5)));
    ASSERT_EQ(ctx.records.size(), 1u);
    EXPECT_EQ(value("dns.question.type"), "\"AXFR\"");
    EXPECT_EQ(value("dns.type"), "\"answer\"");
    EXPECT_EQ(value("dns.header_flags"), R"(["AA"])");
    EXPECT_EQ(value("dns.response_code"), "\"NOERROR\"");
    EXPECT_EQ(value("cvf.dns.transfer.messages"), "5");
    EXPECT_EQ(value("cvf.dns.answer.count"), "6");
    EXPECT_EQ(value("event.duration"), "2000");
    EXPECT_FALSE(d->tick(ctx));
}

TEST_F(Dns, an_incremental_transfer_ends_at_the_third_new_serial) {
    const auto d = dns_tcp.make();
    test::Player play(*d, ctx);
    play.send(0, test::framed(test::query(1, "zone.test", ixfr)));
    play.send(1, test::framed(test::header(1, 0x8400, 1, 3) + test::question("zone.test", ixfr) + soa_record(7) + soa_record(6) +
                              soa_record(7)));
    EXPECT_THAT(ctx.records, IsEmpty());
    play.send(1, test::framed(test::header(1, 0x8400, 1, 1) + test::question("zone.test", ixfr) + soa_record(7)));
    ASSERT_EQ(ctx.records.size(), 1u);
    EXPECT_EQ(value("cvf.dns.answer.count"), "4");
}

TEST_F(Dns, multicast_messages_stand_alone_and_keep_their_names_readable) {
    ctx.initiator_port = ctx.responder_port = 5353;
    const auto d = mdns.make();
    d->data(
        asks,
        test::as_bytes(test::header(0, 0, 2) + test::question("_ipp._tcp.local", ptr, 0x8001) + test::question("x.local", aaaa)),
        ctx);
    const std::string instance =
        "\x0d"
        "Joe's Printer"
        "\xc0\x0c"s;
    d->data(asks,
            test::as_bytes(test::header(0, 0x8400, 0, 1, 0, 1) + test::rr(test::wire_name("_ipp._tcp.local"), ptr, instance) +
                           test::rr(test::wire_name("joe.local"), a, "\x0a\x00\x00\x07"s, 120, 0x8001)),
            ctx);
    ASSERT_EQ(ctx.records.size(), 2u);
    EXPECT_FALSE(ctx.swapped);
    EXPECT_EQ(value("dns.question.class", 0), "\"IN\"");
    EXPECT_EQ(value("cvf.dns.unicast_response", 0), "true");
    EXPECT_EQ(value("cvf.dns.more_questions", 0), R"(["x.local AAAA"])");
    EXPECT_EQ(value("cvf.dns.unanswered", 0), "");
    EXPECT_EQ(value("dns.answers", 1), R"(["Joe's Printer._ipp._tcp.local"])");
    EXPECT_EQ(value("dns.resolved_ip", 1), R"(["10.0.0.7"])");
    EXPECT_THAT(ctx.names, ElementsAre("joe.local 10.0.0.7 120"));
}

TEST_F(Dns, extended_errors_are_bounded_and_bring_no_text_where_none_has_any) {
    std::string options;
    for (uint16_t i = 0; i < 20; ++i) options += test::be16(15) + test::be16(2) + test::be16(i);
    send(answers, test::header(4, 0x8182, 1, 0, 0, 1) + test::question("e.test", a) +
                      test::rr(std::string(1, '\0'), 41, options, 0, 1232));
    EXPECT_EQ(value("cvf.dns.edns.error.code"), "[0,1,2,3,4,5,6,7]");
    EXPECT_EQ(value("cvf.dns.edns.error.text"), "");
}

TEST_F(Dns, the_address_of_a_multicast_services_host_is_not_the_services) {
    ctx.initiator_port = ctx.responder_port = 5353;
    const auto d = mdns.make();
    d->data(answers,
            test::as_bytes(test::header(0, 0x8400, 1, 1, 0, 1) + test::question("_ipp._tcp.local", ptr) +
                           test::rr(test::question_name, ptr, test::wire_name("joe._ipp._tcp.local")) +
                           test::rr(test::wire_name("joe.local"), a, "\x0a\x00\x00\x07"s, 120, 0x8001)),
            ctx);
    ASSERT_EQ(ctx.records.size(), 1u);
    EXPECT_THAT(ctx.names, ElementsAre("joe.local 10.0.0.7 120"));
}

TEST_F(Dns, a_sound_question_behind_an_odd_header_is_dns_on_its_own_port) {
    const std::string odd = test::header(7, 0x01c0, 1) + test::question("odd.test", a);  // the reserved bit, and RA in a query
    EXPECT_EQ(dns.match(asks, test::as_bytes(odd), 40000, 53), Match::yes);
    send(asks, odd);
    send(answers, answer(7, "odd.test", "\x0a\x00\x00\x01"s));
    send(asks, odd);
    send(answers, answer(7, "odd.test", "\x0a\x00\x00\x02"s));
    EXPECT_THAT(ctx.violations, IsEmpty());
    ASSERT_EQ(ctx.records.size(), 2u);
    EXPECT_EQ(value("dns.answers", 1), R"(["10.0.0.2"])");
    // And so in a stream, however it is cut.
    for (size_t segment : {0, 1, 20}) {
        FakeContext context;
        const auto d = dns_tcp.make();
        test::Player play(*d, context);
        play.send(0, test::framed(odd), segment);
        play.send(1, test::framed(answer(7, "odd.test", "\x0a\x00\x00\x01"s)), segment);
        EXPECT_EQ(context.records.size(), 1u) << segment;
        EXPECT_THAT(context.violations, IsEmpty()) << segment;
    }
}

TEST_F(Dns, llmnr_has_its_own_flags) {
    ctx.responder_port = 5355;
    const auto d = llmnr.make();
    d->data(asks, test::as_bytes(test::header(1, 0x0500, 1) + test::question("host", a)), ctx);
    EXPECT_EQ(value("dns.header_flags"), R"(["C","T"])");
}

Match judge(const Protocol& protocol, std::string_view bytes, uint16_t from = 4000, uint16_t to = 4001) {
    return protocol.match(asks, test::as_bytes(bytes), from, to);
}

TEST_F(Dns, dns_is_found_on_any_port_by_content) {
    EXPECT_EQ(judge(dns, test::query(1, "www.example.com", a)), Match::yes);
    EXPECT_EQ(judge(dns, answer(1, "www.example.com", "\x01\x02\x03\x04")), Match::yes);
    EXPECT_EQ(judge(dns, test::query(1, "www.example.com", a) + "x"), Match::no) << "bytes behind the end";
    EXPECT_EQ(judge(dns, test::query(1, "www.example.com", a).substr(0, 30)), Match::no);
    EXPECT_EQ(judge(dns, test::header(1, 0x0100, 1) + test::question("www", 54321)), Match::no) << "unknown type";
    EXPECT_EQ(judge(dns, test::header(1, 0x0100, 1) + test::question("www", a, 77)), Match::no) << "unknown class";
    EXPECT_EQ(judge(dns, test::header(1, 0x7100, 1) + test::question("www", a)), Match::no) << "unknown operation";
    EXPECT_EQ(judge(dns, std::string(64, '\0')), Match::no);
    EXPECT_EQ(judge(dns, std::string(64, '\xff'), 53, 4000), Match::no) << "not even on port 53";
    EXPECT_EQ(judge(dns, "short", 4000, 53), Match::no);
    EXPECT_EQ(judge(dns, test::query(1, "www.example.com", a).substr(0, 20), 4000, 53), Match::yes)
        << "damaged, but meant as DNS";
}

TEST_F(Dns, netbios_names_are_not_dns) {
    const std::string name =
        "\x20"
        "FHEPFCELEHFCEPFFFACACACACACACABN"s +
        "\0"s;
    EXPECT_EQ(judge(dns, test::header(1, 0x0110, 1) + name + test::be16(32) + test::be16(1), 137, 137), Match::no);
    EXPECT_EQ(judge(dns, test::header(1, 0x0110, 1) + name + test::be16(32) + test::be16(1)), Match::no);
    EXPECT_EQ(judge(dns, test::header(1, 0x0110, 1) + name + test::be16(33) + test::be16(1), 4000, 53), Match::no);
}

TEST_F(Dns, streams_are_judged_as_soon_as_they_can_be) {
    const std::string stream = test::framed(test::query(1, "www.example.com", a));
    EXPECT_EQ(judge(dns_tcp, stream), Match::yes);
    for (size_t size = 0; size < 14; ++size) EXPECT_EQ(judge(dns_tcp, stream.substr(0, size), 4000, 53), Match::maybe) << size;
    EXPECT_EQ(judge(dns_tcp, stream.substr(0, 14), 4000, 53), Match::yes);
    EXPECT_EQ(judge(dns_tcp, stream.substr(0, 20)), Match::maybe);
    for (std::string_view other :
         {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", "SSH-2.0-OpenSSH_9.2p1\r\n", "220 mail.example ESMTP ready\r\n"})
        EXPECT_EQ(judge(dns_tcp, other), Match::no) << other;
    EXPECT_EQ(judge(dns_tcp, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03random.bytes.here"s), Match::no);
    EXPECT_EQ(judge(dns_tcp, "\0\x05"s, 4000, 53), Match::no) << "no room for a header";
}

TEST_F(Dns, multicast_and_unicast_on_port_5353_are_told_apart) {
    const std::string unicast = test::query(77, "svc.cluster.local", a);
    const std::string multicast = test::header(0, 0, 1) + test::question("x.local", a, 0x8001);
    EXPECT_EQ(judge(mdns, unicast, 40000, 5353), Match::no);
    EXPECT_EQ(judge(dns, unicast, 40000, 5353), Match::yes);
    EXPECT_EQ(judge(mdns, multicast, 5353, 5353), Match::yes);
    EXPECT_EQ(judge(mdns, multicast, 40000, 5353), Match::yes);
    EXPECT_EQ(judge(mdns, multicast, 40000, 53), Match::no);
}

// 5000 questions of one name of 255 bytes: what is not listed costs nothing.
TEST_F(Dns, names_beyond_the_lists_are_not_written) {
    std::string name;
    for (int i = 0; i < 3; ++i) name += std::string(1, 63) + std::string(63, '\x01');
    name += std::string(1, 60) + std::string(60, '\x01') + '\0';
    std::string message = test::header(7, 0x8400, 5000) + name + test::be16(a) + test::be16(1);
    for (int i = 1; i < 5000; ++i) message += test::question_name + test::be16(a) + test::be16(1);
    send(asks, test::header(7, 0x0100, 1) + name + test::be16(a) + test::be16(1));
    send(answers, message);
    ASSERT_EQ(ctx.records.size(), 1u);
    EXPECT_LT(ctx.records[0].size(), 200'000u);
    EXPECT_LT(ctx.most_memory, 1u << 20);
    EXPECT_THAT(ctx.violations, IsEmpty());
}

TEST_F(Dns, addresses_beyond_the_list_of_a_multicast_message_are_passed_over) {
    std::string m = test::header(0, 0x8400, 0, 1, 0, 3000) + test::rr(test::wire_name("printer.local"), a, "\xc0\x00\x02\x01"s);
    for (int i = 0; i < 3000; ++i)
        m += test::rr(i % 2 ? "\x01x\xc0\x0c"s : "\x01y\xc0\x0c"s, a, "\xc0\x00\x02"s + static_cast<char>(i));
    const auto multicast = mdns.make();
    multicast->data(asks, test::as_bytes(m), ctx);
    multicast->finish(ctx);
    ASSERT_EQ(ctx.records.size(), 1u);
    EXPECT_EQ(ctx.names.size(), 128u);
    EXPECT_THAT(ctx.names[0], HasSubstr("printer.local 192.0.2.1"));
    EXPECT_THAT(ctx.names[127], HasSubstr("y.printer.local"));
    EXPECT_THAT(ctx.violations, IsEmpty());
}

TEST_F(Dns, queries_that_wait_are_memory_and_answered_ones_give_it_back) {
    const auto long_query = [](uint16_t id) { return test::query(id, std::string(60, 'a') + "." + std::string(60, 'b'), a); };
    EXPECT_EQ(dissector->memory(), 0u);
    for (uint16_t id = 1; id <= 100; ++id) send(asks, long_query(id));
    const size_t waiting = dissector->memory();
    EXPECT_GE(waiting, 100 * long_query(1).size());
    for (uint16_t id = 1; id <= 100; ++id) {
        std::string response = long_query(id);
        response[2] = static_cast<char>(0x81);
        send(answers, response);
    }
    EXPECT_EQ(ctx.records.size(), 100u);
    EXPECT_LE(dissector->memory(), waiting - 100 * long_query(1).size());
}

}  // namespace
