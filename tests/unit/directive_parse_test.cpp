// What documents are taken, what is wrong with the others, and where.
#include <gmock/gmock.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <string>

#include "directive/parse.h"
#include "directive/write.h"

namespace {

using namespace cvf::directive;
using namespace std::chrono_literals;
using testing::HasSubstr;

// A Metadata directive with this spec, in flow style on line 4.
std::string with_spec(std::string_view spec, std::string_view kind = "Metadata") {
    return "apiVersion: cvf/v1\nkind: " + std::string(kind) + "\nmetadata: {name: x}\nspec: " + std::string(spec) + "\n";
}

Problems problems_of(std::string_view text, const ParseOptions& options = {}) {
    auto parsed = parse(text, options);
    return parsed ? Problems() : parsed.error();
}

// The one thing that is wrong.
Problem problem_of(std::string_view text) {
    const Problems problems = problems_of(text);
    EXPECT_EQ(problems.size(), 1u) << text;
    for (const Problem& p : problems) EXPECT_FALSE(p.message.empty());
    if (problems.size() > 1)
        for (const Problem& p : problems) ADD_FAILURE() << p.show();
    return problems.empty() ? Problem() : problems[0];
}

Directive good(std::string_view text) {
    auto parsed = parse_one(text);
    if (!parsed)
        for (const Problem& p : parsed.error()) ADD_FAILURE() << p.show();
    return parsed ? *parsed : Directive();
}

TEST(DirectiveParse, every_key_of_the_design_is_read) {
    const Directive d = good(R"(
apiVersion: cvf/v1
kind: Metadata
metadata: {name: shop-errors, labels: {team: shop}}
spec:
  selector: {nodes: ["*"], namespaces: [shop], podLabels: {app: cart}, containers: [], processes: [nginx], interfaces: []}
  tap: endpoint
  types: [http, dns]
  filter: 'http.response.status_code >= 500 && !source.address.startsWith("10.9.")'
  fields: ["@timestamp", "source.*", "http.*"]
  sample: 1/10
  limits: {duration: 30m, bytes: 1GiB, rate: 1MiB/s}
  output: [{sink: bus}, {sink: file, path: errors.jsonl.zst}]
)");
    Directive wanted;
    wanted.kind = Kind::metadata;
    wanted.metadata.name = "shop-errors";
    wanted.metadata.labels = {{"team", "shop"}};
    Spec& s = wanted.spec;
    s.selector.nodes = {"*"};
    s.selector.namespaces = {"shop"};
    s.selector.pod_labels = {{"app", "cart"}};
    s.selector.processes = {"nginx"};
    s.types = {"http", "dns"};
    s.filter = "http.response.status_code >= 500 && !source.address.startsWith(\"10.9.\")";
    s.fields = {"@timestamp", "source.*", "http.*"};
    s.sample = {10, 0};
    s.limits.duration = 30min;
    s.limits.bytes = 1u << 30;
    s.limits.rate = 1u << 20;
    Output file;
    file.sink = SinkKind::file;
    file.path = "errors.jsonl.zst";
    s.output = {Output{}, file};
    EXPECT_EQ(d, wanted);
}

TEST(DirectiveParse, what_is_left_out_is_the_default) {
    const Directive d = good(with_spec("{}"));
    EXPECT_EQ(d.spec, Spec());
    EXPECT_EQ(d.spec.selector.nodes, std::vector<std::string>{"*"});
    EXPECT_EQ(d.spec.output, std::vector<Output>{Output{}});
    EXPECT_EQ(good(with_spec("{selector: {nodes: []}}")).spec, Spec());
}

TEST(DirectiveParse, json_and_yaml_are_read_alike) {
    const char* json = R"({"apiVersion": "cvf/v1", "kind": "Capture", "metadata": {"name": "c"},
        "spec": {"pcapFilter": "tcp port 443", "snaplen": 256, "by": "packet", "sample": "1/5", "last": "30s",
                 "limits": {"duration": "1h30m", "packets": 1000}, "trigger": "http.response.status_code >= 500"}})";
    const char* yaml = R"(
