// Which records an expression matches. Names of the table's fields are taken from families that every build has.
#include <gtest/gtest.h>

#include <array>
#include <limits>

#include "filter/filter.h"
#include "record/record.h"

namespace {

using namespace cvf;
using record::Field;
using record::Record;

constexpr int64_t second = 1'000'000'000;

class FilterMatches : public testing::Test {
 protected:
    FilterMatches() {
        r.begin(record::RecordType::dns, 1'767'323'045 * second);  // 2026-01-02T03:04:05Z
        r.ip(Field::source_address, std::array<uint8_t, 4>{10, 9, 0, 1});
        r.ip(Field::destination_address, std::array<uint8_t, 16>{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x35});
        r.uint(Field::source_port, 40000);
        r.uint(Field::destination_port, 53);
        r.text(Field::dns_question_name, "shop.svc.cluster.local");
        r.uint(Field::event_duration, 2'500'000);
        r.flag(Field::cvf_truncated, true);
        static constexpr std::string_view answers[] = {"192.0.2.7", "alias.example."};
        r.texts(Field::dns_answers, answers);
        static constexpr std::array<uint8_t, 4> one{192, 0, 2, 7};
        static constexpr std::array<uint8_t, 16> other{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7};
        const std::span<const uint8_t> ips[] = {one, other};
        r.ips(Field::dns_resolved_ip, ips);
        static constexpr uint64_t ttls[] = {60, 300};
        r.uints(Field::dns_answer_ttls, ttls);
        static constexpr uint8_t cookie[] = {0xab, 0xcd, 0x01, 0xff};
        r.hex(Field::dns_edns_cookie, cookie);
        static constexpr std::pair<std::string_view, std::string_view> labels[] = {{"app", "cart"},
                                                                                   {"app.kubernetes.io/name", "shop"}};
        owner.map(Field::source_container_label, labels);
        owner.text(Field::source_process_name, "dig");
        r.attach(&owner);
    }

    bool matches(std::string_view expression) {
        const auto f = filter::Filter::compile(expression);
        if (!f) {
            ADD_FAILURE() << f.error().show(expression);
            return false;
        }
        return f->matches(r);
    }

    record::FieldSet owner;
    Record r;
};

#define MATCHES(text) EXPECT_TRUE(matches(text)) << text
#define DIFFERS(text) EXPECT_FALSE(matches(text)) << text
// An error inside: neither the expression nor its opposite matches.
#define NEITHER(text) \
    DIFFERS(text);    \
    DIFFERS("!(" text ")")

TEST_F(FilterMatches, an_empty_expression_matches_everything) {
    MATCHES("");
    MATCHES("  // only a comment\n");
    MATCHES("true");
    DIFFERS("false");
    EXPECT_TRUE(filter::Filter::compile(" ")->always_true());
    EXPECT_FALSE(filter::Filter::compile("source.port == 1")->always_true());
}

TEST_F(FilterMatches, whole_numbers_compare_with_all_kinds_of_numbers) {
    MATCHES("source.port == 40000");
    MATCHES("source.port == 40000u && source.port == 40000.0 && source.port == 0x9c40");
    MATCHES("source.port > 1024 && 1024 < source.port");
    DIFFERS("source.port != 40000");
    MATCHES("source.port >= 40000 && source.port <= 40000 && source.port > -1");
    MATCHES("source.port < 40000.5 && source.port > 39999.5");
    MATCHES("-source.port == -40000");
}

TEST_F(FilterMatches, a_number_above_int64_is_larger_than_every_int) {
    r.uint(Field::source_process_pid, std::numeric_limits<uint64_t>::max());
    MATCHES("source.process.pid > 9223372036854775807");
    MATCHES("source.process.pid == 18446744073709551615u");
    MATCHES("source.process.pid != -1");
    NEITHER("source.process.pid + 1 > 0");
}

TEST_F(FilterMatches, arithmetic_is_exact_or_an_error) {
    MATCHES("source.port + destination.port == 40053");
    MATCHES("source.port - 40001 == -1 && source.port * 2 == 80000 && source.port / 3 == 13333 && source.port % 3 == 1");
    NEITHER("source.port / 0 == 1");
    NEITHER("source.port % 0 == 1");
    NEITHER("9223372036854775807 + source.port > 0");
    NEITHER("-9223372036854775808 / -1 > 0");
    NEITHER("-(-9223372036854775808) > 0");
    NEITHER("1u - 2u > 0u");
    MATCHES("double(source.port) / 3.0 > 13333.3");
    MATCHES("int(\"42\") == 42 && uint(7) == 7u && int(2.9) == 2 && double(\"1.5\") == 1.5");
    NEITHER("int(dns.question.name) == 1");
    MATCHES("int('+5') == 5 && int('-5') == -5 && double('+1.5') == 1.5");
    NEITHER("int('+-5') == -5 || int('++5') == 5 || uint('+5') == 5u || int('+') == 0");
    MATCHES("1.0 / 0.0 > 1.0 && !(0.0 / 0.0 == 0.0 / 0.0)");
}

TEST_F(FilterMatches, texts_are_compared_and_searched) {
    MATCHES("dns.question.name == \"shop.svc.cluster.local\"");
    MATCHES(
        "dns.question.name.endsWith(\".svc.cluster.local\") && dns.question.name.startsWith('shop') && "
        "dns.question.name.contains('.svc.')");
    MATCHES("dns.question.name < \"shoq\" && dns.question.name > 'shop'");
    MATCHES("\"shop\" < dns.question.name");
    DIFFERS("dns.question.name.contains('SHOP')");
    MATCHES("dns.question.name.contains('')");
    MATCHES("size(dns.question.name) == 22 && dns.question.name.size() == 22");
    MATCHES("size('gr\\u00fc\\u00df') == 4");
    MATCHES("dns.question.name in ['a', 'shop.svc.cluster.local', 'z']");
    DIFFERS("dns.question.name in []");
}

TEST_F(FilterMatches, regular_expressions_search_anywhere) {
    MATCHES("dns.question.name.matches('s[h-i]op')");
    MATCHES("dns.question.name.matches('(?i)^SHOP\\\\.')");
    MATCHES("matches(dns.question.name, r'\\.local$')");
    // Without special characters they are plain searches, with the same meaning.
    MATCHES("dns.question.name.matches('svc') && dns.question.name.matches('^shop') && dns.question.name.matches('local$')");
    DIFFERS("dns.question.name.matches('^svc')");
    DIFFERS("dns.question.name.matches('^shop$')");
    MATCHES("dns.question.name.matches('')");
    MATCHES("source.address.matches('^10[.]9')");
}

TEST_F(FilterMatches, addresses_compare_by_value_and_read_as_text) {
    MATCHES("source.address == '10.9.0.1'");
    DIFFERS("source.address == '10.9.0.2'");
    MATCHES("destination.address == '2001:DB8:0:0::35'");
    MATCHES("'2001:db8::0:35' == destination.address");
    MATCHES("source.address != destination.address && source.address == source.address");
    MATCHES("source.address in ['::1', '10.9.0.1', '2001:db8::1']");
    MATCHES("'10.9.0.1' in [source.address, destination.address]");
    MATCHES("source.address.startsWith('10.9.') && destination.address.endsWith('::35')");
    MATCHES("source.address < '2'");
    DIFFERS("source.address == dns.question.name");
    MATCHES("'2001:db8:0::7' in dns.resolved_ip && !('10.0.0.1' in dns.resolved_ip)");
}

TEST_F(FilterMatches, networks_contain_addresses) {
    MATCHES("cidr('10.0.0.0/8').containsIP(source.address)");
    MATCHES("cidr('10.9.0.1/32').containsIP(source.address) && cidr('0.0.0.0/0').containsIP(source.address)");
    DIFFERS("cidr('10.9.0.0/31').containsIP(destination.address)");
    MATCHES("cidr('2001:db8::/33').containsIP(destination.address)");
    DIFFERS("cidr('10.8.0.0/16').containsIP(source.address)");
    MATCHES("!cidr('10.8.0.0/16').containsIP(source.address)");
    MATCHES("cidr('10.0.0.0/8').containsIP('10.1.1.1') && cidr('10.0.0.0/8').containsIP(ip('10.1.1.1'))");
    MATCHES("cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && !cidr('10.1.0.0/16').containsCIDR(cidr('10.0.0.0/8'))");
    MATCHES("cidr('10.0.0.0/8').prefixLength() == 8");
    NEITHER("cidr('10.0.0.0/8').containsIP(dns.question.name)");
    MATCHES("dns.resolved_ip.exists(a, cidr('192.0.2.0/24').containsIP(a))");
    MATCHES("ip(source.address).family() == 4 && ip(destination.address).family() == 6");
    MATCHES(
        "ip(source.address).isGlobalUnicast() && !ip(source.address).isLoopback() && ip('::1').isLoopback() && "
        "ip('127.3.2.1').isLoopback()");
    MATCHES(
        "ip('fe80::1').isLinkLocalUnicast() && ip('169.254.1.1').isLinkLocalUnicast() && ip('ff02::1').isLinkLocalMulticast()");
    MATCHES("ip('::').isUnspecified() && ip('0.0.0.0').isUnspecified() && !ip('255.255.255.255').isGlobalUnicast()");
    MATCHES("isIP(source.address) && !isIP(dns.question.name) && isCIDR('10.0.0.0/8') && !isCIDR(dns.question.name)");
    MATCHES("ip(source.address) == ip('10.9.0.1')");
}

TEST_F(FilterMatches, an_ipv4_address_inside_ipv6_is_an_error_for_networks_as_in_kubernetes) {
    r.ip(Field::source_nat_ip, std::array<uint8_t, 16>{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1});
    NEITHER("cidr('10.0.0.0/8').containsIP(source.nat.ip)");
    NEITHER("ip(source.nat.ip).isLoopback()");
    MATCHES("source.nat.ip == '::ffff:10.0.0.1' && source.nat.ip == '::ffff:a00:1'");
    DIFFERS("isIP(source.nat.ip)");
}

TEST_F(FilterMatches, hex_fields_compare_by_value_and_read_as_lower_case) {
    MATCHES("cvf.dns.edns.cookie == 'abcd01ff' && cvf.dns.edns.cookie == 'ABCD01FF'");
    DIFFERS("cvf.dns.edns.cookie == 'abcd01'");
    MATCHES("cvf.dns.edns.cookie.startsWith('abc') && cvf.dns.edns.cookie.contains('d01') && cvf.dns.edns.cookie.size() == 8");
    MATCHES("cvf.dns.edns.cookie in ['00', 'abcd01ff']");
}

TEST_F(FilterMatches, a_missing_field_does_not_match) {
    NEITHER("dns.response_code == 'NOERROR'");
    NEITHER("dns.response_code != 'NOERROR'");
    NEITHER("dns.response_code in ['NOERROR']");
    NEITHER("dns.response_code.startsWith('N')");
    NEITHER("size(cvf.dns.answer.names) == 0");
    NEITHER("'x' in cvf.dns.answer.names");
    NEITHER("cvf.dns.unicast_response");
    NEITHER("cvf.dns.unicast_response ? true : true");
    NEITHER("cvf.dns.query.size + 1 > 0");
    NEITHER("source.port in [cvf.dns.query.size, 40000]");
    NEITHER("[source.port, cvf.dns.query.size].exists(p, p == 40000)");
}

TEST_F(FilterMatches, and_and_or_absorb_what_is_missing) {
    MATCHES("dns.response_code == 'NOERROR' || source.port == 40000");
    MATCHES("source.port == 40000 || dns.response_code == 'NOERROR'");
    MATCHES("!(dns.response_code == 'NOERROR' && source.port == 1)");
    MATCHES("!(source.port == 1 && dns.response_code == 'NOERROR')");
    NEITHER("dns.response_code == 'NOERROR' && source.port == 40000");
    NEITHER("dns.response_code == 'NOERROR' || source.port == 1");
    MATCHES("has(dns.response_code) ? dns.response_code == 'x' : source.port == 40000");
}

TEST_F(FilterMatches, has_tells_what_is_there) {
    MATCHES("has(dns.question.name) && !has(dns.response_code)");
    MATCHES("has(source.process.executable.name) && !has(destination.process.executable.name)");
    MATCHES("has(source.container.label.app) && !has(source.container.label.tier)");
    NEITHER("has(destination.container.label.app)");
    MATCHES("'name' in dns.question && !('response_code' in dns)");
}

TEST_F(FilterMatches, labels_are_maps) {
    MATCHES("source.container.label['app'] == 'cart' && source.container.label.app == 'cart'");
    MATCHES("source.container.label['app.kubernetes.io/name'].startsWith('sh')");
    MATCHES("'app' in source.container.label && !('tier' in source.container.label)");
    NEITHER("source.container.label['tier'] == 'x'");
    NEITHER("destination.container.label['app'] == 'x'");
    MATCHES("size(source.container.label) == 2");
    MATCHES("source.container.label.exists(k, source.container.label[k] == 'shop')");
    MATCHES("source.container.label.all(k, k.startsWith('app'))");
}

TEST_F(FilterMatches, names_with_a_hyphen_are_written_in_brackets) {
    static constexpr std::string_view types[] = {"text/html"};
    r.texts(Field::http_request_header_content_type, types);
    MATCHES("'text/html' in http.request.header['content-type']");
    MATCHES("'content-type' in http.request.header && !('referer' in http.request.header)");
    MATCHES("source['port'] == 40000");
}

TEST_F(FilterMatches, lists_are_searched_and_quantified) {
    MATCHES("'192.0.2.7' in dns.answers && !('x' in dns.answers)");
    MATCHES("60 in cvf.dns.answer.ttls && 300.0 in cvf.dns.answer.ttls && !(61 in cvf.dns.answer.ttls)");
    MATCHES("dns.answers[1] == 'alias.example.'");
    NEITHER("dns.answers[2] == 'x'");
    NEITHER("dns.answers[-1] == 'x'");
    MATCHES("dns.answers.size() == 2 && size(dns.resolved_ip) == 2");
    MATCHES("dns.answers.exists(a, a.startsWith('alias'))");
    DIFFERS("dns.answers.all(a, a.startsWith('alias'))");
    MATCHES("dns.answers.exists_one(a, a.startsWith('alias'))");
    DIFFERS("dns.answers.exists_one(a, a.contains('a') || a.contains('1'))");
    MATCHES("cvf.dns.answer.ttls.all(t, t >= 60 && t < 301)");
    MATCHES("['svc', 'prod'].exists(s, dns.question.name.contains(s))");
    MATCHES("[source.port, destination.port].exists(p, p == 53) && [source.port, destination.port].all(p, p > 1)");
    MATCHES("[].all(x, x == 'a') && ![].exists(x, x == 'a')");
    MATCHES("dns.resolved_ip.exists(a, dns.answers.exists(b, a == b))");
}

TEST_F(FilterMatches, quantifiers_absorb_errors_as_or_and_and_do) {
    MATCHES("dns.answers.exists(a, a == '192.0.2.7' || int(a) == 1)");
    MATCHES("!dns.answers.all(a, a == '192.0.2.7' && int(a) == 1 || a == 'x')");
    NEITHER("dns.answers.exists(a, int(a) == 1)");
    NEITHER("dns.answers.exists_one(a, a == '192.0.2.7' || int(a) == 1)");
}

TEST_F(FilterMatches, durations_are_nanoseconds) {
    MATCHES("event.duration > duration('1ms') && event.duration < duration('2.6ms') && event.duration == duration('2500us')");
    MATCHES("duration('1h') > event.duration && event.duration == 2500000");
    MATCHES("duration('1h30m') == duration('90m') && duration('-1s') < duration('0s')");
    MATCHES("duration('1s') + duration('500ms') == duration('1.5s')");
}

TEST_F(FilterMatches, times_compare_and_differ_by_durations) {
    MATCHES("timestamp == timestamp('2026-01-02T03:04:05Z') && timestamp > timestamp('2026-01-02T03:04:04.999999999Z')");
    MATCHES("timestamp == timestamp('2026-01-02T05:04:05+02:00')");
    MATCHES("timestamp - timestamp('2026-01-02T03:00:00Z') == duration('4m5s')");
    MATCHES("timestamp + duration('1s') > timestamp && timestamp('2026-01-02T03:04:06Z') - duration('1s') == timestamp");
    MATCHES("int(timestamp) == 1767323045");
}

TEST_F(FilterMatches, record_types_are_tested_by_name) {
    MATCHES("record.type == 'dns' && record.type != 'http' && record.type in ['http', 'dns']");
    DIFFERS("record.type == 'http' || record.type in ['tls', 'quic']");
    MATCHES("record.type.startsWith('d')");
}

TEST_F(FilterMatches, flags_are_conditions) {
    MATCHES("cvf.truncated && cvf.truncated == true && cvf.truncated != false");
    DIFFERS("!cvf.truncated");
    MATCHES("(source.port > 1) == (destination.port > 1)");
    MATCHES("source.port > 1 ? cvf.truncated : false");
    MATCHES("(source.port == 1 ? source.address : destination.address) == '2001:db8::35'");
}

TEST_F(FilterMatches, precedence_is_that_of_cel) {
    MATCHES("false && false || true");
    MATCHES("true || false && false");
    MATCHES("1 + 2 * 3 == 7 && (1 + 2) * 3 == 9 && 7 - 2 - 1 == 4 && -2 + 3 == 1");
    MATCHES("!false && !!true");
    MATCHES("true ? true : false ? false : false");
}

TEST_F(FilterMatches, the_cost_of_nested_quantifiers_is_bounded) {
    std::vector<std::string_view> many(20'000, "a");
    Record big;
    big.begin(record::RecordType::dns, 0);
    big.texts(Field::dns_answers, many);
    const auto f = filter::Filter::compile("dns.answers.exists(a, dns.answers.exists(b, b == 'x'))");
    ASSERT_TRUE(f);
    EXPECT_FALSE(f->matches(big));  // 400 million turns would be noticed
}

TEST_F(FilterMatches, long_text_counts_where_it_is_gone_through_again_and_again) {
    std::vector<std::string_view> parts(2'000, "b");
    parts.back() = "a";
    Record big;
    const auto match = [&](std::string_view expression, size_t length) {
        const std::string name(length, 'a');
        big.begin(record::RecordType::dns, 0);
        big.texts(Field::dns_answers, parts);
        big.text(Field::dns_question_name, name);
        return filter::Filter::compile(expression)->matches(big);
    };
    for (const auto* expression :
         {"dns.answers.exists(s, dns.question.name.contains(s))",
          "dns.answers.exists(s, s == 'a' && size(dns.question.name) > 0 || size(dns.question.name) == 0)",
          "dns.answers.exists(s, dns.question.name.matches('a+b?c') || s == 'a')"}) {
        EXPECT_TRUE(match(expression, 100)) << expression;
        EXPECT_FALSE(match(expression, 8'000)) << expression;
    }
    EXPECT_TRUE(match("dns.question.name.contains('a') && dns.question.name.matches('a+b?a')", 60'000)) << "once is free";
}

TEST(FilterTypes, possible_types_leave_out_only_what_can_never_match) {
    const auto types = [](std::string_view expression) {
        const auto f = filter::Filter::compile(expression);
        EXPECT_TRUE(f) << f.error().show(expression);
        return f->possible_types();
    };
    const auto only = [](auto... t) {
        filter::TypeBits bits;
        (bits.set(static_cast<size_t>(t)), ...);
        return bits;
    };
    using T = record::RecordType;
    // A metric has any field with a single value: it may have been grouped by it.
    const filter::TypeBits every = filter::TypeBits().set();
    EXPECT_EQ(types(""), every);
    EXPECT_EQ(types("false"), only());
    EXPECT_EQ(types("source.port == 1"), every);
    EXPECT_EQ(types("record.type == 'dns'"), only(T::dns));
    EXPECT_EQ(types("record.type != 'dns'"), every & ~only(T::dns));
    EXPECT_EQ(types("record.type in ['tls', 'http']"), only(T::tls, T::http));
    EXPECT_EQ(types("!(record.type in ['tls', 'http'])"), every & ~only(T::tls, T::http));
    EXPECT_EQ(types("dns.question.name == 'a'"), only(T::dns, T::metric));
    EXPECT_EQ(types("!(dns.question.name == 'a')"), only(T::dns, T::metric));
    EXPECT_EQ(types("dns.question.name == 'a' || record.type == 'tls'"), only(T::dns, T::tls, T::metric));
    EXPECT_EQ(types("dns.question.name == 'a' && source.port == 1"), only(T::dns, T::metric));
    EXPECT_EQ(types("dns.question.name == 'a' && record.type == 'tls'"), only());
    EXPECT_EQ(types("has(dns.question.name)"), only(T::dns, T::metric));
    EXPECT_EQ(types("!has(dns.question.name)"), every);
    EXPECT_EQ(types("has(dns.question.name) ? dns.question.name == 'a' : source.port == 1"), every);
    EXPECT_EQ(types("dns.answers.exists(a, a == 'x')"), only(T::dns));
    EXPECT_EQ(types("!dns.answers.all(a, a == 'x')"), only(T::dns));
}

TEST(FilterTypes, used_fields_are_those_it_looks_at) {
    const auto f = filter::Filter::compile("source.port == 1 || has(dns.question.name)");
    ASSERT_TRUE(f);
    filter::FieldBits expected;
    expected.set(static_cast<size_t>(Field::source_port)).set(static_cast<size_t>(Field::dns_question_name));
    EXPECT_EQ(f->used(), expected);
}

}  // namespace
