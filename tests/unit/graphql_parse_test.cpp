#include "graphql/parse.h"

#include <gtest/gtest.h>

namespace cvf::graphql {
namespace {

TEST(GraphqlParse, AQueryHasItsPartsAndTheirPlaces) {
    const auto d = parse(
        "query Q($n: [Int!]! = [1]) @d(x: $n) {\n  a: records(first: 3) { ...F ... on HttpRecord @skip(if: true) { url } "
        "}\n}\nfragment F on Record { id }");
    ASSERT_TRUE(d) << d.error().message;
    ASSERT_EQ(d->operations.size(), 1u);
    const Operation& q = d->operations[0];
    EXPECT_EQ(q.name, "Q");
    ASSERT_EQ(q.variables.size(), 1u);
    EXPECT_EQ(q.variables[0].type.show(), "[Int!]!");
    EXPECT_EQ(q.variables[0].type.wraps, "![!");
    EXPECT_EQ(q.variables[0].fallback->items[0].text, "1");
    EXPECT_EQ(q.directives[0].arguments[0].value.kind, Value::Kind::variable);
    const Selection& a = q.selections[0];
    EXPECT_EQ(a.alias, "a");
    EXPECT_EQ(a.name, "records");
    EXPECT_EQ(d->place(a.at).line, 2u);
    EXPECT_EQ(d->place(a.at).column, 3u);
    ASSERT_EQ(a.selections.size(), 2u);
    EXPECT_EQ(a.selections[0].kind, Selection::Kind::spread);
    EXPECT_EQ(a.selections[1].on, "HttpRecord");
    EXPECT_EQ(a.selections[1].directives[0].name, "skip");
    EXPECT_EQ(d->fragment("F")->on, "Record");
}

TEST(GraphqlParse, AnErrorStandsWhereTheTextStopsBeingGraphql) {
    const auto d = parse("{\n  records(first: ) { x }\n}");
    ASSERT_FALSE(d);
    EXPECT_EQ(d.error().places[0].line, 2u);
    EXPECT_EQ(d.error().places[0].column, 18u);
    EXPECT_EQ(d.error().message, "Syntax Error: unexpected ')'");
    EXPECT_EQ(parse("{ a").error().message, "Syntax Error: unexpected the end of the text");
    EXPECT_EQ(parse("").error().message, "Syntax Error: unexpected the end of the text");
}

TEST(GraphqlParse, ColumnsCountUtf16Units) {
    const auto d = parse("{ a(x: \"\xF0\x9F\x98\x80\xC3\xA4\") } }");
    ASSERT_FALSE(d);
    EXPECT_EQ(d.error().places[0].column, 17u);
}

TEST(GraphqlParse, DeepAndLargeTextIsRefusedAndCostsNoStack) {
    for (const char* one : {"{a", "{a(x:[", "{a(x:{a:"}) {
        std::string text(one);
        for (int i = 0; i < 20'000; ++i) text += text[text.size() - 1] == 'a' ? "{a" : text.ends_with('[') ? "[" : "{a:";
        const auto d = parse(text, 1 << 20);
        ASSERT_FALSE(d);
        EXPECT_NE(d.error().message.find("nested deeper"), std::string::npos) << d.error().message;
    }
    EXPECT_EQ(parse(std::string(max_document_bytes + 1, ' ')).error().extensions.at("code"), "DOCUMENT_TOO_LARGE");
    std::string many;
    for (size_t i = 0; i <= max_definitions; ++i) many += "{a}";
    EXPECT_FALSE(parse(many));
}

TEST(GraphqlParse, ControlCharactersAndWhatIsNotUtf8AreRefused) {
    EXPECT_FALSE(parse(std::string("{ a \0 }", 7)));
    EXPECT_FALSE(parse("{ a # \x01\n }"));
    EXPECT_FALSE(parse("{ a(x: \"\xff\") }"));
    EXPECT_FALSE(parse("{ a # \xc3\n }"));
    EXPECT_TRUE(parse("\xEF\xBB\xBF{ a # \xc3\xa4\r\n }"));
}

TEST(GraphqlParse, StringsAreWhatTheyStandFor) {
    EXPECT_EQ(*string_value(R"("a\n\t\"\\\/\u00e4\u{1F600}\uD83D\uDE00")"), "a\n\t\"\\/\xC3\xA4\xF0\x9F\x98\x80\xF0\x9F\x98\x80");
    EXPECT_FALSE(string_value(R"("\uD83D")"));
    EXPECT_FALSE(string_value(R"("\uDE00x")"));
    EXPECT_FALSE(string_value(R"("\uD83D\u0041")"));
    EXPECT_FALSE(string_value(R"("\u{110000}")"));
    EXPECT_FALSE(string_value(R"("\u{FFFFFFFFFFFFFFFFF}")"));
    EXPECT_EQ(*string_value("\"\""), "");
}

TEST(GraphqlParse, BlockStringsLoseCommonIndentAndBlankEnds) {
    EXPECT_EQ(*string_value("\"\"\"\n    Hello,\n      World!\n\n    Yours,\r\n      GraphQL.\n  \"\"\""),
              "Hello,\n  World!\n\nYours,\n  GraphQL.");
    EXPECT_EQ(*string_value("\"\"\"a \\\"\"\" b\\n\"\"\""), "a \"\"\" b\\n");
    EXPECT_EQ(*string_value("\"\"\"\"\"\""), "");
    EXPECT_EQ(*string_value("\"\"\"  first\n  second\"\"\""), "  first\nsecond");
}

}  // namespace
}  // namespace cvf::graphql
