// What is true of a record: the connectives, comparisons and tests of text.
#include <algorithm>
#include <cstring>

#include "filter/evaluation.h"
#include "filter/literal.h"
#include "filter/values.h"

namespace cvf::filter {

using record::Kind;
using record::Value;

namespace {

bool holds(Relation relation, int order) noexcept {
    switch (relation) {
        case Relation::equal:
            return order == 0;
        case Relation::unequal:
            return order != 0;
        case Relation::less:
            return order == -1;
        case Relation::less_equal:
            return order == -1 || order == 0;
        case Relation::greater:
            return order == 1;
        case Relation::greater_equal:
            return order == 1 || order == 0;
    }
    return false;
}

}  // namespace

Outcome Evaluation::test(const Node& n) noexcept {
    switch (n.op) {
        case Op::all_of:
            return all_of(n);
        case Op::any_of:
            return any_of(n);
        case Op::not_:
            return opposite(n);
        case Op::choice:
            return choice(n);
        case Op::type_in:
            return outcome(static_cast<uint64_t>(n.number) >> static_cast<unsigned>(record_.type()) & 1);
        case Op::has_field:
            return outcome(record_.lookup(n.field) != nullptr);
        case Op::has_entry:
            return has_entry(n);
        case Op::field_integer:
            return field_integer(n);
        case Op::field_text:
            return field_text(n);
        case Op::compare:
            return compare_two(n);
        case Op::in_set:
        case Op::in_items:
        case Op::in_list:
            return member_of(n);
        case Op::starts_with:
        case Op::ends_with:
        case Op::contains:
        case Op::matches:
        case Op::is_ip:
        case Op::is_cidr:
            return text_test(n);
        case Op::is_loopback:
        case Op::is_unspecified:
        case Op::is_link_local_unicast:
        case Op::is_link_local_multicast:
        case Op::is_global_unicast:
            return ip_test(n);
        case Op::contains_ip:
        case Op::contains_cidr:
            return network_test(n);
        case Op::exists:
        case Op::all:
        case Op::exists_one:
            return comprehension(n);
        default:
            return flag(n);
    }
}

Outcome Evaluation::opposite(const Node& n) noexcept {
    const Outcome o = test(child(n, 0));
    return o == Outcome::error ? o : outcome(o == Outcome::no);
}

Outcome Evaluation::choice(const Node& n) noexcept {
    const Outcome o = test(child(n, 0));
    return o == Outcome::error ? o : test(child(n, o == Outcome::yes ? 1 : 2));
}

Outcome Evaluation::flag(const Node& n) noexcept {
    Value scratch;
    const Value* v = value(n, scratch);
    return !v || v->kind != Kind::flag ? Outcome::error : outcome(v->flag);
}

Outcome Evaluation::field_text(const Node& n) noexcept {
    const Value* v = record_.lookup(n.field);
    if (!v) return Outcome::error;
    const Value& wanted = program_.constants[n.constant];
    return outcome((v->as_text() == wanted.as_text()) == (n.relation == Relation::equal));
}

Outcome Evaluation::all_of(const Node& n) noexcept {
    Outcome result = Outcome::yes;
    for (size_t i = 0; i < n.count; ++i) {
        const Outcome o = test(child(n, i));
        if (o == Outcome::no) return o;
        if (o == Outcome::error) result = o;
    }
    return result;
}

Outcome Evaluation::any_of(const Node& n) noexcept {
    Outcome result = Outcome::no;
    for (size_t i = 0; i < n.count; ++i) {
        const Outcome o = test(child(n, i));
        if (o == Outcome::yes) return o;
        if (o == Outcome::error) result = o;
    }
    return result;
}

Outcome Evaluation::field_integer(const Node& n) noexcept {
    const Value* v = record_.lookup(n.field);
    if (!v) return Outcome::error;
    // A uint field beyond int64 is above every int64.
    if (v->kind == Kind::uint && v->sint < 0) return outcome(holds(n.relation, 1));
    switch (n.relation) {
        case Relation::equal:
            return outcome(v->sint == n.number);
        case Relation::unequal:
            return outcome(v->sint != n.number);
        case Relation::less:
            return outcome(v->sint < n.number);
        case Relation::less_equal:
            return outcome(v->sint <= n.number);
        case Relation::greater:
            return outcome(v->sint > n.number);
        case Relation::greater_equal:
            return outcome(v->sint >= n.number);
    }
    return Outcome::error;
}

Outcome Evaluation::compare_two(const Node& n) noexcept {
    Value one, other;
    const Value* a = value(child(n, 0), one);
    if (!a) return Outcome::error;
    const Value* b = value(child(n, 1), other);
    if (!b) return Outcome::error;
    return outcome(holds(n.relation, compare(n.order, *a, *b)));
}

Outcome Evaluation::text_test(const Node& n) noexcept {
    Value one, other;
    TextBuffer one_text, other_text;
    std::string_view text, part;
    const Value* a = value(child(n, 0), one);
    if (!a || !as_text(*a, one_text, text)) return Outcome::error;
    if (n.op == Op::matches) {
        if (!charge(text.size() / matched_per_step)) return Outcome::error;
        return outcome(RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *program_.patterns[n.constant]));
    }
    if (n.op == Op::is_ip || n.op == Op::is_cidr) {
        const auto parsed = n.op == Op::is_ip ? parse_ip(text) : parse_cidr(text);
        return outcome(parsed && !is_mapped(*parsed));
    }
    const Value* b = value(child(n, 1), other);
    if (!b || !as_text(*b, other_text, part)) return Outcome::error;
    if (n.op == Op::starts_with) return outcome(text.starts_with(part));
    if (n.op == Op::ends_with) return outcome(text.ends_with(part));
    if (!charge(text.size() / searched_per_step)) return Outcome::error;
    // memmem is several times faster than string_view::find on long text.
    return outcome(part.empty() || (part.size() <= text.size() && memmem(text.data(), text.size(), part.data(), part.size())));
}

bool run(const Program& program, const record::Record& record) noexcept {
    if (program.always_true) return true;
    return Evaluation(program, record).test(program.nodes.back()) == Outcome::yes;
}

}  // namespace cvf::filter
