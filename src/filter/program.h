// A filter ready to run: names are fields, types are checked, constants are values. Third of three stages: tokens, syntax,
// program.
//
// A program is an array of nodes, children before parents; the last one is the whole expression. Values are record::Value, so
// that what stands in a record is used where it stands. Beyond the kinds' own meaning: a duration is a sint of nanoseconds, a
// network is an ip with its prefix length in `size`. Thread rule: constant once compiled.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include <re2/re2.h>

#include "filter/filter.h"

namespace cvf::filter {

// What an expression gives, known before any record is seen.
enum class Type : uint8_t {
    boolean,
    integer,           // CEL int; what uint and sint fields give, also durations counted in nanoseconds
    unsigned_integer,  // CEL uint
    real,              // CEL double
    text,              // CEL string …
    address,           // … and the fields that read as strings: ip,
    mac,               // mac
    hex,               // and hex
    ip,                // what ip() makes
    cidr,              // what cidr() makes
    duration,
    time,
    list_text,
    list_integer,
    list_address,
    map,
};

// How two values are compared.
enum class Order : uint8_t { numbers, texts, bytes, networks, flags };

enum class Relation : uint8_t { equal, unequal, less, less_equal, greater, greater_equal };

enum class Op : uint8_t {
    constant,       // constants[constant]
    field,          // field
    variable,       // variables[slot]
    entry,          // map child 0 at key child 1
    item,           // list child 0 at index child 1
    has_field,      // field
    has_entry,      // map child 0, key child 1
    all_of,         // children
    any_of,         // children
    not_,           // child 0
    choice,         // child 0 ? child 1 : child 2
    type_in,        // bit `record type` of number
    field_integer,  // field relation number
    field_text,     // field == (or !=) constants[constant], both text
    compare,        // child 0 relation child 1, by order
    in_set,         // child 0 in sets[constant], by order
    in_items,       // child 0 in (children from 1), by order
    in_list,        // child 0 in list child 1, by order
    starts_with,    // child 0, child 1
    ends_with,
    contains,
    matches,  // child 0, patterns[constant]
    size_text,
    size_list,
    size_map,
    negate,
    add,
    subtract,
    multiply,
    divide,
    remainder,
    to_integer,
    to_unsigned,
    to_real,
    to_ip,
    to_cidr,
    is_ip,
    is_cidr,
    family,
    is_loopback,
    is_unspecified,
    is_link_local_unicast,
    is_link_local_multicast,
    is_global_unicast,
    contains_ip,    // network child 0, ip, address or text child 1
    contains_cidr,  // network child 0, network or text child 1
    prefix_length,
    // number is what a turn costs, in operations.
    exists,  // body child 0 for `slot` over list or map child 1, or, with over_items, over children from 1
    all,
    exists_one,
};

struct Node {
    Op op;
    Type type = Type::boolean;
    Order order = Order::numbers;
    Relation relation = Relation::equal;
    uint8_t slot = 0;
    bool over_items = false;
    record::Field field{};
    uint32_t first = 0;  // children[first … first + count) are its operands
    uint32_t count = 0;
    uint32_t constant = 0;
    int64_t number = 0;
};

inline constexpr size_t max_nesting = 2;  // comprehensions inside each other
inline constexpr int64_t max_steps =
    65'536;  // per record: items seen by comprehensions, times the operations done for each, and the text these go through
inline constexpr size_t max_patterns = 64;
// RE2's memory for all patterns of a filter, and the most for one.
inline constexpr size_t pattern_memory = 8u << 20, one_pattern_memory = 1u << 20;

struct Program {
    std::string source;
    std::vector<Node> nodes;
    std::vector<uint32_t> children;
    std::vector<record::Value> constants;
    std::vector<std::vector<record::Value>> sets;  // sorted by the order of their node
    std::vector<std::unique_ptr<RE2>> patterns;
    std::deque<std::string> texts;  // what constants borrow
    FieldBits used;
    TypeBits possible_types;
    bool always_true = false;
};

// Whether a record matches; see Filter::matches.
bool run(const Program& program, const record::Record& record) noexcept;

// Names, types and constants of a parsed filter.
struct Syntax;
std::expected<std::unique_ptr<Program>, Error> check(const Syntax& syntax, std::string_view source);

}  // namespace cvf::filter
