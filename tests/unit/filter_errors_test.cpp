// What is said about expressions that cannot be compiled: the column, what is wrong, what would be right.
#include <gtest/gtest.h>

#include <string>

#include "filter/filter.h"

namespace {

using cvf::filter::Filter;

struct Wrong {
    std::string_view expression;
    size_t column;
    std::string_view message;
};

TEST(FilterErrors, name_the_column_and_what_was_meant) {
    static constexpr Wrong wrong[] = {
        {R"~(dns.qestion.name == "x")~", 1, R"~(there is no field 'dns.qestion.name'; did you mean dns.question.name?)~"},
        {R"~(source.ip == "1.2.3.4")~", 1, R"~(there is no field 'source.ip'; did you mean source.address?)~"},
        {R"~(dns.name == "x")~", 1, R"~(there is no field 'dns.name'; did you mean dns.question.name?)~"},
        {R"~(dns.question == "x")~", 1,
         R"~(dns.question is a group of fields; name one of them: dns.question.name, dns.question.type, dns.question.class, …)~"},
        {R"~(source.port == "443")~", 13,
         R"~(source.port is a whole number and "443" is a string: they cannot be compared; write 443 without the quotes)~"},
        {R"~(dns.question.name == 5)~", 19,
         R"~(dns.question.name is a string and 5 is a whole number: they cannot be compared; write "5" in quotes)~"},
        {R"~(dns.answers == "x")~", 13,
         R"~(dns.answers is a list of strings and "x" is a string: they cannot be compared; write "x" in dns.answers)~"},
        {R"~(dns.answers.contains("x"))~", 13, R"~(dns.answers is a list; write x in dns.answers)~"},
        {R"~(dns.answers.startsWith("x"))~", 13, R"~(dns.answers is a list; write dns.answers.exists(x, x.startsWith("…")))~"},
        {R"~(source.port)~", 1, R"~(a filter must be true or false, and source.port is a whole number: compare it)~"},
        {R"~(dns.question.name)~", 1,
         R"~(a filter must be true or false, and dns.question.name is a string: compare it, or ask with has())~"},
        {R"~(source.port = 443)~", 13, R"~(write '==' to compare)~"},
        {R"~(source.port == 443 and true)~", 20, R"~(write '&&' for "and")~"},
        {R"~(source.port == 443 & true)~", 20, R"~(write '&&' for "and")~"},
        {R"~(not has(dns.id))~", 1, R"~(write '!' for "not")~"},
        {R"~(dns.question.name.endswith(".x"))~", 19, R"~(there is no endswith(); did you mean endsWith()?)~"},
        {R"~(dns.question.name.lowerAscii() == "x")~", 19,
         R"~(there is no lowerAscii(); to ignore case write x.matches("(?i)…"))~"},
        {R"~(dns.question.name contains "x")~", 19, R"~(write x.contains("…"))~"},
        {R"~(contains(dns.question.name, "x"))~", 1, R"~(write x.contains(…))~"},
        {R"~(source.address == "10.0.0.0/8")~", 19,
         R"~("10.0.0.0/8" is not an IP address; for a network write cidr("…").containsIP(x), for a part of the text x.startsWith("…"))~"},
        {R"~(cidr("10.0.0.0").containsIP(source.address))~", 6, R"~(a network needs a prefix length: "10.0.0.0/32")~"},
        {R"~(cidr("10.0.0.0/8").contains(source.address))~", 20, R"~(a network is asked with containsIP() or containsCIDR())~"},
        {R"~(ip(source.address) == source.address)~", 20,
         R"~(ip() is what ip() makes and source.address is an address: they cannot be compared; write the address as a string, or put ip() around both)~"},
        {R"~(source.address == 10.0.0.1)~", 19, R"~(an address is written as a string: "10.0.0.1")~"},
        {R"~(event.duration > 100ms)~", 21, R"~('100ms' is not a number; a duration is written duration("100ms"))~"},
        {R"~(event.duration > "100ms")~", 16,
         R"~(event.duration is a whole number and "100ms" is a string: they cannot be compared; write duration("100ms"))~"},
        {R"~(event.duration > duration("100"))~", 27,
         R"~("100" is not a duration; write a number and h, m, s, ms, us or ns: "1h30m", "1.5s")~"},
        {R"~(@timestamp > timestamp("2026"))~", 1, R"~('@' cannot stand in a name; write 'timestamp' for the field @timestamp)~"},
        {R"~(timestamp > timestamp("2026"))~", 23,
         R"~("2026" is not a time between 1678 and 2261; write "2026-01-02T03:04:05Z")~"},
        {R"~(timestamp > "2026-01-01T00:00:00Z")~", 11,
         R"~(timestamp is a time and "2026-01-01T00:00:00Z" is a string: they cannot be compared; write timestamp("2026-01-02T03:04:05Z"))~"},
        {R"~(record.type == "dsn")~", 16, R"~(there is no record type "dsn"; did you mean "dns"?)~"},
        {R"~(record.type in ["dns", "htp"])~", 24, R"~(there is no record type "htp"; did you mean "http"?)~"},
        {R"~(source.port + 1.0 > 2.0)~", 13,
         R"~(source.port is a whole number and this is a number with a fraction; CEL does not mix them, write double(source.port))~"},
        {R"~(source.port in [1, "2"])~", 13,
         R"~(source.port is a whole number and "2" is a string: they cannot be compared; write 2 without the quotes)~"},
        {R"~(source.port in dns.question.name)~", 16,
         R"~(dns.question.name is a string; a list or a map must follow 'in'; for a part of a text write x.contains("…"))~"},
        {R"~(http.request.header.content-type == "x")~", 1,
         R"~(there is no field 'http.request.header.content'; did you mean http.request.header["content-type"]?)~"},
        {R"~(has(dns.question))~", 5,
         R"~(dns.question is a group of fields; name one of them: dns.question.name, dns.question.type, dns.question.class, …)~"},
        {R"~(has(source.port > 1))~", 5, R"~(has() takes a field, as has(dns.question.name))~"},
        {R"~(has(source.container.label["app"]))~", 5, R"~(has() takes a field; for a key of a map write "key" in map)~"},
        {R"~(dns.question.name.matches("("))~", 27, R"~(this is not a regular expression (RE2): missing ): ()~"},
        {R"~(dns.question.name == null)~", 22, R"~(there is no null: a field is there or it is missing; ask with has(field))~"},
        {R"~("unclosed)~", 1, R"~(this string is not closed)~"},
        {R"~('bad \q')~", 6, R"~(this escape is not known; a backslash is written '\\', or use a raw string: r"…")~"},
        {R"~((source.port == 1)~", 18, R"~(')' is missing here)~"},
        {R"~(source.port == 1))~", 17, R"~(')' closes nothing that is open here)~"},
        {R"~(source.port ==)~", 15, R"~(the expression ends too early; a value is missing here)~"},
        {R"~(b"x" == "y")~", 1, R"~(bytes literals are not part of the filter language; write a string)~"},
        {R"~(dns.answers.exists(a == "x"))~", 13,
         R"~(exists() takes a name and a condition: list.exists(x, x.startsWith("a")))~"},
        {R"~(dns.answers.exists(1, true))~", 20, R"~(a name for the item must stand here: list.exists(x, x.startsWith("a")))~"},
        {R"~(source.port.exists(a, true))~", 1, R"~(source.port is a whole number; exists() is asked of a list or a map)~"},
        {R"~(dns.answers.map(a, a) == [])~", 13,
         R"~(map() makes a new list, which a filter does not; use exists(), all() or exists_one())~"},
        {R"~({"a": 1} == 1)~", 1, R"~('{' opens a map or a message, which the filter language does not have)~"},
        {R"~(source.port == 99999999999999999999)~", 16, R"~(whole numbers end at 18446744073709551615)~"},
        {R"~(“x” == dns.question.name)~", 1, R"~(this is a typographic quote; write "…" or '…')~"},
        {R"~(x.y.z == 1)~", 1, R"~(there is no field 'x.y.z')~"},
        {R"~(source.port.foo == 1)~", 13, R"~(source.port is a whole number; it has no member 'foo')~"},
        {R"~(source.container.label == "x")~", 24,
         R"~(source.container.label is a map and "x" is a string: they cannot be compared; write source.container.label["key"] for one of its texts)~"},
        {R"~(true ? 1 : "a")~", 12,
         R"~(both values of '? :' must be of one type, and 1 is a whole number while "a" is a string)~"},
        {R"~(source.address.isLoopback())~", 1, R"~(write ip(source.address).isLoopback())~"},
        {R"~(1 < 2 < 3)~", 7, R"~(this is true or false and 3 is a whole number: they cannot be compared)~"},
        {R"~(source.portt > 1)~", 1, R"~(there is no field 'source.portt'; did you mean source.port?)~"},
        {R"~(a)~", 1, R"~(there is no field 'a')~"},
        {R"~(matches(dns.id))~", 1, R"~(matches() takes a string and a pattern: x.matches("^a.*z$"))~"},
        {R"~(size())~", 1, R"~(size() takes one value, and 0 are given)~"},
        {R"~(cvf.truncated == "true")~", 15,
         R"~(cvf.truncated is true or false and "true" is a string: they cannot be compared; write true or false without quotes)~"},
        {R"~([1,2] == [1])~", 1, R"~(a list can stand only behind 'in', or before .exists(), .all() and .exists_one())~"},
        {R"~(source.process.nme == "x")~", 1,
         R"~(there is no field 'source.process.nme'; did you mean source.process.executable.name?)~"},
    };
    for (const Wrong& w : wrong) {
        const auto f = Filter::compile(w.expression);
        ASSERT_FALSE(f) << w.expression;
        EXPECT_EQ(f.error().message, w.message) << w.expression;
        EXPECT_EQ(f.error().column, w.column) << w.expression;
    }
}

TEST(FilterErrors, show_the_line_with_a_caret_below_the_column) {
    const std::string_view source = "source.port == 1 &&\n  dns.question.name == \"größe\" && sorce.port == 2\n|| true";
    const auto f = Filter::compile(source);
    ASSERT_FALSE(f);
    EXPECT_EQ(f.error().show(source),
              "column 55: there is no field 'sorce.port'; did you mean source.port?\n"
              "    dns.question.name == \"größe\" && sorce.port == 2\n"
              "                                    ^");
}

TEST(FilterErrors, control_characters_of_the_source_do_not_reach_the_terminal) {
    const std::string_view source = "\"\x1b[31m\" == 1";
    const auto f = Filter::compile(source);
    ASSERT_FALSE(f);
    EXPECT_EQ(f.error().show(source).find('\x1b'), std::string::npos);
}

TEST(FilterErrors, hostile_expressions_end_in_an_error_and_not_in_a_crash) {
    const auto refused = [](const std::string& source) {
        const auto f = Filter::compile(source);
        return f ? std::string() : f.error().message;
    };
    const auto repeat = [](std::string_view text, size_t n) {
        std::string s;
        while (n-- > 0) s += text;
        return s;
    };
    EXPECT_EQ(refused(repeat("(", 10'000)), "the expression is nested deeper than 64 levels");
    EXPECT_EQ(refused(repeat("!", 10'000) + "true"), "the expression is nested deeper than 64 levels");
    EXPECT_EQ(refused(repeat("-", 10'000) + "1"), "the expression is nested deeper than 64 levels");
    EXPECT_EQ(refused(repeat("[", 10'000)), "the expression is nested deeper than 64 levels");
    EXPECT_EQ(refused("1" + repeat("+1", 1'500) + " == 1"), "the expression is nested deeper than 64 levels");
    EXPECT_EQ(refused("a" + repeat("[0]", 1'500)), "the expression is nested deeper than 64 levels");
    EXPECT_EQ(refused("true" + repeat("&&true", 2'600)), "");
    EXPECT_EQ(refused("1 in [1" + repeat(",1", 6'000) + "]"), "the expression is too long: it may have 4096 operations");
    EXPECT_EQ(refused(repeat(" ", 20'000)), "the expression is too long: it may have 16 KiB");
    EXPECT_EQ(refused("a" + repeat(".b", 5'000)), "the expression is too long: it may have 4096 operations");
    EXPECT_EQ(refused("dns.answers.exists(a, dns.answers.exists(b, dns.answers.exists(c, c == a)))"),
              "exists(), all() and exists_one() may be nested 2 deep");
    EXPECT_NE(refused("dns.id.matches('((a{100}){100}){100}')"), "");
    EXPECT_EQ(refused("dns.id.matches('(a+)+$')"), "");
}

}  // namespace
