#include "history/query.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "config/quantity.h"
#include "record/nearest.h"
#include "record/parse.h"

namespace cvf::history {
namespace {

using record::Field;
using record::Kind;

constexpr std::array<std::string_view, 8> functions = {"count", "sum", "min", "max", "avg", "p50", "p95", "p99"};

using Failure = std::unexpected<QueryError>;

Failure fail(std::string_view parameter, std::string message, size_t column = 0) {
    return Failure(QueryError{std::string(parameter), std::move(message), column});
}

template <typename Names>
std::string nearest_hint(std::string_view name, const Names& names, std::string_view what) {
    const std::string_view near = record::nearest(name, names);
    return near.empty() ? fmt::format("the {} are {}", what, fmt::join(names, ", ")) : fmt::format("did you mean {}?", near);
}

std::expected<Field, QueryError> field_of(std::string_view parameter, std::string_view key) {
    if (const auto field = record::field_by_key(key)) return *field;
    // The filter language knows more than the nearest key: groups, and names of other conventions.
    const bool plain =
        std::ranges::all_of(key, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.'; });
    if (const auto asked = filter::Filter::compile(fmt::format("has({})", key)); plain && key.contains('.') && !asked)
        return fail(parameter, asked.error().message);
    const std::string_view near = record::nearest_key(key);
    return fail(parameter, fmt::format("there is no field '{}'{}", key,
                                       near.empty() ? std::string() : fmt::format("; did you mean {}?", near)));
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    return text;
}

// "10m" ago, or a time.
std::expected<int64_t, QueryError> time_of(std::string_view parameter, std::string_view text, int64_t now) {
    int64_t ns = 0;
    if (record::parse_time(text, ns)) return ns;
    if (const auto ago = config::parse_duration(text)) return now - ago->count();
    if (text == "now") return now;
    return fail(parameter, fmt::format("'{}' is neither a time (2026-01-02T03:04:05Z) nor how long ago (10m, 2h, 7d)", text));
}

std::expected<size_t, QueryError> count_of(std::string_view parameter, std::string_view text, size_t most, bool zero) {
    const auto n = config::parse_count(text);
    if (!n || (!zero && *n == 0)) return fail(parameter, fmt::format("'{}' is no whole number{}", text, zero ? "" : " above 0"));
    if (*n > most) return fail(parameter, fmt::format("{} is more than the {} that an answer may have", *n, most));
    return static_cast<size_t>(*n);
}

std::expected<Measure, QueryError> measure_of(std::string_view text) {
    const std::string_view whole = text = trimmed(text);
    const size_t end = text.find_first_of(" (");
    const std::string_view name = text.substr(0, end);
    std::string_view key = end == std::string_view::npos ? std::string_view() : trimmed(text.substr(end));
    if (key.starts_with('(')) {
        if (!key.ends_with(')')) return fail("measures", fmt::format("'{}' has no ')'", whole));
        key = trimmed(key.substr(1, key.size() - 2));
    }
    const auto* const found = std::ranges::find(functions, name);
    if (found == functions.end())
        return fail("measures", fmt::format("there is no '{}'; {}", name, nearest_hint(name, functions, "functions")));
    Measure measure{static_cast<Function>(found - functions.begin()), std::nullopt};
    if (measure.function == Function::count) {
        if (!key.empty())
            return fail(
                "measures",
                fmt::format("count counts records and takes no field; to count those that have one, filter by has({})", key));
        return measure;
    }
    if (key.empty()) return fail(name, fmt::format("{} of what? Write {}(event.duration)", name, name));
    const auto field = field_of(name, key);
    if (!field) return std::unexpected(field.error());
    const Kind kind = record::info(*field).kind;
    const bool number = kind == Kind::uint || kind == Kind::sint || kind == Kind::real;
    const bool time = kind == Kind::time && (measure.function == Function::min || measure.function == Function::max);
    if (!number && !time) return fail(name, fmt::format("{} is no number, so it has no {}", key, name));
    measure.field = *field;
    return measure;
}

std::expected<void, QueryError> parse_groups(const QueryText& text, Query& query) {
    for (const std::string& key : text.by) {
        const auto field = field_of("by", key);
        if (!field) return std::unexpected(field.error());
        const Kind kind = record::info(*field).kind;
        if (kind >= Kind::list_text || kind == Kind::real || kind == Kind::time)
            return fail("by", fmt::format("{} is {}: records cannot be grouped by it{}", key,
                                          kind == Kind::time   ? "a time"
                                          : kind == Kind::real ? "a real number"
                                          : kind == Kind::map  ? "a map"
                                                               : "a list",
                                          kind == Kind::time ? "; for stretches of time there is 'every'" : ""));
        if (std::ranges::find(query.by, *field) == query.by.end()) query.by.push_back(*field);
    }
    if (query.by.size() > max_keys)
        return fail("by", fmt::format("{} keys are more than the {} that there may be", query.by.size(), max_keys));
    for (const std::string& one : text.measures) {
        const auto measure = measure_of(one);
        if (!measure) return std::unexpected(measure.error());
        query.measures.push_back(*measure);
    }
    if (query.measures.size() > max_measures)
        return fail("measures", fmt::format("{} are more than the {} that there may be", query.measures.size(), max_measures));
    if (query.measures.empty() && (!query.by.empty() || !text.top.empty() || !text.every.empty())) query.measures.emplace_back();
    if (!text.top.empty()) {
        const auto top = count_of("top", text.top, max_limit, false);
        if (!top) return std::unexpected(top.error());
        if (query.by.empty()) return fail("top", "the top of what? Name the keys to group by with 'by'");
        query.top = *top;
    }
    if (!text.every.empty()) {
        const auto every = config::parse_duration(text.every);
        if (!every) return fail("every", every.error());
        if (*every < std::chrono::milliseconds(1)) return fail("every", fmt::format("'{}' is less than 1ms", text.every));
        query.every = every->count();
    }
    return {};
}

}  // namespace

std::string_view name_of(Function function) {
    return functions[static_cast<size_t>(function)];
}

double quantile_of(Function function) {
    return function == Function::p50 ? 0.5 : function == Function::p95 ? 0.95 : function == Function::p99 ? 0.99 : 0;
}

std::string Measure::name() const {
    return field ? fmt::format("{}({})", name_of(function), record::info(*field).key) : std::string(name_of(function));
}

std::string Position::text() const {
    return fmt::format("{},{}", time, id);
}

std::optional<Position> Position::parse(std::string_view text) {
    Position position;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), position.time);
    if (error != std::errc{} || rest == text.data() + text.size() || *rest != ',') return std::nullopt;
    position.id.assign(rest + 1, text.data() + text.size());
    return position;
}

