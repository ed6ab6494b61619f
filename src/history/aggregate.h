// The groups of a query and what is measured of each, fed record by record or column by column.
//
// Keys become numbers first (key_id), so that a column's dictionary is looked up once per block and not once per record; then
// add() costs a look-up of the group and an addition per measure. A record that has no such key is in the group of those that
// have none (id 0). Memory is bounded: max_groups groups (records of others are counted in Table::left_out) and max_exact_numbers
// kept for percentiles (beyond that histograms; Table::approximate).
//
// Thread rule: one thread owns it.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "history/answer.h"
#include "history/percentile.h"
#include "history/query.h"
#include "record/record.h"

namespace cvf::history {

inline constexpr size_t max_groups = 1'000'000;
inline constexpr size_t max_exact_numbers = 8'000'000;

// A number to be measured, as its field's kind has it; absent when the record has none.
struct Number {
    bool there = false;
    union {
        uint64_t uint;
        int64_t sint;  // also time
        double real;
    };
    Number() : uint(0) {}
    explicit Number(uint64_t v) : there(true), uint(v) {}
};

class Aggregate {
 public:
    explicit Aggregate(const Query& query);

    // The id of a key's value; texts as JSON has them, without quotes. Never 0, which is "has none".
    uint32_t key_id(size_t key, std::string_view text);
    uint32_t key_id(size_t key, uint64_t number);

    // `ids` has one id per key, `numbers` one per measure (count's is not looked at).
    void add(int64_t time, const uint32_t* ids, const Number* numbers);
    void add(const record::Record& record);

    Table table() const;  // of what was added so far
    uint64_t records() const { return records_; }

 private:
    struct State {  // of one measure in one group
        uint64_t n = 0;
        union {
            uint64_t uint;
            int64_t sint;
            double real;
            uint64_t percentiles;  // index
        };
        State() : uint(0) {}
    };
    struct Key {
        int64_t stretch = 0;
        uint32_t ids[max_keys] = {};
        bool operator==(const Key&) const = default;
    };
    struct KeyHash {
        size_t operator()(const Key& key) const;
    };
    // Groups with their states, `measures` states each.
    struct Groups {
        std::vector<Key> keys;
        std::vector<State> states;
        boost::unordered_flat_map<Key, uint32_t, KeyHash> index;
        std::vector<uint32_t> direct;  // where one key alone makes the group: group + 1 by id
    };
    struct Names {
        std::deque<std::string> texts;  // by id - 1; of numbers empty
        std::vector<uint64_t> numbers;
        boost::unordered_flat_map<std::string_view, uint32_t> by_text;
        boost::unordered_flat_map<uint64_t, uint32_t> by_number;
    };

    uint32_t group_of(Groups& groups, int64_t stretch, const uint32_t* ids);
    void count_in(Groups& groups, uint32_t group, const Number* numbers);
    void measure(State& state, size_t m, const Number& number);
    void condense();
    Cell key_cell(size_t key, uint32_t id) const;
    Cell cell(const State& state, size_t m) const;
    double rank(const Groups& groups, uint32_t group) const;
    std::vector<uint32_t> ranked(const Groups& groups) const;

    std::vector<Measure> measures_;
    std::vector<record::Kind> kinds_;  // of the measures' fields
    std::vector<record::Field> by_;
    int64_t every_;
    size_t top_, limit_;
    bool use_totals_;  // stretches of the top groups: who is on top is told by the whole time
    Groups cells_, totals_;
    std::vector<Names> names_;
    std::deque<Percentiles> percentiles_;
    size_t kept_numbers_ = 0;
    bool exact_ = true;
    uint64_t records_ = 0, left_out_ = 0;
};

}  // namespace cvf::history
