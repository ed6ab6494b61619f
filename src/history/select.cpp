#include "history/select.h"

#include <algorithm>
#include <numeric>

#include "filter/syntax.h"
#include "history/indexed.h"

namespace cvf::history {

using filter::Node;
using filter::Op;
using filter::Relation;
using record::Field;
using record::Kind;
using record::RecordType;

namespace {

bool is_id(Field f) {
    return f == Field::flow_id || f == Field::record_id || f == Field::network_community_id || f == Field::trace_id;
}

// Whether any number from low to high stands so to `wanted`. As the filter has it, numbers beyond int64 are above all others.
bool any_holds(Relation relation, uint64_t low, uint64_t high, int64_t wanted) {
    const auto less = [](uint64_t a, int64_t b) { return b > 0 && a < static_cast<uint64_t>(b); };
    const auto more = [](uint64_t a, int64_t b) { return b < 0 || a > static_cast<uint64_t>(b); };
    switch (relation) {
        case Relation::equal:
            return !more(low, wanted) && !less(high, wanted);
        case Relation::unequal:
            return low != high || less(low, wanted) || more(low, wanted);
        case Relation::less:
            return less(low, wanted);
        case Relation::less_equal:
            return !more(low, wanted);
        case Relation::greater:
            return more(high, wanted);
        case Relation::greater_equal:
            return !less(high, wanted);
    }
    return true;
}

RecordType type_at(const Column& types, uint32_t row) {
    const auto type = types.has(row) ? record::type_by_name(types.entries[types.ids[row] - 1]) : std::nullopt;
    return type.value_or(RecordType::count);
}

}  // namespace

Selection::Selection(const Query& query) : since_(query.since), until_(query.until), types_(query.types) {
    if (query.after && query.newest_first && query.after->time < INT64_MAX) until_ = std::min(until_, query.after->time + 1);
    if (query.after && !query.newest_first) since_ = std::max(since_, query.after->time);
    const std::string& source = query.filter->source();
    if (query.filter->always_true()) return;
    const auto syntax = filter::parse(source);
    std::vector<const filter::Syntax*> found;
    if (syntax) {
        if (syntax->kind == filter::SyntaxKind::all_of)
            for (const auto& child : syntax->children) found.push_back(&child);
        else
            found.push_back(&*syntax);
    }
    for (const filter::Syntax* one : found) {
        auto program = filter::check(*one, source);
        if (!program) continue;  // cannot be: the whole was checked
        Part part{std::move(*program), {}, true, false, false};
        if (part.program->always_true) continue;
        for (size_t i = 0; i < record::field_count; ++i) {
            if (!part.program->used[i]) continue;
            const auto field = static_cast<Field>(i);
            if (field == Field::timestamp) {
                part.uses_time = true;
            } else if (field == Field::record_type) {
                part.uses_type = true;
            } else {
                part.fields.push_back(field);
                part.indexed = part.indexed && column_of(field).has_value();
            }
        }
        parts_.push_back(std::move(part));
    }
    // The cheapest first: one dictionary, then one field, then the rest.
    std::ranges::sort(parts_, {}, [](const Part& p) {
        if (p.fields.size() == 1 && !p.uses_time && !p.uses_type) return record::info(p.fields[0]).kind == Kind::uint ? 1 : 0;
        return 2;
    });
}

bool Selection::may_match(const BlockInfo& block) const {
    return block.last >= since_ && block.first < until_ && (block.types & types_).any();
}

bool Selection::ruled_out(const Part& part, const BlockHead& head) const {
    const Node& n = part.program->nodes.back();
    if (n.op == Op::field_integer && record::info(n.field).kind == Kind::uint) {
        const auto column = column_of(n.field);
        if (!column) return false;
        const ColumnHead& c = head.columns[*column];
        if (c.form == ColumnForm::empty) return true;
        return c.form == ColumnForm::numbers && !any_holds(n.relation, c.smallest, c.largest, n.number);
    }
    if (n.op == Op::field_text && n.relation == Relation::equal) {
        if (is_id(n.field)) return !head.may_have_id(part.program->constants[n.constant].as_text());
        const auto column = column_of(n.field);
        return column && head.columns[*column].form == ColumnForm::empty;
    }
    return false;
}

// The probe becomes a record of the fields that the part looks at.
bool Selection::fill(BlockReader& block, const Part& part, uint32_t row, const Column* types) {
    probe_.begin(types ? type_at(*types, row) : RecordType::flow, part.uses_time ? block.time_at(row) : 0);
    for (const Field f : part.fields) {
        const Column* c = block.column(*column_of(f));
        if (!c->has(row)) continue;
        if (c->form == ColumnForm::numbers) {
            probe_.uint(f, c->number(row));
            continue;
        }
        const std::string_view entry = c->entries[c->ids[row] - 1];
        if (record::info(f).kind == Kind::ip)
            probe_.ip(f, {reinterpret_cast<const uint8_t*>(entry.data()), entry.size()});
        else
            probe_.text(f, entry);
    }
    return true;
}

bool Selection::narrow(BlockReader& block, const Part& part, std::vector<uint32_t>& rows) {
    for (const Field f : part.fields)
        if (!block.column(*column_of(f))) return false;
    const Column* types = nullptr;
    if (part.uses_time && !block.time()) return false;
    if (part.uses_type) {
        types = block.column(0);
        if (!types) return false;
    }
    const Column* only = part.fields.size() == 1 && !types && !part.uses_time ? block.column(*column_of(part.fields[0]))
                         : part.fields.empty() && types && !part.uses_time    ? types
                                                                              : nullptr;
    const auto test = [&](uint32_t row) {
        fill(block, part, row, types);
        return filter::run(*part.program, probe_);
    };
    if (only && only->form != ColumnForm::numbers) {
        // As many answers as the dictionary has values, and one for records that have none.
        enum : uint8_t { unknown, no, yes };
        verdicts_.assign(only->entries.size() + 1, unknown);
        std::erase_if(rows, [&](uint32_t row) {
            uint8_t& verdict = verdicts_[only->form == ColumnForm::empty ? 0 : only->ids[row]];
            if (verdict == unknown) verdict = test(row) ? yes : no;
            return verdict == no;
        });
        return true;
    }
    std::erase_if(rows, [&](uint32_t row) { return !test(row); });
    return true;
}

bool Selection::narrow_by_type(BlockReader& block, std::vector<uint32_t>& rows) {
    const Column* types = block.column(0);
    if (!types || types->form != ColumnForm::dictionary) return false;
    std::vector<uint8_t> wanted(types->entries.size() + 1);
    for (size_t i = 0; i < types->entries.size(); ++i) {
        const auto type = record::type_by_name(types->entries[i]);
        wanted[i + 1] = type && types_[static_cast<size_t>(*type)];
    }
    std::erase_if(rows, [&](uint32_t row) { return !wanted[types->ids[row]]; });
    return true;
}

bool Selection::select(BlockReader& block, std::vector<uint32_t>& rows) {
    const BlockHead& head = block.head();
    rows.clear();
    rest_.clear();
    for (const Part& part : parts_)
        if (ruled_out(part, head)) return true;
    rows.resize(head.records);
    std::iota(rows.begin(), rows.end(), 0);
    if (head.first < since_ || head.last >= until_) {
        if (!block.time()) return false;
        std::erase_if(rows, [&](uint32_t row) { return block.time_at(row) < since_ || block.time_at(row) >= until_; });
    }
    if (((head.types & ~types_).any() || head.strange_types) && !narrow_by_type(block, rows)) return false;
    for (const Part& part : parts_) {
        const bool kept = part.indexed && std::ranges::all_of(part.fields, [&](Field f) {
                              return head.columns[*column_of(f)].form != ColumnForm::unkept;
                          });
        if (!kept)
            rest_.push_back(&part);
        else if (!rows.empty() && !narrow(block, part, rows))
            return false;
    }
    return true;
}

bool Selection::matches_rest(const record::Record& record) const {
    return std::ranges::all_of(rest_, [&](const Part* part) { return filter::run(*part->program, record); });
}

}  // namespace cvf::history
