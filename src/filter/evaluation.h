// One run of a program over a record: what its parts (evaluate*.cpp) share. No allocation, no exceptions; recursion is bounded by
// max_depth of the syntax. For these files alone; from outside it is run() of program.h.
#pragma once

#include <array>
#include <span>

#include "filter/program.h"

namespace cvf::filter {

// True, false, or CEL's error: a field is missing, a number overflows, a key is not there.
enum class Outcome : uint8_t { no, yes, error };

// What costs about as much as an operation: bytes that contains() searches, bytes that a pattern or a count of characters walks
// over, items of a list or map.
inline constexpr size_t searched_per_step = 32, matched_per_step = 8, compared_per_step = 4;

inline Outcome outcome(bool yes) {
    return yes ? Outcome::yes : Outcome::no;
}

// A map stands as key, value, key, value …
inline std::span<const record::Value> items_of(const record::Value& list) noexcept {
    return {list.items, list.kind == record::Kind::map ? size_t{list.size} * 2 : list.size};
}

class Evaluation {
 public:
    Evaluation(const Program& program, const record::Record& record) : program_(program), record_(record) {}

    Outcome test(const Node& n) noexcept;

 private:
    const Node& child(const Node& n, size_t i) const { return program_.nodes[program_.children[n.first + i]]; }

    // The value of a node: where it stands, or in `scratch`. Null is CEL's error. The commonest two are worth no call.
    const record::Value* value(const Node& n, record::Value& scratch) noexcept {
        if (n.op == Op::field) return record_.lookup(n.field);
        if (n.op == Op::constant) return &program_.constants[n.constant];
        return compute(n, scratch);
    }
    const record::Value* compute(const Node& n, record::Value& scratch) noexcept;
    const record::Value* arithmetic(const Node& n, record::Value& scratch) noexcept;
    const record::Value* convert_one(const Node& n, record::Value& scratch) noexcept;
    const record::Value* find_entry(const Node& n, record::Value& scratch) noexcept;
    const record::Value* to_ip(const Node& n, record::Value& scratch) noexcept;
    const record::Value* to_cidr(const Node& n, record::Value& scratch) noexcept;

    // Out of line, so that test() is a jump and saves no registers.
    [[gnu::noinline]] Outcome all_of(const Node& n) noexcept;
    [[gnu::noinline]] Outcome any_of(const Node& n) noexcept;
    [[gnu::noinline]] Outcome field_integer(const Node& n) noexcept;
    [[gnu::noinline]] Outcome opposite(const Node& n) noexcept;
    [[gnu::noinline]] Outcome choice(const Node& n) noexcept;
    [[gnu::noinline]] Outcome has_entry(const Node& n) noexcept;
    [[gnu::noinline]] Outcome flag(const Node& n) noexcept;
    [[gnu::noinline]] Outcome field_text(const Node& n) noexcept;
    [[gnu::noinline]] Outcome compare_two(const Node& n) noexcept;
    [[gnu::noinline]] Outcome member_of(const Node& n) noexcept;
    [[gnu::noinline]] Outcome text_test(const Node& n) noexcept;
    [[gnu::noinline]] Outcome ip_test(const Node& n) noexcept;
    [[gnu::noinline]] Outcome network_test(const Node& n) noexcept;
    [[gnu::noinline]] Outcome comprehension(const Node& n) noexcept;

    // Work that grows with the data, inside comprehensions, where it is done again and again: false when it is too much.
    bool charge(size_t steps) noexcept { return depth_ == 0 || (steps_left_ -= static_cast<int64_t>(steps)) >= 0; }

    static const record::Value* put(record::Value& scratch, int64_t v) noexcept {
        scratch.kind = record::Kind::sint;
        scratch.sint = v;
        return &scratch;
    }

    const Program& program_;
    const record::Record& record_;
    std::array<const record::Value*, max_nesting> variables_;  // set by the comprehension around every use
    int64_t steps_left_ = max_steps;
    int depth_ = 0;  // comprehensions around what is being tested
};

}  // namespace cvf::filter
