#include "history/aggregate.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "filter/values.h"
#include "record/text.h"

namespace cvf::history {

using record::Field;
using record::Kind;
using record::Value;

namespace {

constexpr uint32_t none = UINT32_MAX;

bool is_percentile(Function f) {
    return f >= Function::p50;
}

int64_t floor_to(int64_t time, int64_t step) {
    const int64_t rest = time % step;
    return time - (rest < 0 ? rest + step : rest);
}

std::string time_text(int64_t ns) {
    char text[40];
    return {text, record::write_time(text, ns)};
}

// Texts by their bytes, numbers by size, what is not there last.
int order(const Cell& a, const Cell& b) {
    if (a.index() != b.index())
        return std::holds_alternative<std::monostate>(a)   ? 1
               : std::holds_alternative<std::monostate>(b) ? -1
               : a.index() < b.index()                     ? -1
                                                           : 1;
    return a < b ? -1 : b < a ? 1 : 0;
}

}  // namespace

size_t Aggregate::KeyHash::operator()(const Key& key) const {
    uint64_t h = static_cast<uint64_t>(key.stretch) * 0x9e3779b97f4a7c15;
    for (size_t i = 0; i < max_keys; i += 2) {
        h ^= static_cast<uint64_t>(key.ids[i]) << 32 | key.ids[i + 1];
        h = (h ^ h >> 29) * 0xbf58476d1ce4e5b9;
    }
    return h ^ h >> 32;
}

Aggregate::Aggregate(const Query& query)
    : measures_(query.measures),
      by_(query.by),
      every_(query.every),
      top_(query.top),
      limit_(query.limit),
      use_totals_(query.top > 0 && query.every > 0),
      names_(query.by.size()) {
    for (const Measure& m : measures_) kinds_.push_back(m.field ? record::info(*m.field).kind : Kind::uint);
}

uint32_t Aggregate::key_id(size_t key, std::string_view text) {
    Names& names = names_[key];
    if (const auto found = names.by_text.find(text); found != names.by_text.end()) return found->second;
    if (names.texts.size() >= max_groups * 2) return none;  // add() will find no room for its group either
    const auto id = static_cast<uint32_t>(names.texts.size() + 1);
    names.by_text.emplace(names.texts.emplace_back(text), id);
    return id;
}

uint32_t Aggregate::key_id(size_t key, uint64_t number) {
    Names& names = names_[key];
    if (const auto found = names.by_number.find(number); found != names.by_number.end()) return found->second;
    if (names.numbers.size() >= max_groups * 2) return none;
    names.numbers.push_back(number);
    return names.by_number.emplace(number, static_cast<uint32_t>(names.numbers.size())).first->second;
}

// The index of the group in `groups`, made where there is room; `none` where there is not.
uint32_t Aggregate::group_of(Groups& groups, int64_t stretch, const uint32_t* ids) {
    const bool direct = by_.size() == 1 && (every_ == 0 || &groups == &totals_);
    if (direct && ids[0] < groups.direct.size() && groups.direct[ids[0]]) return groups.direct[ids[0]] - 1;
    Key key;
    key.stretch = stretch;
    std::copy_n(ids, by_.size(), key.ids);
    if (!direct)
        if (const auto found = groups.index.find(key); found != groups.index.end()) return found->second;
    if (groups.keys.size() >= max_groups || std::find(ids, ids + by_.size(), none) != ids + by_.size()) return none;
    const auto group = static_cast<uint32_t>(groups.keys.size());
    groups.keys.push_back(key);
    for (const Measure& m : measures_) {
        State& state = groups.states.emplace_back();
        if (is_percentile(m.function)) {
            state.percentiles = percentiles_.size();
            percentiles_.emplace_back();
        }
    }
    if (direct) {
        if (groups.direct.size() <= ids[0]) groups.direct.resize(std::max<size_t>(ids[0] + 1, groups.direct.size() * 2));
        groups.direct[ids[0]] = group + 1;
    } else {
        groups.index.emplace(key, group);
    }
    return group;
}

void Aggregate::measure(State& state, size_t m, const Number& number) {
    if (!number.there) return;
    const Kind kind = kinds_[m];
    const bool first = state.n++ == 0;
    switch (measures_[m].function) {
        case Function::count:
            return;
        case Function::sum:
        case Function::avg:
            if (kind == Kind::real)
                state.real = first ? number.real : state.real + number.real;
            else
                state.uint += number.uint;  // two's complement: of signed numbers too
            return;
        case Function::min:
        case Function::max: {
            const bool less = kind == Kind::real   ? number.real < state.real
                              : kind == Kind::uint ? number.uint < state.uint
                                                   : number.sint < state.sint;
            const bool more = kind == Kind::real   ? number.real > state.real
                              : kind == Kind::uint ? number.uint > state.uint
                                                   : number.sint > state.sint;
            if (first || (measures_[m].function == Function::min ? less : more)) state.uint = number.uint;
            return;
        }
        default: {
            const double value = kind == Kind::real   ? number.real
                                 : kind == Kind::uint ? static_cast<double>(number.uint)
                                                      : static_cast<double>(number.sint);
            percentiles_[state.percentiles].add(value);
            if (exact_ && ++kept_numbers_ > max_exact_numbers) condense();
            if (!exact_ && percentiles_[state.percentiles].exact()) percentiles_[state.percentiles].condense();
        }
    }
}

void Aggregate::condense() {
    for (Percentiles& p : percentiles_) p.condense();
    exact_ = false;
}

void Aggregate::count_in(Groups& groups, uint32_t group, const Number* numbers) {
    State* states = &groups.states[group * measures_.size()];
    for (size_t m = 0; m < measures_.size(); ++m) {
        if (measures_[m].function == Function::count)
            ++states[m].n;
        else
            measure(states[m], m, numbers[m]);
    }
}

void Aggregate::add(int64_t time, const uint32_t* ids, const Number* numbers) {
    ++records_;
    const uint32_t group = group_of(cells_, every_ ? floor_to(time, every_) : 0, ids);
    const uint32_t total = use_totals_ ? group_of(totals_, 0, ids) : 0;
    if (group == none || total == none) {
        ++left_out_;
        return;
    }
    count_in(cells_, group, numbers);
    if (use_totals_) count_in(totals_, total, numbers);
}

void Aggregate::add(const record::Record& record) {
    uint32_t ids[max_keys] = {};
    Number numbers[max_measures];
    for (size_t k = 0; k < by_.size(); ++k) {
        const Value* v = record.lookup(by_[k]);
        if (!v) continue;
        filter::TextBuffer buffer;
        std::string_view text;
        if (v->kind == Kind::uint || v->kind == Kind::sint)
            ids[k] = key_id(k, v->uint);
        else if (v->kind == Kind::flag)
            ids[k] = key_id(k, static_cast<uint64_t>(v->flag));
        else if (filter::as_text(*v, buffer, text))
            ids[k] = key_id(k, text);
    }
    for (size_t m = 0; m < measures_.size(); ++m)
        if (measures_[m].field)
            if (const Value* v = record.lookup(*measures_[m].field)) numbers[m] = Number(v->uint);
    add(record.timestamp(), ids, numbers);
}

Cell Aggregate::key_cell(size_t key, uint32_t id) const {
    if (id == 0) return {};
    const Names& names = names_[key];
    switch (record::info(by_[key]).kind) {
        case Kind::uint:
            return names.numbers[id - 1];
        case Kind::sint:
            return static_cast<int64_t>(names.numbers[id - 1]);
        case Kind::flag:
            return names.numbers[id - 1] != 0;
        default:
            return names.texts[id - 1];
    }
}

Cell Aggregate::cell(const State& state, size_t m) const {
    const Kind kind = kinds_[m];
    const Function f = measures_[m].function;
    if (f == Function::count) return state.n;
    if (state.n == 0) return {};
    if (is_percentile(f)) {
        const double value = percentiles_[state.percentiles].at(quantile_of(f));
        if (kind == Kind::uint) return static_cast<uint64_t>(value);
        return kind == Kind::sint ? Cell(static_cast<int64_t>(value)) : Cell(value);
    }
    if (f == Function::avg) {
        const double sum = kind == Kind::real   ? state.real
                           : kind == Kind::uint ? static_cast<double>(state.uint)
                                                : static_cast<double>(state.sint);
        return sum / static_cast<double>(state.n);
    }
    if (kind == Kind::time) return time_text(state.sint);
    return kind == Kind::real ? Cell(state.real) : kind == Kind::uint ? Cell(state.uint) : Cell(state.sint);
}

// By which groups stand: the first measure.
double Aggregate::rank(const Groups& groups, uint32_t group) const {
    const State& state = groups.states[group * measures_.size()];
    if (kinds_[0] == Kind::time) return state.n ? static_cast<double>(state.sint) : -std::numeric_limits<double>::infinity();
    const Cell c = cell(state, 0);
    if (const auto* u = std::get_if<uint64_t>(&c)) return static_cast<double>(*u);
    if (const auto* s = std::get_if<int64_t>(&c)) return static_cast<double>(*s);
    if (const auto* r = std::get_if<double>(&c)) return *r;
    return -std::numeric_limits<double>::infinity();
}

// Groups by rank, largest first, then by their keys.
std::vector<uint32_t> Aggregate::ranked(const Groups& groups) const {
    std::vector<uint32_t> all(groups.keys.size());
    std::iota(all.begin(), all.end(), 0);
    std::vector<double> ranks(all.size());
    for (const uint32_t g : all) ranks[g] = rank(groups, g);
    const auto before = [&](uint32_t a, uint32_t b) {
        if (ranks[a] != ranks[b]) return ranks[a] > ranks[b];
        for (size_t k = 0; k < by_.size(); ++k)
            if (groups.keys[a].ids[k] != groups.keys[b].ids[k])
                return order(key_cell(k, groups.keys[a].ids[k]), key_cell(k, groups.keys[b].ids[k])) < 0;
        return groups.keys[a].stretch < groups.keys[b].stretch;
    };
    // One more than wanted tells whether there are more.
    const size_t wanted = std::min(all.size(), (top_ ? top_ : limit_) + 1);
    if (every_ && !use_totals_ && &groups == &cells_)
        std::ranges::sort(all, before);
    else {
        std::ranges::partial_sort(all, all.begin() + static_cast<ptrdiff_t>(wanted), before);
        all.resize(wanted);
    }
    return all;
}

Table Aggregate::table() const {
    Table table;
    if (every_) table.columns.emplace_back("time");
    for (const Field f : by_) table.columns.emplace_back(record::info(f).key);
    for (const Measure& m : measures_) table.columns.push_back(m.name());
    table.approximate = !exact_;
    table.left_out = left_out_;

    std::vector<uint32_t> groups = ranked(use_totals_ ? totals_ : cells_);
    const size_t most = top_ ? top_ : limit_;
    if (use_totals_) {
        // The stretches of those on top: by time, within a stretch by the rank over all.
        if (groups.size() > most) groups.resize(most);
        boost::unordered_flat_map<Key, size_t, KeyHash> places;
        for (size_t i = 0; i < groups.size(); ++i) places.emplace(totals_.keys[groups[i]], i);
        std::vector<std::pair<std::pair<int64_t, size_t>, uint32_t>> stretches;
        for (uint32_t g = 0; g < cells_.keys.size(); ++g) {
            Key key = cells_.keys[g];
            const int64_t stretch = std::exchange(key.stretch, 0);
            if (const auto at = places.find(key); at != places.end()) stretches.push_back({{stretch, at->second}, g});
        }
        std::ranges::sort(stretches);
        groups.clear();
        for (const auto& [place, g] : stretches) groups.push_back(g);
    } else if (every_) {
        std::vector<std::pair<std::pair<int64_t, size_t>, uint32_t>> stretches;
        for (size_t i = 0; i < groups.size(); ++i) stretches.push_back({{cells_.keys[groups[i]].stretch, i}, groups[i]});
        std::ranges::sort(stretches);
        for (size_t i = 0; i < groups.size(); ++i) groups[i] = stretches[i].second;
    }
    const size_t rows = top_ && !use_totals_ ? std::min(top_, limit_) : limit_;
    if (groups.size() > rows) {
        table.more = !top_ || rows < top_ || use_totals_;
        groups.resize(rows);
    }
    for (const uint32_t g : groups) {
        auto& row = table.rows.emplace_back();
        if (every_) row.emplace_back(time_text(cells_.keys[g].stretch));
        for (size_t k = 0; k < by_.size(); ++k) row.push_back(key_cell(k, cells_.keys[g].ids[k]));
        for (size_t m = 0; m < measures_.size(); ++m) row.push_back(cell(cells_.states[g * measures_.size() + m], m));
    }
    if (groups.empty() && by_.empty() && !every_ && records_ == 0) {
        // A count of nothing is 0, and said.
        auto& row = table.rows.emplace_back();
        for (size_t m = 0; m < measures_.size(); ++m) row.push_back(cell(State(), m));
    }
    return table;
}

}  // namespace cvf::history
