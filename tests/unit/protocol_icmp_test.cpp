// ICMP and ICMPv6: exchanges, errors and the packets they quote, neighbours and listeners.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_context.h"

namespace {

using namespace cvf;
using namespace cvf::protocol;
using namespace std::string_literals;
using test::FakeContext;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr auto there = Direction::from_initiator, back = Direction::from_responder;

std::string be16(uint32_t v) {
    return {static_cast<char>(v >> 8), static_cast<char>(v)};
}
std::string head(uint8_t type, uint8_t code, std::string_view word) {
    return std::string{static_cast<char>(type), static_cast<char>(code), 0, 0} + std::string(word);
}
std::string echo(uint8_t type, uint16_t id, uint16_t sequence) {
    return head(type, 0, be16(id) + be16(sequence)) + "ping data";
}

std::string ip4(uint8_t protocol, std::string_view payload, uint16_t fragment = 0) {
    return "\x45\x00"s + be16(20 + static_cast<uint32_t>(payload.size())) + "\0\1"s + be16(fragment) + "\x40"s +
           static_cast<char>(protocol) + "\0\0"s + "\x0a\x00\x00\x01\x0a\x00\x00\x02"s + std::string(payload);
}
std::string ip6(uint8_t next, std::string_view payload) {
    return "\x60\0\0\0"s + be16(static_cast<uint32_t>(payload.size())) + static_cast<char>(next) + "\x40" + "\x20\x01\x0d\xb8"s +
           std::string(11, '\0') + "\x01" + "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x02" + std::string(payload);
}
const std::string ports = be16(40000) + be16(53) + "\0\x08\0\0"s;

struct Icmp : testing::Test {
    FakeContext ctx;
    std::unique_ptr<Dissector> v4 = icmp.make(), v6 = icmpv6.make();