apiVersion: cvf/v1
kind: Capture
metadata: {name: c}
spec:
  pcapFilter: tcp port 443
  snaplen: 256
  by: packet
  sample: 1/5
  last: 30s
  limits:
    duration: 90m
    packets: 1_000
  trigger: http.response.status_code >= 500
)";
    // A number with '_' is a text to YAML: counts are plain.
    EXPECT_EQ(problem_of(yaml).path, "spec.limits.packets");
    std::string plain = yaml;
    plain.replace(plain.find("1_000"), 5, "1000");
    const Directive a = good(json), b = good(plain);
    EXPECT_EQ(a, b);
    EXPECT_EQ(a.spec.snaplen, 256u);
    EXPECT_EQ(a.spec.limits.duration, 90min);
    EXPECT_EQ(a.spec.by, By::packet);
    EXPECT_EQ(good(std::string("[") + json + "]"), a);
    // In flow style YAML begins with a brace too.
    EXPECT_EQ(good("{apiVersion: cvf/v1, kind: Topology, metadata: {name: t}, spec: {}}").kind, Kind::topology);
}

TEST(DirectiveParse, all_that_is_wrong_is_reported_at_once_with_its_place) {
    const Problems problems = problems_of(R"(apiVersion: cvf/v1
kind: Metadata
metadata:
  name: Shop_Errors
spec:
  type: [htp]
  types: [htp]
  filter: http.status_code == 500
  limits: {duration: 30, bytes: 1G}
  output:
    - sink: file
)");
    std::vector<std::string> shown;
    for (const Problem& p : problems) shown.push_back(p.show("shop.yaml"));
    EXPECT_THAT(shown,
                testing::ElementsAre(
                    "shop.yaml:4:9: metadata.name: 'Shop_Errors' is not a name; lower-case letters, digits, '-' and '.' make "
                    "one; did you "
                    "mean shop-errors?",
                    "shop.yaml:6:3: spec.type: is not known here; did you mean types?",
                    "shop.yaml:7:11: spec.types[0]: there is no record type 'htp'; did you mean http?",
                    "shop.yaml:8:11: spec.filter: column 1 of the expression: there is no field 'http.status_code'; did you mean "
                    "http.response.status_code?",
                    "shop.yaml:9:22: spec.limits.duration: '30' has no unit; write 30s for seconds, or ms, m, h, d",
                    "shop.yaml:9:33: spec.limits.bytes: '1G' can mean two things; write 1GB (1000s) or 1GiB (1024s)",
                    testing::StartsWith("shop.yaml:11:7: spec.output[0].path: is missing")));
    EXPECT_EQ(problems[0].nearest, "shop-errors");
    EXPECT_EQ(problems[1].nearest, "types");
    EXPECT_EQ(problems[2].nearest, "http");
}

TEST(DirectiveParse, the_column_inside_an_expression_is_told) {
    const Problem p = problem_of(with_spec(R"({filter: 'source.port == 1 && source.ip == "10.0.0.1"'})"));
    EXPECT_EQ(p.path, "spec.filter");
    EXPECT_EQ(p.line, 4u);
    EXPECT_EQ(p.column, 16u);
    EXPECT_EQ(p.expression_column, 21u);
    EXPECT_THAT(p.message, HasSubstr("did you mean source.address?"));
}

TEST(DirectiveParse, a_key_of_another_kind_is_named_as_such) {
    EXPECT_EQ(problem_of(with_spec("{pcapFilter: tcp}")).message, "is for Capture, not for this kind of directive");
    EXPECT_EQ(problem_of(with_spec("{types: [flow]}", "Flow")).message,
              "is for Metadata, Plaintext, not for this kind of directive");
    EXPECT_EQ(problem_of(with_spec("{output: [{sink: bus, path: a}]}")).message, "is for file, not for this sink");
}

TEST(DirectiveParse, an_unknown_kind_is_the_only_complaint) {
    EXPECT_EQ(problem_of(with_spec("{pcapFilter: tcp}", "capture")).nearest, "Capture");
    EXPECT_EQ(problem_of("apiVersion: cvf/v1\nmetadata: {name: x}\nspec: {pcapFilter: tcp}\n").path, "kind");
}

