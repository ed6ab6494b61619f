// Runs a program over a record. No allocation, no exceptions; recursion is bounded by max_depth of the syntax.
#include <algorithm>
#include <array>
#include <cstring>

#include "filter/arithmetic.h"
#include "filter/literal.h"
#include "filter/program.h"
#include "filter/values.h"

namespace cvf::filter {

namespace {

using record::Kind;
using record::Value;

// True, false, or CEL's error: a field is missing, a number overflows, a key is not there.
enum class Outcome : uint8_t { no, yes, error };

// What costs about as much as an operation: bytes that contains() searches, bytes that a pattern or a count of characters walks
// over, items of a list or map.
constexpr size_t searched_per_step = 32, matched_per_step = 8, compared_per_step = 4;

Outcome outcome(bool yes) {
    return yes ? Outcome::yes : Outcome::no;
}

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

// A map stands as key, value, key, value …
std::span<const Value> items_of(const Value& list) noexcept {
    return {list.items, list.kind == Kind::map ? size_t{list.size} * 2 : list.size};
}

class Evaluation {
 public:
    Evaluation(const Program& program, const record::Record& record) : program_(program), record_(record) {}

    Outcome test(const Node& n) noexcept;

 private:
    const Node& child(const Node& n, size_t i) const { return program_.nodes[program_.children[n.first + i]]; }

    // The value of a node: where it stands, or in `scratch`. Null is CEL's error. The commonest two are worth no call.
    const Value* value(const Node& n, Value& scratch) noexcept {
        if (n.op == Op::field) return record_.lookup(n.field);
        if (n.op == Op::constant) return &program_.constants[n.constant];
        return compute(n, scratch);
    }
    const Value* compute(const Node& n, Value& scratch) noexcept;
    const Value* arithmetic(const Node& n, Value& scratch) noexcept;
    const Value* convert_one(const Node& n, Value& scratch) noexcept;
    const Value* find_entry(const Node& n, Value& scratch) noexcept;
    const Value* to_ip(const Node& n, Value& scratch) noexcept;
    const Value* to_cidr(const Node& n, Value& scratch) noexcept;

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

    static const Value* put(Value& scratch, int64_t v) noexcept {
        scratch.kind = Kind::sint;
        scratch.sint = v;
        return &scratch;
    }

