// Which rows of a block a query wants, told from its columns as far as they go.
//
// The filter's outermost `&&` is taken apart. A part that needs indexed fields only is decided by columns: one that looks at a
// single dictionary once per value that occurs, others row by row on a record of just those fields. What is left is asked of the
// records themselves. A record matches where every part does, which is what the whole filter says (docs/filter.md).
//
// Whole blocks are ruled out first: by time and type, by the smallest and largest number, and by the filter of ids. Thread rule:
// one query's own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "filter/program.h"
#include "history/query.h"
#include "history/segment.h"

namespace cvf::history {

class Selection {
 public:
    explicit Selection(const Query& query);

    // By what is in memory; no reading.
    bool may_match(const BlockInfo& block) const;

    // The rows that match as far as columns can tell, rising. False when something that is needed is damaged. After it,
    // decided() says whether that was the whole filter.
    bool select(BlockReader& block, std::vector<uint32_t>& rows);
    bool decided() const { return rest_.empty(); }
    // What is not decided yet, for a record of a selected row.
    bool matches_rest(const record::Record& record) const;

 private:
    struct Part {
        std::unique_ptr<filter::Program> program;
        std::vector<record::Field> fields;  // but time and type
        bool indexed = true;                // all of them have columns
        bool uses_time = false, uses_type = false;
    };
    bool ruled_out(const Part& part, const BlockHead& head) const;
    bool narrow(BlockReader& block, const Part& part, std::vector<uint32_t>& rows);
    bool narrow_by_type(BlockReader& block, std::vector<uint32_t>& rows);
    bool fill(BlockReader& block, const Part& part, uint32_t row, const Column* types);

    int64_t since_, until_;
    filter::TypeBits types_;
    std::vector<Part> parts_;
    std::vector<const Part*> rest_;
    record::Record probe_;
    std::vector<uint8_t> verdicts_;
};

}  // namespace cvf::history
