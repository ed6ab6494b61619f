// Filters as SQL conditions for ClickHouse, with the filter language's meaning of what is missing.
//
// CEL has three outcomes: true, false and "has no value". The SQL of a condition asks for exactly one of them and is never NULL:
// sql_condition() gives text that is 1 where the filter is true and 0 where it is false or has no value. `!` asks the inside for
// false. So nothing rests on how a version of ClickHouse treats NULL in AND, OR, NOT and IN.
//
// What has no translation (arithmetic, exists_one, classes of addresses, …) is left over: the outermost `&&` is taken apart, and
// the parts left over are for the caller to ask of each record. Columns are those of clickhouse_schema.h. Thread rule: pure.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "filter/program.h"
#include "history/query.h"

namespace cvf::history {

struct SqlFilter {
    std::string where;  // never empty: "1" where everything matches
    std::vector<std::unique_ptr<filter::Program>> rest;

    bool matches_rest(const record::Record& record) const;
};

// The conditions of a query: time, types and filter.
SqlFilter sql_filter(const Query& query);

// A string literal: quoted, with everything escaped that has a meaning.
std::string sql_text(std::string_view text);

}  // namespace cvf::history