    const Program& program_;
    const record::Record& record_;
    std::array<const Value*, max_nesting> variables_;  // set by the comprehension around every use
    int64_t steps_left_ = max_steps;
    int depth_ = 0;  // comprehensions around what is being tested
};

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

Outcome Evaluation::has_entry(const Node& n) noexcept {
    Value map_scratch, entry_scratch;
    if (!value(child(n, 0), map_scratch)) return Outcome::error;
    return outcome(find_entry(n, entry_scratch) != nullptr);
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

Outcome Evaluation::member_of(const Node& n) noexcept {
    Value scratch, item;
    const Value* wanted = value(child(n, 0), scratch);
    if (!wanted) return Outcome::error;
    if (n.op == Op::in_set) {
        const std::vector<Value>& set = program_.sets[n.constant];
        const auto at = std::ranges::partition_point(set, [&](const Value& v) { return compare(n.order, v, *wanted) == -1; });
        return outcome(at != set.end() && compare(n.order, *at, *wanted) == 0);
    }
    bool found = false;
    if (n.op == Op::in_list) {
        const Value* list = value(child(n, 1), item);
        if (!list || !charge(list->size / compared_per_step)) return Outcome::error;
        for (const Value& v : list->as_items()) {
            if (compare(n.order, v, *wanted) != 0) continue;
            found = true;
            break;
        }
        return outcome(found);
    }
    // A list with a missing item is an error as a whole, also where another item is the one.
    for (size_t i = 1; i < n.count; ++i) {
        const Value* v = value(child(n, i), item);
        if (!v) return Outcome::error;
        found = found || compare(n.order, *v, *wanted) == 0;
    }
    return outcome(found);
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

const Value* Evaluation::to_ip(const Node& n, Value& scratch) noexcept {
    const Value* v = value(n, scratch);
    if (!v) return nullptr;
    if (v->kind == Kind::text) {
        const std::optional<Value> parsed = parse_ip(v->as_text());
        if (!parsed) return nullptr;
        scratch = *parsed;
        v = &scratch;
    }
    return v->kind == Kind::ip && !is_mapped(*v) ? v : nullptr;
}

const Value* Evaluation::to_cidr(const Node& n, Value& scratch) noexcept {
    const Value* v = value(n, scratch);
    if (!v) return nullptr;
    if (v->kind == Kind::text) {
        const std::optional<Value> parsed = parse_cidr(v->as_text());
        if (!parsed) return nullptr;
        scratch = *parsed;
        v = &scratch;
    } else if (n.type != Type::cidr) {
        return nullptr;  // an address has no prefix
    }
    return v->kind == Kind::ip && !is_mapped(*v) ? v : nullptr;
}

// As Go's netip has it, which is what Kubernetes asks.
Outcome Evaluation::ip_test(const Node& n) noexcept {
    Value scratch;
    const Value* ip = to_ip(child(n, 0), scratch);
    if (!ip) return Outcome::error;
    const uint8_t* b = ip->inline_bytes;
    const bool v4 = ip->short_size == 4;
    const bool zeros = std::all_of(b, b + ip->short_size - 1, [](uint8_t x) { return x == 0; });
    const bool unspecified = zeros && b[ip->short_size - 1] == 0;
    const bool loopback = v4 ? b[0] == 127 : zeros && b[15] == 1;
    const bool link_local = v4 ? b[0] == 169 && b[1] == 254 : b[0] == 0xfe && (b[1] & 0xc0) == 0x80;
    switch (n.op) {
        case Op::is_loopback:
            return outcome(loopback);
        case Op::is_unspecified:
            return outcome(unspecified);
        case Op::is_link_local_unicast:
            return outcome(link_local);
        case Op::is_link_local_multicast:
            return outcome(v4 ? b[0] == 224 && b[1] == 0 && b[2] == 0 : b[0] == 0xff && (b[1] & 0x0f) == 0x02);
        default: {
            const bool multicast = v4 ? (b[0] & 0xf0) == 0xe0 : b[0] == 0xff;
            const bool broadcast = v4 && (b[0] & b[1] & b[2] & b[3]) == 255;
            return outcome(!unspecified && !loopback && !link_local && !multicast && !broadcast);
        }
    }
}

Outcome Evaluation::network_test(const Node& n) noexcept {
    Value one, other;
    const Value* network = to_cidr(child(n, 0), one);
    if (!network) return Outcome::error;
    if (n.op == Op::contains_ip) {
        const Value* ip = to_ip(child(n, 1), other);
        return ip ? outcome(same_network(*network, *ip, network->size)) : Outcome::error;
    }
    const Value* inner = to_cidr(child(n, 1), other);
    return inner ? outcome(network->size <= inner->size && same_network(*network, *inner, network->size)) : Outcome::error;
}

Outcome Evaluation::comprehension(const Node& n) noexcept {
    Value scratch{};  // filled by value(), which returns null where it is not
    std::span<const Value> items;
    size_t count = n.count - 1, stride = 1;
    if (n.over_items) {
        // All items of a literal list must be there before the first is looked at.
        for (size_t i = 1; i < n.count; ++i)
            if (!value(child(n, i), scratch)) return Outcome::error;
    } else {
        const Value* list = value(child(n, 1), scratch);
        if (!list) return Outcome::error;
        items = items_of(*list);
        stride = list->kind == Kind::map ? 2 : 1;  // over the keys
        count = list->size;
    }
    const Node& body = child(n, 0);
    size_t hits = 0;
    bool failed = false;
    for (size_t i = 0; i < count; ++i) {
        if ((steps_left_ -= n.number) < 0) return Outcome::error;
        Value item;
        variables_[n.slot] = n.over_items ? value(child(n, i + 1), item) : &items[i * stride];
        ++depth_;
        const Outcome o = test(body);
        --depth_;
        if (o == Outcome::error) {
            // exists() and all() may still be decided by another item; exists_one() may not.
            if (n.op == Op::exists_one) return o;
            failed = true;
        } else if (o == Outcome::yes) {
            if (n.op == Op::exists) return o;
            ++hits;
        } else if (n.op == Op::all) {
            return o;
        }
    }
    if (failed) return Outcome::error;
    return outcome(n.op == Op::exists_one ? hits == 1 : n.op == Op::all);
}

const Value* Evaluation::compute(const Node& n, Value& scratch) noexcept {
    switch (n.op) {
        case Op::variable:
            return variables_[n.slot];
        case Op::entry:
            return find_entry(n, scratch);
        case Op::item: {
            Value index;
            const Value* list = value(child(n, 0), scratch);
            const Value* at = list ? value(child(n, 1), index) : nullptr;
            if (!at || (at->kind != Kind::sint && at->kind != Kind::uint) || at->uint >= list->as_items().size()) return nullptr;
            return &list->as_items()[at->uint];
        }
        case Op::choice: {
            const Outcome o = test(child(n, 0));
            return o == Outcome::error ? nullptr : value(child(n, o == Outcome::yes ? 1 : 2), scratch);
        }
        case Op::size_text: {
            TextBuffer buffer;
            std::string_view text;
            const Value* v = value(child(n, 0), scratch);
            return v && as_text(*v, buffer, text) && charge(text.size() / matched_per_step) ? put(scratch, count_characters(text))
                                                                                            : nullptr;
        }
        case Op::size_list:
        case Op::size_map: {
            const Value* v = value(child(n, 0), scratch);
            return v ? put(scratch, v->size) : nullptr;
        }
        case Op::negate:
        case Op::add:
        case Op::subtract:
        case Op::multiply:
        case Op::divide:
        case Op::remainder:
            return arithmetic(n, scratch);
        case Op::to_integer:
        case Op::to_unsigned:
        case Op::to_real:
            return convert_one(n, scratch);
        case Op::to_ip:
            return to_ip(child(n, 0), scratch);
        case Op::to_cidr:
            return to_cidr(child(n, 0), scratch);
        case Op::family: {
            const Value* ip = to_ip(child(n, 0), scratch);
            return ip ? put(scratch, ip->short_size == 4 ? 4 : 6) : nullptr;
        }
        case Op::prefix_length: {
            const Value* network = to_cidr(child(n, 0), scratch);
            return network ? put(scratch, network->size) : nullptr;
        }
        default: {
            const Outcome o = test(n);
            if (o == Outcome::error) return nullptr;
            scratch.kind = Kind::flag;
            scratch.flag = o == Outcome::yes;
            return &scratch;
        }
    }
}

const Value* Evaluation::find_entry(const Node& n, Value& scratch) noexcept {
    const Value* map = value(child(n, 0), scratch);
    if (!map || map->kind != Kind::map) return nullptr;
    Value key_scratch;
    TextBuffer buffer;
    std::string_view wanted;
    const Value* key = value(child(n, 1), key_scratch);
    if (!key || !as_text(*key, buffer, wanted)) return nullptr;
    if (!charge(map->size / compared_per_step)) return nullptr;
    const std::span<const Value> texts = items_of(*map);
    for (size_t i = 0; i + 1 < texts.size(); i += 2)
        if (texts[i].as_text() == wanted) return &texts[i + 1];
    return nullptr;
}

const Value* Evaluation::arithmetic(const Node& n, Value& scratch) noexcept {
    Value one, other{};
    const Value* a = value(child(n, 0), one);
    if (!a) return nullptr;
    if (n.op == Op::negate) return negate(*a, n.type, scratch) ? &scratch : nullptr;
    const Value* b = value(child(n, 1), other);
    return b && calculate(n.op, n.type, *a, *b, scratch) ? &scratch : nullptr;
}

const Value* Evaluation::convert_one(const Node& n, Value& scratch) noexcept {
    Value one;
    const Value* v = value(child(n, 0), one);
    return v && convert(n.type, *v, scratch) ? &scratch : nullptr;
}

}  // namespace

bool run(const Program& program, const record::Record& record) noexcept {
    if (program.always_true) return true;
    return Evaluation(program, record).test(program.nodes.back()) == Outcome::yes;
}

}  // namespace cvf::filter
