// Validation, limits and execution where graphql-js can't judge (tests/graphql does the rest).
#include <gtest/gtest.h>

#include <set>

#include "../graphql/fake_source.h"
#include "graphql/engine.h"
#include "graphql/parse.h"
#include "graphql/validate.h"

namespace cvf::graphql {
namespace {

namespace json = boost::json;

json::object run(std::string query, FakeSource& source, json::object variables = {}, Limits limits = {}) {
    const auto prepared = prepare(fabric_schema(), {std::move(query), {}, std::move(variables)}, limits);
    return prepared ? execute((*prepared)->request(), source) : prepared.error().json();
}
std::string code(const json::object& answer) {
    return std::string(answer.at("errors").at(0).at("extensions").at("code").as_string());
}
std::string message(const json::object& answer) {
    return std::string(answer.at("errors").at(0).at("message").as_string());
}

TEST(GraphqlSchema, EveryFieldOfTheTableIsAFieldOfItsTypesUnderOneName) {
    const Schema& schema = fabric_schema();
    std::set<std::string> names;
    for (size_t i = 0; i < record::field_count; ++i) {
        const std::string name = field_name(record::info(static_cast<record::Field>(i)).key);
        EXPECT_TRUE(names.insert(name).second) << name;
        for (const char c : name) EXPECT_TRUE((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_') << name;
    }
    EXPECT_EQ(schema.must("HttpRecord").field("http_response_status_code")->key, "http.response.status_code");
    EXPECT_EQ(schema.must("Record").field("timestamp")->key, "@timestamp");
    EXPECT_EQ(schema.must("Record").possible.size(), record::type_count);
    for (const Type* type : schema.must("Record").possible)
        for (const FieldDef& field : schema.must("Record").fields)
            EXPECT_TRUE(type->field(field.name)) << type->name << "." << field.name;
}

TEST(GraphqlValidate, AMistypedNameIsToldTheNearest) {
    FakeSource source;
    EXPECT_EQ(message(run("{ records { nodes { sorce_port } } }", source)),
              "There is no field \"sorce_port\" on type \"Record\"; did you mean \"source_port\"?");
    EXPECT_EQ(message(run("{ records { nodes { url_path } } }", source)),
              "There is no field \"url_path\" on type \"Record\"; did you mean a fragment on \"HttpRecord\"?");
    EXPECT_NE(message(run("{ records(types: [htp]) { nodes { record_id } } }", source)).find("did you mean \"http\""),
              std::string::npos);
}

TEST(GraphqlValidate, ErrorsAreAtMostAHundred) {
    std::string text = "{";
    for (int i = 0; i < 500; ++i) text += " x" + std::to_string(i);
    EXPECT_EQ(validate(fabric_schema(), *parse(text + "}")).size(), max_errors);
}

TEST(GraphqlValidate, FragmentsThatExpandExponentiallyCostNothing) {
    std::string text = "{ ...F0 }";
    for (int i = 0; i < 200; ++i) {
        const std::string next = std::to_string(i + 1);
        text += "fragment F" + std::to_string(i) + " on Query { ...F" + next + " ...F" + next + " ...F" + next + " }";
    }
    text += "fragment F200 on Query { history { records } }";
    FakeSource source;
    EXPECT_TRUE(validate(fabric_schema(), *parse(text)).empty());
    EXPECT_EQ(code(run(text, source)), "COST_LIMIT");
    // The same with fields between, which nest too deep to be run.
    text = "{ __schema { types { ...F0 } } }";
    for (int i = 0; i < 200; ++i) {
        const std::string next = std::to_string(i + 1);
        text += "fragment F" + std::to_string(i) + " on __Type { a: ofType { ...F" + next + " } b: ofType { ...F" + next + " } }";
    }
    text += "fragment F200 on __Type { name }";
    EXPECT_EQ(code(run(text, source)), "DEPTH_LIMIT");
}

TEST(GraphqlLimits, WhatIsTooMuchIsRefusedBeforeAnythingIsAsked) {
    FakeSource source;
    Limits limits;
    limits.depth = 3;
    EXPECT_EQ(code(run("{ records { edges { node { record_id } } } }", source, {}, limits)), "DEPTH_LIMIT");
    EXPECT_TRUE(run("{ records { nodes { record_id } } }", source, {}, limits).contains("data"));
    limits = {};
    limits.aliases = 1;
    EXPECT_EQ(code(run("{ a: history { records } b: history { records } }", source, {}, limits)), "ALIAS_LIMIT");
    limits = {};
    limits.cost = 5000;
    EXPECT_EQ(
        code(run("query ($n: Int) { records(first: $n) { nodes { record_id flow_id source_port host_name source_address } } }",
                 source, {{"n", 1000}}, limits)),
        "COST_LIMIT");
    EXPECT_TRUE(
        run("query ($n: Int) { records(first: $n) { nodes { record_id flow_id source_port } } }", source, {{"n", 10}}, limits)
            .contains("data"));
    EXPECT_EQ(code(run("{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }", source)),
              "INTROSPECTION_LIMIT");
    limits = {};
    limits.values = 20;
    const json::object large = run("{ records { nodes { record_id flow_id source_port host_name } } }", source, {}, limits);
    EXPECT_EQ(code(large), "ANSWER_TOO_LARGE");
    EXPECT_TRUE(large.at("data").is_null());
}

TEST(GraphqlExecute, TheHistoryIsAskedOnlyForTheFieldsThatAreWanted) {
    FakeSource source;
    run("{ records(filter: \"true\", since: \"10m\", first: 7, types: [dns, http]) { edges { node { __typename source_port ...F "
        "} } nodes { host_name } } } fragment F on Record { ... on HttpRecord { url_path } ... on DnsRecord { dns_question_name "
        "@skip(if: true) } }",
        source);
    EXPECT_EQ(source.last_query.fields, (std::vector<std::string>{"host.name", "record.type", "source.port", "url.path"}));
    EXPECT_EQ(source.last_query.limit, "8");
    EXPECT_EQ(source.last_query.since, "10m");
    EXPECT_EQ(source.last_query.types, (std::vector<std::string>{"dns", "http"}));
    run("{ records { pageInfo { hasNextPage } } }", source);
    EXPECT_EQ(source.last_query.fields, std::vector<std::string>{"record.id"});
}

TEST(GraphqlExecute, AnErrorOfTheSourceHasItsPathAndCode) {
    FakeSource source;
    source.may_change = false;
    const json::object answer = run("mutation { x: deleteDirective(kind: Flow, name: \"a\") { kind } }", source);
    EXPECT_EQ(code(answer), "FORBIDDEN");
    EXPECT_EQ(answer.at("errors").at(0).at("path"), json::array({"x"}));
    EXPECT_TRUE(answer.at("data").is_null());
    const json::object other = run("{ history { records } records(filter: \"bad(\") { nodes { record_id } } }", source);
    EXPECT_EQ(other.at("errors").at(0).at("extensions").at("column").as_int64(), 5);
}

TEST(GraphqlExecute, AConditionThatIsNullIsRefused) {
    FakeSource source;
    const char* query = "query ($a: Boolean = true) { ...F } fragment F on Query { history @include(if: $a) { records } }";
    EXPECT_EQ(json::serialize(run(query, source)), R"({"data":{"history":null}})");
    EXPECT_EQ(json::serialize(run(query, source, {{"a", false}})), R"({"data":{}})");
    EXPECT_EQ(code(run(query, source, {{"a", nullptr}})), "BAD_USER_INPUT");
}

TEST(GraphqlExecute, LargeNumbersStayExact) {
    class Large : public FakeSource {
        Result node(std::string_view) override {
            return json::object{{"name", "n"}, {"age", UINT64_MAX}, {"lost", false}, {"clockSkew", INT64_MIN}};
        }
    } source;
    EXPECT_EQ(json::serialize(run("{ node(name: \"n\") { age clockSkew } }", source)),
              R"({"data":{"node":{"age":18446744073709551615,"clockSkew":-9223372036854775808}}})");
}

}  // namespace
}  // namespace cvf::graphql