std::string QueryError::show() const {
    return column ? fmt::format("{}: column {}: {}", parameter, column, message) : fmt::format("{}: {}", parameter, message);
}

std::expected<Query, QueryError> parse_query(const QueryText& text, int64_t now) {
    Query query;
    auto compiled = filter::Filter::compile(text.filter);
    if (!compiled) return fail("filter", compiled.error().message, compiled.error().column);
    query.filter = std::make_shared<const filter::Filter>(std::move(*compiled));
    if (!text.since.empty()) {
        const auto since = time_of("since", text.since, now);
        if (!since) return std::unexpected(since.error());
        query.since = *since;
    }
    if (!text.until.empty()) {
        const auto until = time_of("until", text.until, now);
        if (!until) return std::unexpected(until.error());
        query.until = *until;
    }
    if (query.since >= query.until) return fail("since", "it is not before 'until'");
    for (const std::string& name : text.types) {
        const auto type = record::type_by_name(name);
        if (!type) {
            std::array<std::string_view, record::type_count> names;
            for (size_t i = 0; i < names.size(); ++i) names[i] = record::info(static_cast<record::RecordType>(i)).name;
            return fail("types", fmt::format("there is no record type '{}'; {}", name, nearest_hint(name, names, "types")));
        }
        query.types.set(static_cast<size_t>(*type));
    }
    if (text.types.empty()) query.types.set();
    query.types &= query.filter->possible_types();
    if (const auto groups = parse_groups(text, query); !groups) return std::unexpected(groups.error());

    if (query.aggregates()) {
        if (!text.fields.empty()) return fail("fields", "a query with groups has no rows to choose fields of");
        if (!text.order.empty()) return fail("order", "groups stand by their first measure, largest first");
        if (!text.after.empty()) return fail("after", "groups come in one answer");
    } else if (!text.fields.empty()) {
        auto fields = record::Projection::parse(text.fields);
        if (!fields) return fail("fields", fields.error());
        query.fields = *fields;
    }
    query.limit = query.aggregates() ? default_groups : default_rows;
    if (!text.limit.empty()) {
        const auto limit = count_of("limit", text.limit, max_limit, !query.aggregates());
        if (!limit) return std::unexpected(limit.error());
        query.limit = *limit;
    }
    if (!text.order.empty() && text.order != "newest" && text.order != "oldest")
        return fail("order", fmt::format("'{}' is neither newest nor oldest (first)", text.order));
    query.newest_first = text.order != "oldest";
    if (!text.after.empty()) {
        query.after = Position::parse(text.after);
        if (!query.after) return fail("after", "this is no position that an answer has given");
    }
    return query;
}

