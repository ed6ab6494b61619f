// A query with groups as SQL, and the rows of the answer as cells. Thread rule: pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "history/answer.h"
#include "history/query.h"

namespace cvf::history {

// The groups, in the order of Aggregate::table(). `restriction` is a further condition, or empty; `stretches` false leaves
// `every` out. Columns of the answer (TabSeparated): the stretch where asked for, the keys, the measures.
std::string groups_sql(const Query& query, std::string_view table, std::string_view where, std::string_view restriction,
                       bool stretches, size_t limit);

// The condition that a record is in one of these groups; `rows` as cells_of() gives them without a stretch.
std::string in_groups(const Query& query, const std::vector<std::vector<Cell>>& rows);

// A line of TabSeparated. Empty when it is not what groups_sql() asked for.
std::vector<Cell> cells_of(const Query& query, std::string_view line, bool stretches);

}  // namespace cvf::history
