#include "graphql/fabric_fields.h"

#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <cmath>

#include "filter/literal.h"

namespace cvf::graphql {
namespace {

namespace json = boost::json;
using Result = std::expected<json::value, SourceError>;

std::string text(const Asked& asked, std::string_view name) {
    const json::value* value = asked.arguments.if_contains(name);
    const auto* string = value ? value->if_string() : nullptr;
    return string ? std::string(string->data(), string->size()) : std::string();
}

std::vector<std::string> texts(const Asked& asked, std::string_view name) {
    std::vector<std::string> out;
    const json::value* value = asked.arguments.if_contains(name);
    if (const auto* list = value ? value->if_array() : nullptr)
        for (const json::value& item : *list) out.emplace_back(item.as_string());
    return out;
}

std::optional<int64_t> number(const Asked& asked, std::string_view name) {
    const json::value* value = asked.arguments.if_contains(name);
    return value && value->is_int64() ? std::optional(value->as_int64()) : std::nullopt;
}

std::expected<size_t, SourceError> page_size(const Asked& asked) {
    const int64_t first = number(asked, "first").value_or(100);
    if (first < 0 || first > max_page)
        return std::unexpected(SourceError{fmt::format("first: {} is not within 0 and {}", first, max_page)});
    return static_cast<size_t>(first);
}

json::object page(json::array edges, bool more, bool earlier) {
    json::array nodes;
    for (const json::value& edge : edges) nodes.push_back(edge.at("node"));
    const json::value start = edges.empty() ? json::value(nullptr) : edges.front().at("cursor");
    const json::value end = edges.empty() ? json::value(nullptr) : edges.back().at("cursor");
    return {{"edges", std::move(edges)},
            {"nodes", std::move(nodes)},
            {"pageInfo", {{"hasNextPage", more}, {"hasPreviousPage", earlier}, {"startCursor", start}, {"endCursor", end}}}};
}

json::object progress_json(const history::Progress& p) {
    return {{"examined", p.examined}, {"total", p.total}, {"matched", p.matched}, {"damaged", p.damaged}};
}

history::QueryText query_text(const Asked& asked) {
    history::QueryText out;
    out.filter = text(asked, "filter");
    out.since = text(asked, "since");
    out.until = text(asked, "until");
    out.types = texts(asked, "types");
    return out;
}

std::string cursor_of(const json::object& record) {
    history::Position position;
    if (const auto* time = record.if_contains("@timestamp"); time && time->is_string())
        position.time = filter::parse_timestamp({time->get_string().data(), time->get_string().size()}).value_or(0);
    if (const auto* id = record.if_contains("record.id"); id && id->is_string()) position.id = id->get_string().c_str();
    return position.text();
}

// ---- Query

Result records(const Asked& asked) {
    const auto first = page_size(asked);
    if (!first) return std::unexpected(first.error());
    history::QueryText wanted = query_text(asked);
    wanted.limit = fmt::format("{}", *first + 1);
    wanted.order = text(asked, "order");
    wanted.after = text(asked, "after");
    wanted.fields = asked.keys();
    if (wanted.fields.empty()) wanted.fields = {"record.id"};
    json::array edges;
    size_t bytes = 0;
    bool more = false, too_large = false;
    history::Receiver receiver;
    receiver.row = [&](std::string_view line) {
        more = edges.size() == *first;
        bytes += line.size();
        too_large = bytes > max_page_bytes;
        if (more || too_large) return false;
        boost::system::error_code error;
        json::value record = json::parse({line.data(), line.size()}, error);
        if (error || !record.is_object()) return true;
        std::string cursor = cursor_of(record.get_object());
        edges.push_back(json::object{{"cursor", std::move(cursor)}, {"node", std::move(record)}});
        return true;
    };
    const auto done = asked.source.query(wanted, receiver);
    if (!done) return std::unexpected(done.error());
    if (too_large)
        return std::unexpected(
            SourceError{fmt::format("these records have more than {} bytes: ask for fewer, or fewer fields", max_page_bytes)});
    json::object out = page(std::move(edges), more, !wanted.after.empty());
    out["progress"] = progress_json(*done);
    return out;
}

json::value cell_json(const history::Cell& cell) {
    return std::visit(
        [](const auto& value) -> json::value {
            using T = std::decay_t<decltype(value)>;
            if constexpr (std::is_same_v<T, std::monostate>)
                return nullptr;
            else if constexpr (std::is_same_v<T, double>)
                return std::isfinite(value) ? json::value(value) : json::value(nullptr);
            else
                return json::value(value);
        },
        cell);
}

Result aggregate(const Asked& asked) {
    history::QueryText wanted = query_text(asked);
    wanted.by = texts(asked, "by");
    wanted.measures = texts(asked, "measures");
    wanted.every = text(asked, "every");
    if (wanted.by.empty() && wanted.measures.empty())
        return std::unexpected(SourceError{"measures: say what to count or measure, or by which keys to group"});
    const auto first = page_size(asked);
    if (!first) return std::unexpected(first.error());
    wanted.limit = fmt::format("{}", std::max<size_t>(*first, 1));
    if (const auto top = number(asked, "top")) wanted.top = fmt::format("{}", *top);
    history::Table table;
    history::Receiver receiver;
    receiver.table = [&](const history::Table& now, bool final) {
        if (final) table = now;
        return true;
    };
    const auto done = asked.source.query(wanted, receiver);
    if (!done) return std::unexpected(done.error());
    json::array columns, rows;
    for (const std::string& column : table.columns) columns.emplace_back(column);
    for (const auto& row : table.rows) {
        json::array cells;
        for (const history::Cell& cell : row) cells.push_back(cell_json(cell));
        rows.push_back(std::move(cells));
    }
    return json::object{{"columns", std::move(columns)}, {"rows", std::move(rows)}, {"approximate", table.approximate},
                        {"leftOut", table.left_out},     {"more", table.more},      {"progress", progress_json(*done)}};
}

std::expected<ListText, SourceError> list_text(const Asked& asked) {
    const auto first = page_size(asked);
    if (!first) return std::unexpected(first.error());
    return ListText{text(asked, "kind"), text(asked, "labelSelector"), text(asked, "after"), *first + 1, false};
}

// One more than wanted has been asked for, to know whether there is one; the cursor is the key.
template <typename Key>
Result page_of(const ListText& wanted, Result list, Key&& key) {
    if (!list) return list;
    json::array edges;
    const bool more = list->as_array().size() == wanted.most;
    for (json::value& item : list->as_array()) {
        if (edges.size() + 1 == wanted.most) break;
        std::string cursor = key(item);
        edges.push_back(json::object{{"cursor", std::move(cursor)}, {"node", std::move(item)}});
    }
    return page(std::move(edges), more, !wanted.after.empty());
}

Result directives(const Asked& asked) {
    auto wanted = list_text(asked);
    if (!wanted) return std::unexpected(wanted.error());
    wanted->states = asked.has("DirectiveStatus");
    return page_of(*wanted, asked.source.directives(*wanted), [](const json::value& item) {
        return fmt::format("{}/{}", item.at("kind").as_string().c_str(), item.at("metadata").at("name").as_string().c_str());
    });
}
Result directive(const Asked& asked) {
    return asked.source.directive(text(asked, "kind"), text(asked, "name"));
}
Result nodes(const Asked& asked) {
    const auto wanted = list_text(asked);
    if (!wanted) return std::unexpected(wanted.error());
    return page_of(*wanted, asked.source.nodes(*wanted),
                   [](const json::value& item) { return std::string(item.at("name").as_string()); });
}
Result node(const Asked& asked) {
    return asked.source.node(text(asked, "name"));
}
Result history_of(const Asked& asked) {
    return asked.source.history();
}

// ---- Mutation, Subscription

Result apply_directive(const Asked& asked) {
    const json::value* dry = asked.arguments.if_contains("dryRun");
    return asked.source.apply(text(asked, "document"), dry && dry->is_bool() && dry->get_bool());
}
Result delete_directive(const Asked& asked) {
    return asked.source.remove(text(asked, "kind"), text(asked, "name"));
}

std::expected<std::unique_ptr<RecordStream>, SourceError> follow_records(const Asked& asked, std::function<void()> wake) {
    return asked.source.follow({text(asked, "filter"), texts(asked, "types"), asked.keys()}, std::move(wake));
}

InputDef filter_input(const Schema& schema) {
    return {"filter", "Expression, as everywhere in CVF; null: all.", {schema.type("String"), ""}};
}
InputDef types_input(const Schema& schema) {
    return {"types", "Null: all.", {schema.type("RecordType"), "[!"}};
}

}  // namespace

void fabric_query(Type& query, const Schema& schema) {
    const TypeRef string{schema.type("String"), ""}, integer{schema.type("Int"), ""}, name{schema.type("String"), "!"};
    const InputDef filter = filter_input(schema), types = types_input(schema);
    const InputDef since{"since", "RFC 3339, or how long ago: `10m`; null: from the first record kept.", string};
    const InputDef until{"until", "Likewise; null: now. The moment itself is not in.", string};
    const InputDef first{"first", "How many, at most 1000.", integer, json::value(100)};
    const InputDef after{"after", "The cursor to go on behind.", string};
    const InputDef labels{"labelSelector", "Labels it must have: `team=shop,tier!=test,owner,!old`.", string};
    const InputDef order{"order", {}, {schema.type("Order"), ""}, json::value("newest")};
    query.fields = {
        {"records",
         "Records of the past.",
         {schema.type("RecordConnection"), "!"},
         {filter, types, since, until, first, after, order},
         {},
         records,
         nullptr,
         "first"},
        {"aggregate",
         "Numbers over records of the past.",
         {schema.type("Table"), "!"},
         {filter,
          types,
          since,
          until,
          {"by", "Keys as JSON has them, at most four, whose values make groups.", {schema.type("String"), "[!"}},
          {"measures",
           "`count`, or `sum`, `min`, `max`, `avg`, `p50`, `p95`, `p99` of a field: `p99(event.duration)`.",
           {schema.type("String"), "[!"}},
          {"top", "Only so many groups, those whose first measure is largest.", integer},
          {"every", "A group's numbers for each stretch of time: `1m`.", string},
          {"first", "How many groups, at most 1000.", integer, json::value(1000)}},
         {},
         aggregate,
         nullptr,
         "first"},
        {"directives",
         "By kind and name.",
         {schema.type("DirectiveConnection"), "!"},
         {{"kind", "Null: all.", {schema.type("DirectiveKind"), ""}}, labels, first, after},
         {},
         directives,
         nullptr,
         "first"},
        {"directive",
         "One directive; null: there is none.",
         {schema.type("Directive"), ""},
         {{"kind", {}, {schema.type("DirectiveKind"), "!"}}, {"name", {}, name}},
         {},
         directive,
         nullptr},
        {"nodes",
         "Every agent, by name.",
         {schema.type("NodeConnection"), "!"},
         {labels, first, after},
         {},
         nodes,
         nullptr,
         "first"},
        {"node", "One agent; null: there is none.", {schema.type("Node"), ""}, {{"name", {}, name}}, {}, node, nullptr},
        {"history",
         "What is kept of the past; null: nothing keeps it.",
         {schema.type("History"), ""},
         {},
         {},
         history_of,
         nullptr},
    };
}

void fabric_mutation(Type& mutation, const Schema& schema) {
    const TypeRef name{schema.type("String"), "!"};
    mutation.fields = {
        {"applyDirective",
         "Stores directives. All are checked before any is stored; applying one twice changes nothing.",
         {schema.type("AppliedDirective"), "![!"},
         {{"document", "One directive or several, YAML or JSON.", name},
          {"dryRun", "Check it and say what would happen; change nothing.", {schema.type("Boolean"), ""}, json::value(false)}},
         {},
         apply_directive,
         nullptr},
        {"deleteDirective",
         "Ends a directive. The answer is what it was.",
         {schema.type("Directive"), "!"},
         {{"kind", {}, {schema.type("DirectiveKind"), "!"}}, {"name", {}, name}},
         {},
         delete_directive,
         nullptr},
    };
}

void fabric_subscription(Type& subscription, const Schema& schema) {
    subscription.fields = {{"records",
                            "Records as they are made. What a slow reader lost is told in `extensions.lost`.",
                            {schema.type("Record"), "!"},
                            {filter_input(schema), types_input(schema)},
                            {},
                            nullptr,
                            follow_records}};
}

}  // namespace cvf::graphql
