#include "history/clickhouse_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "history/clickhouse_schema.h"
#include "history/sql.h"
#include "record/text.h"

namespace cvf::history {

using record::Field;
using record::Kind;

namespace {

std::string measure_sql(const Measure& m) {
    if (m.function == Function::count) return "count()";
    const std::string column = fmt::format("toNullable({})", column_name(*m.field));
    switch (m.function) {
        case Function::p50:
        case Function::p95:
        case Function::p99:
            return fmt::format("quantileExact({})({})", quantile_of(m.function), column);
        default:
            return fmt::format("{}({})", name_of(m.function), column);
    }
}

std::string time_text(int64_t ns) {
    char text[40];
    return {text, record::write_time(text, ns)};
}

std::string unescaped(std::string_view text) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\' || i + 1 == text.size()) {
            out += text[i];
            continue;
        }
        const char c = text[++i];
        static constexpr std::string_view letters = "bfnrt0", values{"\b\f\n\r\t\0", 6};
        const size_t at = letters.find(c);
        out += at == std::string_view::npos ? c : values[at];
    }
    return out;
}

template <typename T>
Cell number_cell(std::string_view text) {
    T value{};
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} ? Cell(value) : Cell();
}

Cell cell_of(Kind kind, std::string_view text, bool is_key) {
    if (text == "\\N" || text == "nan") return {};
    switch (kind) {
        case Kind::uint:
            return number_cell<uint64_t>(text);
        case Kind::sint:
            return number_cell<int64_t>(text);
        case Kind::real:
            return number_cell<double>(text);
        case Kind::time: {
            const Cell ns = number_cell<int64_t>(text);
            return std::holds_alternative<int64_t>(ns) && !is_key ? Cell(time_text(std::get<int64_t>(ns))) : Cell();
        }
        case Kind::flag:
            return text != "0";
        default:
            return unescaped(text);
    }
}

}  // namespace

std::string groups_sql(const Query& query, std::string_view table, std::string_view where, std::string_view restriction,
                       bool stretches, size_t limit) {
    std::vector<std::string> columns, keys;
    const auto add = [](std::vector<std::string>& list, std::string text) { list.push_back(std::move(text)); };
    if (stretches) {
        add(columns, fmt::format("timestamp - (timestamp % toInt64({0}) + toInt64({0})) % toInt64({0}) AS stretch", query.every));
        add(keys, "stretch");
    }
    for (size_t i = 0; i < query.by.size(); ++i) {
        add(columns, fmt::format("{} AS k{}", column_name(query.by[i]), i));
        add(keys, fmt::format("k{}", i));
    }
    for (size_t i = 0; i < query.measures.size(); ++i) add(columns, fmt::format("{} AS m{}", measure_sql(query.measures[i]), i));
    std::string order = stretches ? "stretch, m0 DESC" : "m0 DESC";
    for (size_t i = 0; i < query.by.size(); ++i) order += fmt::format(", k{}", i);
    return fmt::format("SELECT {} FROM {} WHERE {}{}{} {}{} ORDER BY {} LIMIT {} FORMAT TabSeparated", fmt::join(columns, ", "),
                       table, where, restriction.empty() ? "" : " AND ", restriction, keys.empty() ? "" : "GROUP BY ",
                       fmt::join(keys, ", "), order, limit);
}

std::string in_groups(const Query& query, const std::vector<std::vector<Cell>>& rows) {
    if (rows.empty()) return "0";
    std::string any;
    for (const auto& row : rows) {
        std::string all;
        for (size_t k = 0; k < query.by.size(); ++k) {
            const std::string column = column_name(query.by[k]);
            const Cell& cell = row[k];
            std::string one = fmt::format("isNull({})", column);
            if (const auto* text = std::get_if<std::string>(&cell))
                one = fmt::format("ifNull({} = {}, 0)", column, sql_text(*text));
            if (const auto* flag = std::get_if<bool>(&cell)) one = fmt::format("ifNull({} = {}, 0)", column, *flag ? 1 : 0);
            if (const auto* u = std::get_if<uint64_t>(&cell)) one = fmt::format("ifNull({} = toUInt64({}), 0)", column, *u);
            if (const auto* s = std::get_if<int64_t>(&cell)) one = fmt::format("ifNull({} = toInt64('{}'), 0)", column, *s);
            all += fmt::format("{}{}", k ? " AND " : "", one);
        }
        any += fmt::format("{}({})", any.empty() ? "" : " OR ", all);
    }
    return fmt::format("({})", any);
}

std::vector<Cell> cells_of(const Query& query, std::string_view line, bool stretches) {
    std::vector<Cell> cells;
    std::vector<std::string_view> parts;
    for (size_t at = 0; at <= line.size();) {
        const size_t tab = std::min(line.find('\t', at), line.size());
        parts.push_back(line.substr(at, tab - at));
        at = tab + 1;
    }
    if (parts.size() != size_t{stretches} + query.by.size() + query.measures.size()) return {};
    size_t i = 0;
    if (stretches) cells.push_back(cell_of(Kind::time, parts[i++], false));
    for (const Field f : query.by) cells.push_back(cell_of(record::info(f).kind, parts[i++], true));
    for (const Measure& m : query.measures) {
        const Kind kind = m.function == Function::count ? Kind::uint
                          : m.function == Function::avg ? Kind::real
                                                        : record::info(*m.field).kind;
        cells.push_back(cell_of(kind, parts[i++], false));
    }
    return cells;
}

}  // namespace cvf::history
