// The canonical form, and the way there and back through every form.
#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "directive/generation.h"
#include "directive/parse.h"
#include "directive/quantity.h"
#include "directive/write.h"

namespace {

using namespace cvf::directive;

Directive good(std::string_view text) {
    auto parsed = parse_one(text);
    if (!parsed)
        for (const Problem& p : parsed.error()) ADD_FAILURE() << p.show();
    return parsed ? *parsed : Directive();
}

const char* example = R"(
kind: Metadata
apiVersion: cvf/v1
spec:
  output: [{path: a.jsonl, sink: file, rotateSize: 1048576, keep: 3}]
  limits: {bytes: 1536MiB, duration: 5400s, recordRate: 100/s, rate: 1500B/s}
  filter: |
    dns.question.name == "it's"   // said
    || source.port > 1024
  sample: 1/1
  tap: endpoint
metadata: {labels: {b/x: '1', a: ''}, name: n}
)";

TEST(DirectiveWrite, the_canonical_form_is_sorted_short_and_without_defaults) {
    EXPECT_EQ(canonical(good(example)),
              R"({"apiVersion":"cvf/v1","kind":"Metadata","metadata":{"labels":{"a":"","b/x":"1"},"name":"n"},"spec":{)"
              R"("filter":"dns.question.name == \"it's\"   // said\n|| source.port > 1024\n",)"
              R"("limits":{"bytes":"1536MiB","duration":"1h30m","rate":"1500B/s","recordRate":"100/s"},)"
              R"("output":[{"keep":3,"path":"a.jsonl","rotateSize":"1MiB","sink":"file"}]}})");
    EXPECT_EQ(canonical_spec(good("apiVersion: cvf/v1\nkind: Flow\nmetadata: {name: a}\nspec: {}\n")), "{}");
}

TEST(DirectiveWrite, what_is_shown_has_the_defaults_of_its_kind_and_reads_as_the_same) {
    const Directive d = good("apiVersion: cvf/v1\nkind: Capture\nmetadata: {name: c}\nspec: {limits: {duration: 1m}}\n");
    EXPECT_EQ(to_yaml(d), R"(apiVersion: cvf/v1
kind: Capture
metadata:
  name: c
spec:
  selector:
    nodes: ['*']
  sample: 1/1
  limits:
    duration: 1m
  output:
    - sink: bus
  snaplen: 256KiB
  by: flow
)");
    EXPECT_EQ(to_json(d, Defaults::left_out), R"({
  "apiVersion": "cvf/v1",
  "kind": "Capture",
  "metadata": {
    "name": "c"
  },
  "spec": {
    "limits": {
      "duration": "1m"
    }
  }
}
)");
}

TEST(DirectiveWrite, every_form_of_every_example_reads_as_the_same) {
    const char* source = std::getenv("CVF_SOURCE");  // else started by hand, in the checkout
    const std::filesystem::path folder = std::filesystem::path(source ? source : ".") / "schema/examples";
    std::vector<Directive> all;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        if (entry.path().extension() != ".yaml") continue;
        std::ifstream file(entry.path());
        const auto parsed = parse(std::string(std::istreambuf_iterator<char>(file), {}));
        ASSERT_TRUE(parsed) << entry.path();
        all.insert(all.end(), parsed->begin(), parsed->end());
    }
    ASSERT_GE(all.size(), 9u);
    for (const Directive& d : all) {
        EXPECT_EQ(good(canonical(d)), d);
        EXPECT_EQ(canonical(good(canonical(d))), canonical(d));
        for (const Defaults defaults : {Defaults::shown, Defaults::left_out}) {
            EXPECT_EQ(good(to_yaml(d, defaults)), d) << to_yaml(d, defaults);
            EXPECT_EQ(good(to_json(d, defaults)), d) << to_json(d, defaults);
        }
    }
    const auto again = parse(to_yaml(all));
    ASSERT_TRUE(again);
    EXPECT_EQ(*again, all);
}

TEST(DirectiveWrite, any_text_survives_yaml_and_json) {
    std::mt19937 random(7);
    const std::string_view pieces[] = {
        "a",        "'",    "\"",   "\\", "\n", "\t", " ", ":", "#",    "- ",   "? ", "*", "&",
        "!",        "%",    "@",    "`",  "0",  "1",  ".", "e", "true", "null", "~",  "ü", "\xe2\x80\xa8",
        "\xc2\x85", "\x7f", "\x01", "[",  "]",  "{",  "}", ",", "|",    ">",    "no"};
    for (int round = 0; round < 20'000; ++round) {
        std::string text;
        for (size_t n = random() % 6; n > 0; --n) text += pieces[random() % std::size(pieces)];
        Node node = Node::map();
        node.add("key", Node::text(text));
        node.add("list", Node::list()).children = {Node::text(text), Node::map()};
        node.children[1].children[1].add("inner", Node::text(text));
        const auto yaml = read_yaml(write_yaml(node)), json = read_json(write_json(node, true));
        ASSERT_TRUE(yaml) << yaml.error().show() << "\n" << write_yaml(node);
        ASSERT_TRUE(json) << json.error().show() << "\n" << write_json(node, true);
        ASSERT_EQ(yaml->at(0), node) << write_yaml(node);
        ASSERT_EQ(json->at(0), node) << write_json(node, true);
    }
}

