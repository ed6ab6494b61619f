#include "directive/schema.h"

#include <fmt/format.h>

#include <algorithm>

#include "directive/checks.h"
#include "directive/keys.h"
#include "directive/node.h"
#include "directive/quantity.h"
#include "record/fields.h"

namespace cvf::directive {

namespace {

constexpr char duration_pattern[] =
    "^ *(([0-9]+([.][0-9]*)?|[.][0-9]+) *([nN][sS]|[uU][sS]|[mM][sS]|[sS]|[mM]|[mM][iI][nN]|[hH]|[dD]) *)+$";
constexpr char size_pattern[] = "^ *([0-9]+([.][0-9]*)?|[.][0-9]+) *([bB]|[kKmMgGtT][iI]?[bB])? *$";
constexpr char rate_pattern[] = "^ *([0-9]+([.][0-9]*)?|[.][0-9]+) *([bB]|[kKmMgGtT][iI]?[bB])? */s$";
constexpr char frequency_pattern[] = "^ *[0-9][0-9_,]* */s$";
constexpr char sample_pattern[] = "^(1/[0-9][0-9_,]*|[0-9][0-9_,]*/s)$";

Node flag(bool value) {
    return {Node::Type::flag, {}, value ? "true" : "false", {}, {}};
}
Node texts(std::span<const std::string_view> values) {
    Node list = Node::list();
    for (const std::string_view v : values) list.children.push_back(Node::text(std::string(v)));
    return list;
}
Node reference(std::string_view to) {
    Node node = Node::map();
    node.add("$ref", Node::text(fmt::format("#/$defs/{}", to)));
    return node;
}

Node group_schema(const Group& group, uint32_t variant);

// A text, or an item of a list, or a value of a map.
Node text_schema(const Shape& shape) {
    Node node = Node::map();
    node.add("type", Node::text("string"));
    if (shape.check == check_record_type) {
        Node names = Node::list();
        for (size_t i = 0; i < record::type_count; ++i)
            names.children.push_back(Node::text(std::string(record::info(static_cast<record::RecordType>(i)).name)));
        node.add("enum", std::move(names));
        return node;
    }
    if (shape.least > 0) node.add("minLength", Node::number(shape.least));
    if (shape.most != UINT64_MAX) node.add("maxLength", Node::number(shape.most));
    if (shape.pattern) node.add("pattern", Node::text(shape.pattern));
    if (shape.check == check_path) {
        Node none = Node::map();
        none.add("pattern", Node::text("(^|/)[.][.](/|$)|/$"));
        node.add("not", std::move(none));
    }
    if (shape.check == check_url) node.children.back() = Node::text("^https?://[^/?#@]+([/?][!-\"$-~]*)?$");
    return node;
}

Node list_schema(const Shape& shape, Node items) {
    Node node = Node::map();
    node.add("type", Node::text("array"));
    node.add("items", std::move(items));
    if (shape.fewest_items > 0) node.add("minItems", Node::number(shape.fewest_items));
    node.add("maxItems", Node::number(shape.most_items));
    return node;
}

Node pattern_schema(const char* pattern) {
    Node node = Node::map();
    node.add("type", Node::text("string"));
    node.add("pattern", Node::text(pattern));
    return node;
}

// One of the outputs that a kind can have: its `sink` says which.
Node output_schema(Kind kind) {
    Node node = Node::map(), names = Node::list(), choices = Node::list();
    for (size_t i = 0; i < std::size(sink_names); ++i) {
        if ((sinks_of(kind) >> i & 1) == 0) continue;
        const std::string name(sink_names[i]);
        names.children.push_back(Node::text(name));
        Node is = Node::map(), test = Node::map(), choice = Node::map();
        is.add("sink", Node::map()).add("const", Node::text(name));
        test.add("properties", std::move(is));
        choice.add("if", std::move(test));
        choice.add("then", reference("output/" + name));
        choices.children.push_back(std::move(choice));
    }
    node.add("type", Node::text("object"));
    node.add("required", Node::list()).children.push_back(Node::text("sink"));
    node.add("properties", Node::map()).add("sink", Node::map()).add("enum", std::move(names));
    node.add("allOf", std::move(choices));
    return node;
}

Node shape_schema(const Shape& shape, uint32_t variant) {
    switch (shape.form) {
        case Form::text:
            return text_schema(shape);
        case Form::choice: {
            Node node = Node::map();
            node.add("enum", texts(shape.choices));
            return node;
        }
        case Form::choices: {
            Node item = Node::map();
            item.add("enum", texts(shape.choices));
            return list_schema(shape, std::move(item));
        }
        case Form::list:
            return list_schema(shape, text_schema(shape));
        case Form::map: {
            Node node = Node::map();
            node.add("type", Node::text("object"));
            node.add("maxProperties", Node::number(shape.most_items));
            Node& names = node.add("propertyNames", Node::map());
            names.add("pattern", Node::text(shape.key_pattern));
            names.add("maxLength", Node::number(253));
            node.add("additionalProperties", text_schema(shape));
            return node;
        }
        case Form::duration:
            return pattern_schema(duration_pattern);
        case Form::size: {
            Node node = Node::map();
            node.add("type", texts(std::vector<std::string_view>{"string", "integer"}));
            node.add("pattern", Node::text(size_pattern));
            node.add("minimum", Node::number(shape.least));
            node.add("maximum", Node::number(shape.most));
            return node;
        }
        case Form::rate:
            return pattern_schema(rate_pattern);
        case Form::frequency:
            return pattern_schema(frequency_pattern);
        case Form::count: {
            Node node = Node::map();
            node.add("type", Node::text("integer"));
            node.add("minimum", Node::number(shape.least));
            node.add("maximum", Node::number(shape.most));
            return node;
        }
        case Form::sample:
            return pattern_schema(sample_pattern);
        case Form::time: {
            Node node = Node::map();
            node.add("type", Node::text("string"));
            node.add("format", Node::text("date-time"));
            return node;
        }
        case Form::object:
            return group_schema(*shape.group, variant);
        case Form::objects: {
            // The only list of objects is that of outputs.
            for (size_t i = 0; i < std::size(kind_names); ++i)
                if (variant == 1u << i) return list_schema(shape, output_schema(static_cast<Kind>(i)));
            return Node::map();
        }
    }
    return Node::map();
}

Node group_schema(const Group& group, uint32_t variant) {
    Node properties = Node::map(), required = Node::list();
    for (const Key& key : group.keys) {
        if ((key.variants & variant) == 0) continue;
        Node value = shape_schema(key.shape, variant);
        value.add("description", Node::text(key.fallback.empty() ? std::string(key.doc)
                                                                 : fmt::format("{}. Default: {}", key.doc, key.fallback)));
        properties.add(key.name, std::move(value));
        if ((key.required & variant) != 0) required.children.push_back(Node::text(std::string(key.name)));
    }
    Node node = Node::map();
    node.add("type", Node::text("object"));
    node.add("additionalProperties", flag(false));
    if (!required.children.empty()) node.add("required", std::move(required));
    node.add("properties", std::move(properties));
    // Capture and Plaintext end by themselves (rules.cpp).
    const uint32_t ending = 1u << static_cast<unsigned>(Kind::capture) | 1u << static_cast<unsigned>(Kind::plaintext);
    if (&group == &limits_group && (variant & ending) == variant) {
        Node any = Node::list();
        for (const std::string_view name : {"duration", "bytes", "packets", "records"}) {
            if (!node.find("properties")->find(name)) continue;
            Node one = Node::map();
            one.add("required", Node::list()).children.push_back(Node::text(std::string(name)));
            any.children.push_back(std::move(one));
        }
        node.add("anyOf", std::move(any));
    }
    return node;
}

// ---- the reference

std::string form_name(const Shape& shape) {
    switch (shape.form) {
        case Form::text:
            return shape.check == check_expression ? "[expression](filter.md)" : "text";
        case Form::choice:
            return fmt::format("`{}`", fmt::join(shape.choices, "`, `"));
        case Form::choices:
            return fmt::format("list of `{}`", fmt::join(shape.choices, "`, `"));
        case Form::list:
            return shape.check == check_record_type ? "record types" : shape.check ? "fields" : "names, `*` allowed";
        case Form::map:
            return "labels";
        case Form::duration:
            return fmt::format("duration, {} to {}", format_duration(std::chrono::nanoseconds(static_cast<int64_t>(shape.least))),
                               format_duration(std::chrono::nanoseconds(static_cast<int64_t>(shape.most))));
        case Form::size:
            return fmt::format("size, {} to {}", format_size(shape.least), format_size(shape.most));
        case Form::rate:
            return "size per second, as `1MiB/s`";
        case Form::frequency:
            return "count per second, as `1000/s`";
        case Form::count:
            return "whole number";
        case Form::sample:
            return "`1/10` or `500/s`";
        case Form::time:
            return "time, as `2026-01-02T03:04:05Z`";
        case Form::object:
            return "the keys below it";
        case Form::objects:
            return "list of the keys below it";
    }
    return {};
}

std::string variants_of(const Key& key, std::span<const std::string_view> variants) {
    std::vector<std::string_view> names;
    for (size_t i = 0; i < variants.size(); ++i)
        if (key.variants >> i & 1) names.push_back(variants[i]);
    return names.size() == variants.size() ? "all" : fmt::format("{}", fmt::join(names, ", "));
}

std::string cell(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '|') out += '\\';
        out += c;
    }
    return out;
}

