// What is asked of the history: which records, or what is counted over them. One model for `cvf query`, REST and GraphQL,
// answered by the embedded store and by ClickHouse alike (docs/history.md).
//
// A QueryText is what a front door has, as text; parse_query() checks all of it once and gives a Query, in which every name is a
// field, every time is absolute and the filter is compiled. Thread rule: values. Errors: name the parameter, say what is wrong
// and what would be right, and for an expression the column. Limits: max_keys keys, max_measures measures, at most max_limit rows
// or groups unless all are asked for (limit 0: rows only).
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "filter/filter.h"
#include "record/fields.h"
#include "record/json.h"

namespace cvf::history {

inline constexpr size_t max_keys = 4;
inline constexpr size_t max_measures = 8;
inline constexpr size_t max_limit = 1'000'000;
inline constexpr size_t default_rows = 100;
inline constexpr size_t default_groups = 1000;

enum class Function : uint8_t { count, sum, min, max, avg, p50, p95, p99 };

// One number per group. `field` is set but for count, which counts records.
struct Measure {
    Function function = Function::count;
    std::optional<record::Field> field;

    std::string name() const;  // "count", "p99(event.duration)"
};

std::string_view name_of(Function function);
// The part of the records below a percentile, 0 to 1; 0 for other functions.
double quantile_of(Function function);

// A record's place in the order of answers: by time and, where that is the same, by record.id. As text: "NANOSECONDS,ID".
struct Position {
    int64_t time = 0;
    std::string id;

    std::string text() const;
    static std::optional<Position> parse(std::string_view text);
    bool operator<(const Position& other) const { return time != other.time ? time < other.time : id < other.id; }
};

struct QueryText {
    std::string filter = {};                 // docs/filter.md; empty: every record
    std::string since = {}, until = {};      // RFC 3339, or how long ago: "10m"; empty: from the first, to now
    std::vector<std::string> types = {};     // record types; empty: all
    std::vector<std::string> fields = {};    // of rows; as record::Projection has them; empty: all
    std::vector<std::string> by = {};        // keys of groups
    std::vector<std::string> measures = {};  // "count", "sum source.bytes", "p99(event.duration)"
    std::string top = {};                    // only the N groups whose first measure is largest
    std::string every = {};                  // a group's numbers per stretch of time: "1m"
    std::string limit = {};                  // rows of the answer; "0": every record that matches
    std::string order = {};                  // "newest" (first; the default) or "oldest"
    std::string after = {};                  // rows behind this Position, where the last answer ended
};

struct QueryError {
    std::string parameter;  // "filter", "by", …
    std::string message;
    size_t column = 0;  // of an expression, from 1; 0 where there is none

    std::string show() const;  // "by: there is no field 'source.ip'; did you mean source.address?"
};

struct Query {
    std::shared_ptr<const filter::Filter> filter;
    int64_t since = INT64_MIN, until = INT64_MAX;  // ns since 1970, UTC; `until` itself is outside
    filter::TypeBits types;                        // asked for, and possible by the filter
    std::optional<record::Projection> fields;      // absent: all, the record as it came
    bool newest_first = true;
    size_t limit = default_rows;  // 0: no limit
    std::optional<Position> after;

    std::vector<Measure> measures;  // empty: rows are asked for
    std::vector<record::Field> by;
    size_t top = 0;     // 0: not asked for
    int64_t every = 0;  // ns; 0: not asked for

    bool aggregates() const { return !measures.empty(); }
};

// `now` in ns since 1970: what "10m" ago counts from.
std::expected<Query, QueryError> parse_query(const QueryText& text, int64_t now);

// From names and values, as a command line or a URL has them: filter, since, until, types, fields, by, top, every, limit, order,
// after, and the measures count, sum, min, max, avg, p50, p95, p99 (value: the field; of count: nothing or "true") or measures.
// Lists may be given several times or with commas.
std::expected<QueryText, QueryError> query_text(std::span<const std::pair<std::string, std::string>> parameters);

}  // namespace cvf::history