TEST(DirectiveWrite, quantities_are_written_exactly) {
    std::mt19937_64 random(11);
    for (int round = 0; round < 20'000; ++round) {
        const uint64_t value = random() >> (random() % 60 + 2);
        const auto ns = std::chrono::nanoseconds(static_cast<int64_t>(value));
        Directive d;
        d.metadata.name = "a";
        d.spec.limits.bytes = value % (uint64_t{1} << 50) + 1;
        d.spec.limits.rate = value % (uint64_t{1} << 40) + 1024;
        d.spec.limits.duration = std::chrono::seconds(1) + ns % std::chrono::hours(8000);
        d.spec.sample =
            random() % 2 == 0 ? Sample{static_cast<uint32_t>(value % 1'000'000) + 1, 0} : Sample{1, value % 100'000 + 1};
        ASSERT_EQ(good(canonical(d)), d) << canonical(d);
    }
    EXPECT_EQ(format_duration(std::chrono::nanoseconds(0)), "0s");
    EXPECT_EQ(format_duration(std::chrono::milliseconds(90'061'001)), "25h1m1s1ms");
    EXPECT_EQ(format_size(0), "0B");
    EXPECT_EQ(format_size(1'500), "1500B");
    EXPECT_EQ(format_size(200'000'000), "200MB");
    EXPECT_EQ(format_size(1'024'000), "1000KiB");
    EXPECT_EQ(good("apiVersion: cvf/v1\nkind: Flow\nmetadata: {name: a}\nspec: {}\n").spec.limits, Limits());
    EXPECT_EQ(to_yaml(good("apiVersion: cvf/v1\nkind: Flow\nmetadata: {name: a}\nspec: {}\n")).find("limits"), std::string::npos);
    EXPECT_EQ(format_time(1'767'323'045'000'000'000), "2026-01-02T03:04:05Z");
    EXPECT_EQ(parse_time("2026-01-02T04:04:05+01:00"), 1'767'323'045'000'000'000);
    EXPECT_FALSE(parse_time("2026-01-02T03:04:05.5Z"));
}

TEST(DirectiveGeneration, it_counts_specs_and_applying_twice_is_applying_once) {
    const Directive first = good(example);
    const Applied created = apply(nullptr, first, "3f0c2b1a-5d4e-4f6a-8b7c-9d0e1f2a3b4c");
    EXPECT_EQ(created.change, Change::created);
    EXPECT_EQ(created.directive.metadata.generation, 1u);
    EXPECT_EQ(created.directive.metadata.uid, "3f0c2b1a-5d4e-4f6a-8b7c-9d0e1f2a3b4c");
    EXPECT_TRUE(validate(created.directive).empty());

    const Applied again = apply(&created.directive, first, "other");
    EXPECT_EQ(again.change, Change::unchanged);
    EXPECT_EQ(again.directive, created.directive);
    // What `get` showed is the same document, whatever its generation says.
    EXPECT_EQ(apply(&created.directive, good(to_yaml(created.directive)), "other").change, Change::unchanged);

    Directive labelled = first;
    labelled.metadata.labels["c"] = "d";
    const Applied relabelled = apply(&created.directive, labelled, "other");
    EXPECT_EQ(relabelled.change, Change::configured);
    EXPECT_EQ(relabelled.directive.metadata.generation, 1u);

    Directive changed = first;
    changed.spec.sample.one_in = 5;
    const Applied configured = apply(&created.directive, changed, "other");
    EXPECT_EQ(configured.change, Change::configured);
    EXPECT_EQ(configured.directive.metadata.generation, 2u);
    EXPECT_EQ(configured.directive.metadata.uid, created.directive.metadata.uid);
    EXPECT_EQ(next_generation(&configured.directive, first), 3u);
    // Defaults said or left out are the same spec.
    Directive said =
        good("apiVersion: cvf/v1\nkind: Flow\nmetadata: {name: a}\nspec: {sample: 1/1, selector: {nodes: ['*']}, limits: {}}\n");
    Directive silent = good("apiVersion: cvf/v1\nkind: Flow\nmetadata: {name: a}\nspec: {}\n");
    silent.metadata.generation = 4;
    EXPECT_EQ(next_generation(&silent, said), 4u);
}

}  // namespace
