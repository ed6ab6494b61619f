// What a query gives: rows, or a table of groups, and how far it has come meanwhile.
//
// Thread rule: a Receiver is called on the thread that asks. Cells borrow nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "record/buffer.h"

namespace cvf::history {

// Nothing (a record has no such key, or there was nothing to measure), text, flag, numbers.
using Cell = std::variant<std::monostate, std::string, bool, uint64_t, int64_t, double>;

struct Table {
    std::vector<std::string> columns;  // "time" where stretches were asked for, the keys, the measures
    std::vector<std::vector<Cell>> rows;
    bool approximate = false;  // percentiles come from histograms, within 0.4 %
    uint64_t left_out = 0;     // records in groups beyond the bound of memory: in no row
    bool more = false;         // there are more groups than `limit`
};

// The rows as JSON objects, one a line; a cell with nothing is null.
void write_json(const Table& table, record::Buffer& out);

struct Progress {
    uint64_t examined = 0;  // records looked at or ruled out
    uint64_t total = 0;     // records of the time asked for (nearly: whole blocks count)
    uint64_t matched = 0;
    uint64_t damaged = 0;  // records that could not be read
};

// Each may be empty; what returns bool ends the query with false.
struct Receiver {
    std::function<bool(std::string_view line)> row;             // a record as a JSON line without line end
    std::function<bool(const Table& table, bool final)> table;  // groups so far, now and then; in the end the final ones
    std::function<bool(const Progress& progress)> progress;     // often; cheap things only
};

}  // namespace cvf::history