TEST(DirectiveParse, capture_and_plaintext_must_end) {
    for (const char* kind : {"Capture", "Plaintext"}) {
        EXPECT_EQ(problem_of(with_spec("{}", kind)).path, "spec.limits") << kind;
        EXPECT_EQ(problem_of(with_spec("{limits: {rate: 1MiB/s}}", kind)).path, "spec.limits") << kind;
        good(with_spec("{limits: {duration: 1s}}", kind));
        good(with_spec("{limits: {bytes: 1MiB}}", kind));
    }
    good(with_spec("{limits: {packets: 5}}", "Capture"));
    good(with_spec("{limits: {records: 5}}", "Plaintext"));
    for (const char* kind : {"Metadata", "Flow", "Topology"}) good(with_spec("{}", kind));
}

TEST(DirectiveParse, quantities_have_bounds_with_the_nearest_valid_one) {
    EXPECT_EQ(problem_of(with_spec("{limits: {duration: 1ms}}")).nearest, "1s");
    EXPECT_EQ(problem_of(with_spec("{limits: {duration: 366d}}")).nearest, "8760h");
    EXPECT_EQ(problem_of(with_spec("{snaplen: 1, limits: {duration: 1s}}", "Capture")).nearest, "64B");
    EXPECT_EQ(problem_of(with_spec("{snaplen: 1MiB, limits: {duration: 1s}}", "Capture")).nearest, "256KiB");
    EXPECT_EQ(problem_of(with_spec("{limits: {recordRate: 0/s}}")).nearest, "1/s");
    EXPECT_EQ(problem_of(with_spec("{limits: {records: 0}}")).nearest, "1");
    problem_of(with_spec("{sample: 2/10}"));
    problem_of(with_spec("{sample: 1/0}"));
    problem_of(with_spec("{sample: 0/s}"));
    problem_of(with_spec("{sample: 1/1000001}"));
    EXPECT_EQ(good(with_spec("{sample: 1/1000000}")).spec.sample.one_in, 1'000'000u);
    EXPECT_EQ(good(with_spec("{sample: 500/s}")).spec.sample.per_second, 500u);
}

TEST(DirectiveParse, what_contradicts_itself_is_refused) {
    EXPECT_EQ(problem_of(with_spec("{types: [dns], filter: http.response.status_code == 200}")).path, "spec.filter");
    EXPECT_EQ(problem_of(with_spec("{filter: 'false'}")).message, "matches no record whatever it holds");
    EXPECT_EQ(problem_of(with_spec("{selector: {interfaces: [eth0]}}")).path, "spec.selector.interfaces");
    EXPECT_EQ(problem_of(with_spec("{output: [{sink: bus}, {sink: bus}]}")).path, "spec.output[1]");
    EXPECT_EQ(problem_of(with_spec("{output: [{sink: ipfix, address: 'a:1'}]}")).path, "spec.output[0].sink");
    good(with_spec("{output: [{sink: ipfix, address: 'a:1'}]}", "Flow"));
    good(with_spec("{types: [flow], output: [{sink: ipfix, address: '[::1]:4739'}]}"));
    EXPECT_EQ(problem_of(with_spec("{by: packet, sample: 10/s, limits: {duration: 1m}}", "Capture")).path, "spec.sample");
    EXPECT_EQ(problem_of(with_spec("{aggregate: {by: [source.port, source.port]}}")).path, "spec.aggregate.by");
    EXPECT_THAT(problem_of(with_spec("{aggregate: {by: [source.*]}}")).message, HasSubstr("names many fields"));
    EXPECT_EQ(problem_of(with_spec("{aggregate: {by: [source.prot]}}")).nearest, "source.port");
    for (const char* key : {"'@timestamp'", "record.id", "source.bytes", "network.packets", "cvf.metric.count"})
        EXPECT_EQ(problem_of(with_spec(std::string("{aggregate: {by: [") + key + "]}}")).path, "spec.aggregate.by[0]") << key;
    good(with_spec("{aggregate: {by: [record.type, flow.id, source.port]}}"));
    EXPECT_EQ(problem_of(with_spec("{fields: [source.port], aggregate: {}}")).path, "spec.fields");
    EXPECT_EQ(problem_of(with_spec("{types: [metric], aggregate: {}}")).path, "spec.types");
    EXPECT_EQ(problem_of(with_spec("{types: [http], aggregate: {values: [count, bytes]}}")).path, "spec.aggregate.values");
    good(with_spec("{types: [http, flow], aggregate: {values: [count, bytes]}}"));
}