void table(const Group& group, std::string_view path, std::string_view chooser, std::span<const std::string_view> variants,
           std::string& out) {
    out += fmt::format("\n## {}\n\n| key | {} | value | without it | meaning |\n|---|---|---|---|---|\n", path, chooser);
    for (const Key& key : group.keys)
        out += fmt::format("| `{}` | {} | {} | {} | {} |\n", key.name, variants_of(key, variants), cell(form_name(key.shape)),
                           key.required == every_variant ? "an error"
                           : key.fallback.empty()        ? ""
                                                         : cell(key.fallback),
                           cell(key.doc));
}

}  // namespace

std::string json_schema() {
    Node root = Node::map();
    root.add("$schema", Node::text("https://json-schema.org/draft/2020-12/schema"));
    root.add("$id", Node::text("urn:cvf:directive:v1"));
    root.add("title", Node::text("CVF directive"));
    root.add("description", Node::text("A document that steers agents, made from the table of keys by `cvf schema`. "
                                       "Expressions, field names and least and most durations are checked by CVF itself."));
    root.add("type", Node::text("object"));
    root.add("additionalProperties", flag(false));
    Node required = Node::list(), properties = Node::map(), choices = Node::list(), specs = Node::map(), outputs = Node::map();
    for (const Key& key : document_group.keys) {
        if (key.required != 0) required.children.push_back(Node::text(std::string(key.name)));
        Node value = key.shape.group == &spec_group ? Node::map() : shape_schema(key.shape, every_variant);
        if (key.shape.group == &spec_group) value.add("type", Node::text("object"));
        value.add("description", Node::text(std::string(key.doc)));
        properties.add(key.name, std::move(value));
    }
    for (size_t i = 0; i < std::size(kind_names); ++i) {
        const std::string name(kind_names[i]);
        Node choice = Node::map(), test = Node::map(), then = Node::map();
        test.add("properties", Node::map()).add("kind", Node::map()).add("const", Node::text(name));
        then.add("properties", Node::map()).add("spec", reference("spec/" + name));
        choice.add("if", std::move(test));
        choice.add("then", std::move(then));
        choices.children.push_back(std::move(choice));
        specs.add(name, group_schema(spec_group, 1u << i));
    }
    for (size_t i = 0; i < std::size(sink_names); ++i) outputs.add(sink_names[i], group_schema(output_group, 1u << i));
    root.add("required", std::move(required));
    root.add("properties", std::move(properties));
    root.add("allOf", std::move(choices));
    Node& definitions = root.add("$defs", Node::map());
    definitions.add("spec", std::move(specs));
    definitions.add("output", std::move(outputs));
    return write_pretty_json(root);
}

std::string reference_page() {
    std::string out = R"(# Keys of a directive

Every key of every kind of [directive](directives.md), made from the table that checks them (`src/directive/keys.cpp`) by `cvf schema`, as is
[the JSON Schema](../schema/directive.schema.json). Sizes are written as `512`, `64MiB` or `1GB`, durations as `10s` or `1h30m`.
)";
    table(document_group, "The document", "kind", kind_names, out);
    table(metadata_group, "metadata", "kind", kind_names, out);
    table(spec_group, "spec", "kind", kind_names, out);
    table(selector_group, "spec.selector", "kind", kind_names, out);
    table(limits_group, "spec.limits", "kind", kind_names, out);
    table(aggregate_group, "spec.aggregate", "kind", std::span(kind_names).first(2), out);
    table(output_group, "spec.output", "sink", sink_names, out);
    table(signature_group, "signature", "kind", kind_names, out);
    return out;
}

}  // namespace cvf::directive
