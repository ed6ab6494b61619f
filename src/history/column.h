// One field of the records of a block, as a column.
//
// A dictionary column has the distinct values once and a number per record; a number column has each value less the smallest one.
// In both, 0 is a record without the field. Encoded it is one zstd frame with a checksum (little-endian, RFC 8878):
//
//     dictionary   for each entry: length (4 bytes), bytes; then per record its place from 1, in 1, 2 or 4 bytes
//     numbers      per record: value - smallest + 1, in 1, 2, 4 or 8 bytes
//
// Entries are text as JSON has it, without quotes and escapes, and addresses as 4 or 16 bytes. Thread rule: one thread owns each
// object. Errors: decode() of bytes that are damaged says so by an empty optional; what it makes is checked (places within the
// dictionary, an entry of the right length).
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "record/record.h"

struct ZSTD_CCtx_s;

namespace cvf::history {

enum class ColumnForm : uint8_t {
    empty,  // no record of the block has the field
    dictionary,
    numbers,
    unkept,  // the values could not be kept this way; the records have them
};

// What a block's head says of a column.
struct ColumnHead {
    ColumnForm form = ColumnForm::empty;
    uint8_t width = 0;                   // bytes per record: 1, 2, 4, 8
    bool gaps = false;                   // some records have no value
    uint32_t entries = 0;                // of a dictionary
    uint32_t plain = 0;                  // bytes before compression
    uint32_t packed = 0;                 // and after
    uint64_t smallest = 0, largest = 0;  // of numbers
};

class ColumnBuilder {
 public:
    explicit ColumnBuilder(record::Kind kind) : kind_(kind) {}

    // Sets the value of record number `row`; rows come in rising order.
    void text(uint32_t row, std::string_view value);
    void number(uint32_t row, uint64_t value);

    // Appends the column of `rows` records to `out`, compressed, and begins the next one.
    ColumnHead finish(uint32_t rows, ZSTD_CCtx_s* zstd, std::string& out);

    record::Kind kind() const { return kind_; }

 private:
    const record::Kind kind_;
    record::Arena arena_;
    boost::unordered_flat_map<std::string_view, uint32_t> places_;
    std::vector<std::string_view> entries_;
    std::vector<uint32_t> ids_;      // by row; may end early
    std::vector<uint64_t> numbers_;  // of the rows in `rows_`
    std::vector<uint32_t> rows_;
    std::string plain_;
};

struct Column {
    ColumnForm form = ColumnForm::empty;
    std::vector<std::string_view> entries;  // into `plain`
    std::vector<uint32_t> ids;              // dictionary: place from 1, 0 none
    std::vector<uint64_t> numbers;          // numbers: value - smallest + 1, 0 none
    uint64_t smallest = 0;
    std::string plain;

    bool has(uint32_t row) const {
        return form == ColumnForm::dictionary ? ids[row] != 0 : form == ColumnForm::numbers && numbers[row] != 0;
    }
    uint64_t number(uint32_t row) const { return smallest + numbers[row] - 1; }
};

// `packed` is what finish() appended. Entries of an ip column have 4 or 16 bytes.
bool decode(const ColumnHead& head, record::Kind kind, uint32_t rows, std::string_view packed, Column& out);

}  // namespace cvf::history