TEST(DirectiveParse, places_for_output_are_checked) {
    for (const char* url : {"http://a", "https://a.example:443/x?y=z", "http://[2001:db8::1]:80/", "http://[::1]"})
        good(with_spec(std::string("{output: [{sink: otlp, url: '") + url + "'}]}"));
    for (const char* url : {"a", "ftp://a", "http://", "http://a:0", "http://a:65536", "http://me:pw@a", "http://a b",
                            "http://a/#x", "http://[::1", "http://[1.2.3.4]:1", "http://a:b", "http://ä"})
        EXPECT_EQ(problem_of(with_spec(std::string("{output: [{sink: otlp, url: '") + url + "'}]}")).path, "spec.output[0].url")
            << url;
    for (const char* path : {"..", "../a", "a/../b", "a/..", "a/"})
        EXPECT_EQ(problem_of(with_spec(std::string("{output: [{sink: file, path: '") + path + "'}]}")).path,
                  "spec.output[0].path");
    good(with_spec("{output: [{sink: file, path: 'a..b/..c'}]}"));
}

TEST(DirectiveParse, a_pcap_filter_is_judged_by_whoever_can) {
    ParseOptions options;
    options.check_pcap_filter = [](std::string_view text) -> std::optional<std::string> {
        if (text == "tcp") return {};
        return "syntax error";
    };
    const std::string start = "{limits: {duration: 1m}, pcapFilter: ";
    EXPECT_TRUE(problems_of(with_spec(start + "tcp}", "Capture"), options).empty());
    const Problems problems = problems_of(with_spec(start + "tpc}", "Capture"), options);
    ASSERT_EQ(problems.size(), 1u);
    EXPECT_EQ(problems[0].path, "spec.pcapFilter");
    EXPECT_EQ(problems[0].column, 44u);
}

TEST(DirectiveParse, several_documents_are_one_all_or_nothing) {
    const std::string a = with_spec("{}"), b = with_spec("{}", "Flow");
    const auto both = parse(a + "---\n" + b + "---\n---\n");
    ASSERT_TRUE(both);
    EXPECT_EQ(both->size(), 2u);
    EXPECT_EQ(identity((*both)[1]), "Flow/x");
    const Problem twice = problem_of(a + "---\n" + a);
    EXPECT_EQ(twice.document, 1u);
    EXPECT_EQ(twice.line, 8u);
    EXPECT_THAT(twice.message, HasSubstr("Metadata/x stands here a second time"));
    EXPECT_EQ(problem_of(a + "---\n" + with_spec("{sampel: 1/2}")).path, "spec.sampel");
    EXPECT_FALSE(parse_one(a + "---\n" + b));
    EXPECT_EQ(problem_of("").message, "there is no directive in it");
    EXPECT_EQ(problem_of("# nothing\n").message, "there is no directive in it");
    EXPECT_EQ(problem_of("[]").message, "there is no directive in it");
    EXPECT_THAT(problem_of("just text").message, HasSubstr("is a text where a mapping is meant"));
}