std::expected<QueryText, QueryError> query_text(std::span<const std::pair<std::string, std::string>> parameters) {
    static constexpr std::array<std::string_view, 20> names = {"filter", "since", "until", "types", "fields", "by",    "measures",
                                                               "top",    "every", "limit", "order", "after",  "count", "sum",
                                                               "min",    "max",   "avg",   "p50",   "p95",    "p99"};
    QueryText text;
    const auto append = [](std::vector<std::string>& list, std::string_view value) {
        for (size_t at = 0; at <= value.size();) {
            const size_t comma = std::min(value.find(',', at), value.size());
            if (const auto one = trimmed(value.substr(at, comma - at)); !one.empty()) list.emplace_back(one);
            at = comma + 1;
        }
    };
    for (const auto& [name, value] : parameters) {
        const auto* const found = std::ranges::find(names, name);
        if (found == names.end())
            return fail(name, fmt::format("there is no parameter '{}'; {}", name, nearest_hint(name, names, "parameters")));
        std::string* one = name == "filter"  ? &text.filter
                           : name == "since" ? &text.since
                           : name == "until" ? &text.until
                           : name == "top"   ? &text.top
                           : name == "every" ? &text.every
                           : name == "limit" ? &text.limit
                           : name == "order" ? &text.order
                           : name == "after" ? &text.after
                                             : nullptr;
        std::vector<std::string>* list = name == "types"      ? &text.types
                                         : name == "fields"   ? &text.fields
                                         : name == "by"       ? &text.by
                                         : name == "measures" ? &text.measures
                                                              : nullptr;
        if (one) {
            if (!one->empty()) return fail(name, "it stands there twice");
            *one = value;
        } else if (list) {
            append(*list, value);
        } else if (name == "count") {
            if (value == "false" || value == "0") continue;
            if (!value.empty() && value != "true" && value != "1") return fail(name, "count takes no value but true");
            text.measures.emplace_back(name);
        } else {
            std::vector<std::string> keys;
            append(keys, value);
            if (keys.empty()) return fail(name, fmt::format("{} of what? Give it a field", name));
            for (const std::string& key : keys) text.measures.push_back(fmt::format("{} {}", name, key));
        }
    }
    return text;
}

}  // namespace cvf::history