    void SetUp() override { ctx.now = 1'000'000'000; }
    void send(Dissector& d, Direction dir, std::string_view bytes) { d.data(dir, test::as_bytes(bytes), ctx); }
    std::string value(std::string_view key, size_t i = 0) {
        EXPECT_LT(i, ctx.records.size());
        return i < ctx.records.size() ? test::json_value(ctx.records[i], key) : "";
    }
};

TEST_F(Icmp, an_echo_and_its_reply_are_one_record_with_the_round_trip) {
    send(*v4, there, echo(8, 77, 1));
    ctx.now += 12'345;
    send(*v4, back, echo(0, 77, 1));
    ASSERT_EQ(ctx.records.size(), 1u);
    EXPECT_EQ(ctx.records[0],
              R"({"@timestamp":"1970-01-01T00:00:01.000000000Z","record.type":"icmp","cvf.icmp.type":8,"cvf.icmp.code":0,)"
              R"("cvf.icmp.message":"echo request","cvf.icmp.size":17,"event.duration":12345,"cvf.icmp.id":77,)"
              R"("cvf.icmp.sequence":1})");
    EXPECT_FALSE(v4->tick(ctx));
}

TEST_F(Icmp, replies_find_their_request_whatever_the_order) {
    for (uint16_t sequence = 1; sequence <= 3; ++sequence) {
        send(*v6, there, echo(128, 5, sequence));
        ctx.now += 1'000;
    }
    for (uint16_t sequence : {uint16_t{3}, uint16_t{1}, uint16_t{2}}) send(*v6, back, echo(129, 5, sequence));
    ASSERT_EQ(ctx.records.size(), 3u);
    EXPECT_EQ(value("event.duration", 0), "1000");
    EXPECT_EQ(value("event.duration", 1), "3000");
    EXPECT_EQ(value("event.duration", 2), "2000");
}

TEST_F(Icmp, both_ends_may_ping_with_the_same_numbers) {
    send(*v4, there, echo(8, 1, 1));
    ctx.now += 10;
    send(*v4, back, echo(8, 1, 1));
    ctx.now += 10;
    send(*v4, there, echo(0, 1, 1));  // answers the second
    ASSERT_EQ(ctx.records.size(), 1u);
    EXPECT_EQ(value("event.duration"), "10");
    send(*v4, back, echo(0, 1, 1));
    EXPECT_EQ(value("event.duration", 1), "20");
}

TEST_F(Icmp, a_host_that_pings_itself_is_paired) {
    send(*v4, there, echo(8, 1, 1));
    ctx.now += 10;
    send(*v4, there, echo(0, 1, 1));
    ASSERT_EQ(ctx.records.size(), 1u);
    EXPECT_EQ(value("event.duration"), "10");
}

TEST_F(Icmp, unanswered_requests_say_why_and_are_bounded) {
    send(*v4, there, echo(8, 1, 1));
    ctx.now += 5'000'000'000;
    EXPECT_FALSE(v4->tick(ctx));
    EXPECT_EQ(value("cvf.icmp.unanswered"), "\"timeout\"");
    EXPECT_EQ(value("error.type"), "\"timeout\"");
    for (uint16_t sequence = 0; sequence < 300; ++sequence) send(*v4, there, echo(8, 2, sequence));
    EXPECT_EQ(ctx.records.size(), 1u + 300 - 256);
    EXPECT_EQ(value("cvf.icmp.unanswered", 1), "\"overflow\"");
    v4->finish(ctx);
    EXPECT_EQ(ctx.records.size(), 301u);
    EXPECT_EQ(value("cvf.icmp.unanswered", 300), "\"end\"");
}

TEST_F(Icmp, a_reply_first_shows_who_asked) {
    send(*v4, there, echo(0, 1, 1));
    EXPECT_TRUE(ctx.swapped);
    EXPECT_EQ(value("cvf.icmp.message"), "\"echo reply\"");
    EXPECT_EQ(value("event.duration"), "");
}

TEST_F(Icmp, timestamps_are_exchanges_too) {
    send(*v4, there, head(13, 0, "\0\1\0\2"s) + std::string(12, '\0'));
    send(*v4, back, head(14, 0, "\0\1\0\2"s) + std::string(12, '\0'));
    ASSERT_EQ(ctx.records.size(), 1u);
    EXPECT_EQ(value("cvf.icmp.message"), "\"timestamp request\"");
    EXPECT_EQ(value("event.duration"), "0");
}

TEST_F(Icmp, errors_tell_of_the_packet_they_quote) {
    send(*v4, there, head(3, 3, "\0\0\0\0"s) + ip4(17, ports));
    EXPECT_EQ(value("cvf.icmp.message"), "\"destination unreachable\"");
    EXPECT_EQ(value("cvf.icmp.reason"), "\"port unreachable\"");
    EXPECT_EQ(value("cvf.icmp.quoted.source.address"), "\"10.0.0.1\"");
    EXPECT_EQ(value("cvf.icmp.quoted.destination.address"), "\"10.0.0.2\"");
    EXPECT_EQ(value("cvf.icmp.quoted.transport"), "\"udp\"");
    EXPECT_EQ(value("cvf.icmp.quoted.source.port"), "40000");
    EXPECT_EQ(value("cvf.icmp.quoted.destination.port"), "53");
    send(*v4, there, head(3, 4, "\0\0\x05\x78"s) + ip4(6, ports));
    EXPECT_EQ(value("cvf.icmp.mtu", 1), "1400");
    FakeContext old;
    icmp.make()->data(there, test::as_bytes(head(3, 4, "\0\0\0\0"s) + ip4(6, ports)), old);
    EXPECT_EQ(test::json_value(old.records.at(0), "cvf.icmp.mtu"), "");
    send(*v4, there, head(5, 1, "\x0a\x00\x00\xfe"s) + ip4(6, ports));
    EXPECT_EQ(value("cvf.icmp.gateway", 2), "\"10.0.0.254\"");
    send(*v4, there, head(11, 0, "\0\0\0\0"s) + ip4(1, echo(8, 7, 9)));
    EXPECT_EQ(value("cvf.icmp.quoted.icmp.type", 3), "8");
    EXPECT_EQ(value("cvf.icmp.quoted.icmp.id", 3), "7");
    send(*v4, there, head(12, 0, "\x14\0\0\0"s) + ip4(17, ports, 0x0010));
    EXPECT_EQ(value("cvf.icmp.pointer", 4), "20");
    EXPECT_EQ(value("cvf.icmp.quoted.source.port", 4), "") << "a later fragment has no ports";
    EXPECT_THAT(ctx.violations, IsEmpty());
}

TEST_F(Icmp, quotes_with_ipv6_extension_headers_are_followed) {
    const std::string fragment = "\x11\0\0\0\0\0\0\1"s, options = "\x2c\x00\x01\x04\0\0\0\0"s;
    send(*v6, there, head(2, 0, "\0\0\x05\x00"s) + ip6(0, options + fragment + ports));
    EXPECT_EQ(value("cvf.icmp.message"), "\"packet too big\"");
    EXPECT_EQ(value("cvf.icmp.mtu"), "1280");
    EXPECT_EQ(value("cvf.icmp.quoted.transport"), "\"udp\"");
    EXPECT_EQ(value("cvf.icmp.quoted.destination.port"), "53");
    EXPECT_EQ(value("cvf.icmp.quoted.destination.address"), "\"2001:db8::2\"");
}

TEST_F(Icmp, mpls_labels_behind_the_quote_are_read) {
    std::string quote = ip4(17, ports);
    quote.resize(128, '\0');
    const std::string stack = "\x20\0\0\0"s + be16(12) + "\x01\x01" + "\x00\x01\x00\x40"s + "\x00\x02\x01\x40"s;
    send(*v4, there, head(11, 0, "\0\x20\0\0"s) + quote + stack);
    EXPECT_EQ(value("cvf.icmp.mpls.labels"), "[16,32]");
}

TEST_F(Icmp, neighbour_discovery_tells_target_and_link_addresses) {
    const std::string target = "\xfe\x80"s + std::string(13, '\0') + "\x09";
    send(*v6, there, head(135, 0, "\0\0\0\0"s) + target + "\x01\x01\x02\x00\x00\x00\x00\x01"s);
    EXPECT_EQ(value("cvf.icmp.nd.target"), "\"fe80::9\"");
    EXPECT_EQ(value("cvf.icmp.nd.source_mac"), "\"02-00-00-00-00-01\"");
    send(*v6, back, head(136, 0, "\x60\0\0\0"s) + target + "\x02\x01\x02\x00\x00\x00\x00\x02"s);
    EXPECT_EQ(value("cvf.icmp.nd.flags", 1), R"(["solicited","override"])");
    EXPECT_EQ(value("cvf.icmp.nd.target_mac", 1), "\"02-00-00-00-00-02\"");
    send(*v6, there, head(135, 0, "\0\0\0\0"s) + target + "\x01\x00"s);
    EXPECT_THAT(ctx.violations, ElementsAre("neighbour discovery option of length 0"));
}

TEST_F(Icmp, a_router_advertisement_tells_prefixes_and_name_servers) {
    const std::string prefix = "\x03\x04\x40\xc0"s + std::string(12, '\0') + "\x20\x01\x0d\xb8"s + std::string(12, '\0');
    const std::string servers = "\x19\x03\0\0\0\0\0\x3c"s + "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x35";
    send(*v6, there, head(134, 0, "\x40\x88\x07\x08") + std::string(8, '\0') + "\x05\x01\0\0\0\0\x05\xdc"s + prefix + servers);
    EXPECT_EQ(value("cvf.icmp.nd.flags"), R"(["managed"])");
    EXPECT_EQ(value("cvf.icmp.router.preference"), "\"high\"");
    EXPECT_EQ(value("cvf.icmp.router.lifetime"), "1800000000000");
    EXPECT_EQ(value("cvf.icmp.router.hop_limit"), "64");
    EXPECT_EQ(value("cvf.icmp.mtu"), "1500");
    EXPECT_EQ(value("cvf.icmp.router.prefixes"), R"(["2001:db8::/64"])");
    EXPECT_EQ(value("cvf.icmp.router.dns_servers"), R"(["2001:db8::35"])");
}

TEST_F(Icmp, a_router_advertisement_tells_routes_and_search_domains) {
    const std::string route = "\x18\x02\x30\x08\0\0\x02\x58\x20\x01\x0d\xb8\0\x01\0\0"s, all = "\x18\x01\0\0\0\0\x02\x58"s;
    const std::string domains =
        "\x1f\x04\0\0\0\0\0\x3c\x03"
        "Lab\x04test\0\x02"
        "ab\x04test\0\0\0\0\0\0"s;
    ASSERT_EQ(domains.size(), 32u);
    send(*v6, there, head(134, 0, "\x40\0\x07\x08"s) + std::string(8, '\0') + route + all + domains);
    EXPECT_EQ(value("cvf.icmp.router.routes"), R"(["2001:db8:1::/48","::/0"])");
    EXPECT_EQ(value("cvf.icmp.router.search_domains"), R"(["lab.test","ab.test"])");
    // A prefix that is shorter than its length says, and a name that ends nowhere.
    send(*v6, there,
         head(134, 0, "\x40\0\x07\x08"s) + std::string(8, '\0') + "\x18\x01\x30\0\0\0\x02\x58"s +
             "\x1f\x02\0\0\0\0\0\x3c\x3f"
             "abcdefg"s);
    EXPECT_EQ(value("cvf.icmp.router.routes", 1), "");
    EXPECT_EQ(value("cvf.icmp.router.search_domains", 1), "");
}

TEST_F(Icmp, a_redirect_tells_of_the_packet_it_quotes) {
    const std::string address = "\xfe\x80"s + std::string(13, '\0') + "\x09";
    const std::string quoted = "\x04\x07"s + std::string(6, '\0') + ip6(17, ports);
    ASSERT_EQ(quoted.size(), 56u);
    send(*v6, there, head(137, 0, "\0\0\0\0"s) + address + address + quoted);
    EXPECT_EQ(value("cvf.icmp.gateway"), "\"fe80::9\"");
    EXPECT_EQ(value("cvf.icmp.quoted.source.address"), "\"2001:db8::1\"");
    EXPECT_EQ(value("cvf.icmp.quoted.transport"), "\"udp\"");
    EXPECT_EQ(value("cvf.icmp.quoted.destination.port"), "53");
}

TEST_F(Icmp, requests_that_wait_are_memory) {
    EXPECT_EQ(v4->memory(), 0u);
    for (uint16_t sequence = 0; sequence < 300; ++sequence) send(*v4, there, echo(8, 2, sequence));
    EXPECT_GE(v4->memory(), 256u * 32);
    EXPECT_LE(v4->memory(), 64u * 1024);
}

TEST_F(Icmp, a_listener_report_lists_its_groups) {
    const std::string group = "\xff\x02"s + std::string(13, '\0') + "\xfb", source(16, '\x01');
    send(*v6, there, head(143, 0, "\0\0\0\2"s) + "\x04\0\0\0"s + group + "\x05\0\0\1"s + group + source);
    EXPECT_EQ(value("cvf.icmp.mld.groups"), R"(["ff02::fb","ff02::fb"])");
    EXPECT_EQ(value("cvf.icmp.mld.record_types"), R"(["to exclude","allow new sources"])");
}

TEST_F(Icmp, every_cut_of_a_message_gives_a_record_or_a_reason) {
    const std::string whole = head(1, 4, "\0\0\0\0"s) + ip6(17, ports);
    for (size_t size = 0; size < whole.size(); ++size) {
        FakeContext context;
        const auto d = icmpv6.make();
        d->data(there, test::as_bytes(std::string_view(whole).substr(0, size)), context);
        EXPECT_EQ(context.records.size(), size < 8 ? 0u : 1u) << size;
        EXPECT_EQ(context.violations.size(), size < 48 ? 1u : 0u) << size;
    }
}

}  // namespace