TEST(DirectiveParse, what_makes_yaml_dangerous_is_refused) {
    EXPECT_THAT(problem_of("a: &x [1]\nb: *x\n").message, HasSubstr("anchors"));
    EXPECT_THAT(problem_of("a: *x\n").message, testing::AnyOf(HasSubstr("aliases"), HasSubstr("not YAML")));
    EXPECT_THAT(problem_of("a: !!binary aGk=\n").message, HasSubstr("tags"));
    EXPECT_THAT(problem_of("a: !x {}\n").message, HasSubstr("tags"));
    EXPECT_THAT(problem_of("<<: {a: b}\n").message, HasSubstr("merge keys"));
    EXPECT_THAT(problem_of("a: 1\na: 2\n").message, HasSubstr("a second time"));
    EXPECT_THAT(problem_of("{\"a\": 1, \"a\": 2}").message, HasSubstr("a second time"));
    EXPECT_THAT(problem_of("? [a]\n: b\n").message, HasSubstr("a key must be a word"));
    EXPECT_THAT(problem_of("a: \"\xff\"\n").message, HasSubstr("UTF-8"));
    // "Billion laughs" ends at its first anchor.
    std::string bomb = "a: &a [x, x]\n";
    for (char c = 'b'; c < 'z'; ++c) bomb += std::string(1, c) + ": &" + c + " [*" + char(c - 1) + ", *" + char(c - 1) + "]\n";
    EXPECT_THAT(problem_of(bomb).message, HasSubstr("anchors"));
}

TEST(DirectiveParse, size_depth_and_number_are_bounded) {
    EXPECT_THAT(problem_of(std::string(max_text_bytes + 1, ' ')).message, HasSubstr("1 MiB"));
    ParseOptions json;
    json.syntax = Syntax::json;
    EXPECT_THAT(problems_of(std::string(max_text_bytes + 1, ' '), json).at(0).message, HasSubstr("1 MiB"));
    EXPECT_THAT(problems_of(std::string(100'000, '['), json).at(0).message, HasSubstr("nested more than 16 deep"));
    EXPECT_FALSE(problems_of(std::string(100'000, '[')).empty());
    std::string steps;
    for (int i = 0; i < 30; ++i) steps += "- ";
    EXPECT_THAT(problem_of(steps + "x").message, HasSubstr("nested more than 16 deep"));
    std::string many = "[1";
    for (size_t i = 0; i < max_nodes; ++i) many += ",1";
    EXPECT_THAT(problems_of(many + "]", json).at(0).message, HasSubstr("too much"));
    std::string documents;
    for (size_t i = 0; i <= max_documents; ++i) documents += "---\na\n";
    EXPECT_THAT(problem_of(documents).message, HasSubstr("more than 256 documents"));
    std::string names = "[";
    for (int i = 0; i < 65; ++i) names += "a,";
    EXPECT_THAT(problem_of(with_spec("{selector: {pods: " + names + "]}}")).message, HasSubstr("64 are the most"));
    EXPECT_THAT(problem_of(with_spec("{filter: '" + std::string(17'000, ' ') + "'}")).message, HasSubstr("16384 are the most"));
    // Problems too.
    std::string wrong = "[";
    for (int i = 0; i < 300; ++i) wrong += "{a: b},";
    EXPECT_LE(problems_of(wrong + "]").size(), max_problems + 10);
}

TEST(DirectiveParse, selector_and_filter_too_large_together_are_refused) {
    std::string names;
    for (int i = 0; i < 60; ++i) names += std::string(200, 'n') + std::to_string(i) + ",";
    EXPECT_EQ(problem_of(with_spec("{selector: {pods: [" + names + "]}}")).path, "spec.selector");
}

TEST(DirectiveParse, damaged_json_is_placed) {
    const Problems problems = problems_of("{\n  \"a\": tru\n}", {Syntax::json, {}});
    ASSERT_EQ(problems.size(), 1u);
    EXPECT_EQ(problems[0].line, 2u);
    EXPECT_THAT(problems[0].message, HasSubstr("not JSON"));
    EXPECT_THAT(problems_of("{} x", {Syntax::json, {}}).at(0).message, HasSubstr("not JSON"));
}

TEST(DirectiveParse, one_made_by_hand_is_checked_the_same_way) {
    Directive d;
    d.metadata.name = "watch-1";
    d.spec.filter = "source.port == 53";
    EXPECT_TRUE(validate(d).empty());
    d.spec.filter = "source.prot == 53";
    ASSERT_EQ(validate(d).size(), 1u);
    EXPECT_EQ(validate(d)[0].path, "spec.filter");
    d.kind = Kind::capture;
    d.spec.filter.clear();
    EXPECT_EQ(validate(d).at(0).path, "spec.limits");
}

}  // namespace
