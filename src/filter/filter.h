// The filter language: which records are wanted. A strict subset of CEL over the record's field names (docs/filter.md).
//
//     auto filter = cvf::filter::Filter::compile("dns.question.name.endsWith(\".lan\") && source.port > 1024");
//     if (!filter) fmt::print(stderr, "{}\n", filter.error().show(text));
//     else if (filter->matches(record)) …
//
// A filter is compiled once; every name and type is checked then, so what can go wrong on a record is only that a field is
// missing, a number overflows or a map has no such key. CEL calls that an error, `&&` and `||` absorb it where the other side
// decides, and a record for which it is the outcome does not match.
//
// Ownership: a Filter owns all it needs; the source may go. Thread rule: const calls may be made by any number of threads; a
// filter that uses matches() shares RE2's lock between them, so give each busy thread its own. Errors: a bad expression is an
// Error; matches() never fails. Limits: 16 KiB of source, 64 levels, 4,096 operations, exists() and the like nested two deep and
// 65,536 operations inside them per record, long text counted in (beyond that the record does not match); 8 MiB for all patterns.
#pragma once

#include <bitset>
#include <cstddef>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "record/fields.h"
#include "record/record.h"

namespace cvf::filter {

inline constexpr size_t max_source_bytes = 16 * 1024;

struct Error {
    size_t column;        // in characters, from 1, over the whole source
    std::string message;  // what is wrong and, where it can be told, what would be right; no column, no line end

    // "column 18: message", the line and a caret below the column. The source must be the one compiled.
    std::string show(std::string_view source) const;
};

using FieldBits = std::bitset<record::field_count>;
using TypeBits = std::bitset<record::type_count>;

struct Program;

class Filter {
 public:
    // An expression of nothing but blanks and comments matches every record.
    static std::expected<Filter, Error> compile(std::string_view source);

    Filter(Filter&&) noexcept;
    Filter& operator=(Filter&&) noexcept;
    ~Filter();

    // Allocates nothing itself (RE2 grows its cache, up to a fixed limit, while it meets new text).
    bool matches(const record::Record& record) const noexcept;

    bool always_true() const;  // empty or `true`: no need to ask
    const std::string& source() const;
    const FieldBits& used() const;  // fields whose value or presence the outcome depends on

    // Types that could match; a type left out never does. What is not on the list need not be made.
    const TypeBits& possible_types() const;

 private:
    explicit Filter(std::unique_ptr<Program> program);
    std::unique_ptr<Program> program_;
};

}  // namespace cvf::filter
