// The operators: && || ?: == != < <= > >= in + - * / %.
#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "filter/checker.h"
#include "filter/literal.h"
#include "filter/values.h"
#include "record/nearest.h"

namespace cvf::filter {

using record::Field;
using record::Kind;
using record::Value;

namespace {

std::optional<Relation> relation_of(std::string_view sign) {
    if (sign == "==") return Relation::equal;
    if (sign == "!=") return Relation::unequal;
    if (sign == "<") return Relation::less;
    if (sign == "<=") return Relation::less_equal;
    if (sign == ">") return Relation::greater;
    if (sign == ">=") return Relation::greater_equal;
    return std::nullopt;
}

// a < b is b > a.
Relation mirrored(Relation r) {
    switch (r) {
        case Relation::less:
            return Relation::greater;
        case Relation::less_equal:
            return Relation::greater_equal;
        case Relation::greater:
            return Relation::less;
        case Relation::greater_equal:
            return Relation::less_equal;
        default:
            return r;
    }
}

std::optional<std::vector<uint8_t>> parse_hex(std::string_view text) {
    if (text.size() % 2 != 0) return std::nullopt;
    std::vector<uint8_t> bytes;
    for (size_t i = 0; i < text.size(); i += 2) {
        unsigned byte = 0;
        for (char c : text.substr(i, 2)) {
            const char lower = c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c;
            if (!((lower >= '0' && lower <= '9') || (lower >= 'a' && lower <= 'f'))) return std::nullopt;
            byte = byte << 4 | static_cast<unsigned>(lower <= '9' ? lower - '0' : lower - 'a' + 10);
        }
        bytes.push_back(static_cast<uint8_t>(byte));
    }
    return bytes;
}

}  // namespace

Checker::Result Checker::chain(const Syntax& s) {
    const bool all = s.kind == SyntaxKind::all_of;
    std::vector<Checked> operands;
    TypeBits yes, no;
    (all ? yes : no).set();
    for (const Syntax& child : s.children) {
        Result c = check(child);
        if (!c) return c;
        if (c->type != Type::boolean) return wrong_type(*c, "true or false");
        // An error on one side does not count where the other side decides.
        if (all)
            yes &= c->yes, no |= c->no;
        else
            yes |= c->yes, no &= c->no;
        operands.push_back(*c);
    }
    Checked result = add(s, {.op = all ? Op::all_of : Op::any_of}, operands);
    result.yes = yes;
    result.no = no;
    return result;
}

Checker::Result Checker::choice(const Syntax& s) {
    const Result condition = check(s.children[0]);
    if (!condition) return condition;
    if (condition->type != Type::boolean) return wrong_type(*condition, "true or false");
    const Result a = check(s.children[1]);
    if (!a) return a;
    const Result b = check(s.children[2]);
    if (!b) return b;
    Type type = a->type;
    if (a->type != b->type) {
        // All that reads as a string is a string.
        if (!is_text(a->type) || !is_text(b->type))
            return fail(b->syntax->begin, fmt::format("both values of '? :' must be of one type, and {} is {} while {} is {}",
                                                      shown(*a->syntax), name_of(a->type), shown(*b->syntax), name_of(b->type)));
        type = Type::text;
    }
    Checked result = add(s, {.op = Op::choice, .type = type}, {*condition, *a, *b});
    result.yes = (condition->yes & a->yes) | (condition->no & b->yes);
    result.no = (condition->yes & a->no) | (condition->no & b->no);
    return result;
}

// How to compare these values with each other. String literals beside a field that only reads as a string become its kind, so
// that every notation of an address equals it.
std::expected<Order, Error> Checker::order_of(const Syntax& s, std::vector<Checked>& values, bool ordered) {
    const auto all = [&](auto is) { return std::ranges::all_of(values, [&](const Checked& c) { return is(c.type); }); };
    if (all(is_number)) return Order::numbers;
    if (all([](Type t) { return t == Type::boolean; })) return Order::flags;
    if (all([](Type t) { return t == Type::time; })) return Order::numbers;
    if (all([](Type t) { return t == Type::duration || t == Type::integer; })) return Order::numbers;
    if (!ordered && all([](Type t) { return t == Type::ip; })) return Order::bytes;
    if (!ordered && all([](Type t) { return t == Type::cidr; })) return Order::networks;
    if (all(is_text)) {
        if (ordered) return Order::texts;
        Type special = Type::text;
        for (const Checked& c : values) {
            if (c.type == Type::text && c.constant) continue;
            if (special == Type::text) special = c.type;
            if (c.type == Type::text || c.type != special) return Order::texts;
        }
        if (special == Type::text) return Order::texts;
        for (Checked& c : values) {
            if (c.type != Type::text) continue;
            const std::string_view text = constant_of(c).as_text();
            std::optional<Value> v;
            if (special == Type::address) {
                v = parse_ip(text);
                if (!v)
                    return fail(c.syntax->begin,
                                fmt::format("{} is not an IP address; for a network write cidr(\"…\").containsIP(x), for a part "
                                            "of the text x.startsWith(\"…\")",
                                            shown(*c.syntax)));
            } else if (special == Type::mac) {
                v = parse_mac(text);
                if (!v)
                    return fail(c.syntax->begin,
                                fmt::format("{} is not a hardware address; write it as \"00-1B-21-3C-4D-5E\"", shown(*c.syntax)));
            } else {
                const std::optional<std::vector<uint8_t>> bytes = parse_hex(text);
                if (!bytes)
                    return fail(c.syntax->begin,
                                fmt::format("{} is not a string of hex digits, two for each byte", shown(*c.syntax)));
                const std::string& kept = program_->texts.emplace_back(bytes->begin(), bytes->end());
                v = Value{};
                v->kind = Kind::hex;
                v->bytes = reinterpret_cast<const uint8_t*>(kept.data());
                v->size = static_cast<uint32_t>(kept.size());
            }
            c = add_constant(*c.syntax, special, *v);
        }
        return Order::bytes;
    }

    // What does not fit, in words.
    const Checked& a = values[0];
    const auto other = std::ranges::find_if(values, [&](const Checked& c) {
        return c.type != a.type && !(is_number(c.type) && is_number(a.type)) && !(is_text(c.type) && is_text(a.type));
    });
    const Checked& b = other == values.end() ? values[values.size() - 1] : *other;
    const Checked& literal = b.constant ? b : a;
    const Checked& value = b.constant ? a : b;
    std::string hint;
    if (is_list(value.type) && !is_list(literal.type)) {
        hint = fmt::format("; write {} in {}", shown(*literal.syntax), shown(*value.syntax));
    } else if (value.type == Type::map) {
        hint = fmt::format("; write {}[\"key\"] for one of its texts", shown(*value.syntax));
    } else if (is_number(value.type) && literal.type == Type::text && literal.constant) {
        const std::string& text = literal.syntax->text;
        if (literal.syntax->kind == SyntaxKind::literal_text && !text.empty() && text.size() < 20 &&
            std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; }))
            hint = fmt::format("; write {} without the quotes", text);
        else if (literal.syntax->kind == SyntaxKind::literal_text && text.size() < 20 && parse_duration(text))
            hint = fmt::format("; write duration({})", shown(*literal.syntax));
    } else if (is_text(value.type) && is_number(literal.type) && literal.constant) {
        hint = fmt::format("; write \"{}\" in quotes",
                           literal.type == Type::integer ? fmt::format("{}", literal.syntax->integer) : "…");
    } else if (value.type == Type::time && literal.type == Type::text) {
        hint = "; write timestamp(\"2026-01-02T03:04:05Z\")";
    } else if ((value.type == Type::duration) && literal.type == Type::text) {
        hint = "; write duration(\"100ms\")";
    } else if (value.type == Type::boolean && is_text(literal.type)) {
        hint = "; write true or false without quotes";
    } else if ((value.type == Type::ip && literal.type == Type::address) ||
               (value.type == Type::address && literal.type == Type::ip)) {
        hint = "; write the address as a string, or put ip() around both";
    }
    if (ordered && a.type == b.type && hint.empty())
        return fail(s.at, fmt::format("{} has no order: it can only be equal or unequal", name_of(a.type)));
    if (a.type == b.type && hint.empty())
        return fail(s.at, fmt::format("{} cannot be compared as a whole; use in, size(), exists() or all()", name_of(a.type)));
    return fail(s.at, fmt::format("{} is {} and {} is {}: they cannot be compared{}", shown(*a.syntax), name_of(a.type),
                                  shown(*b.syntax), name_of(b.type), hint));
}

// record.type has known values; a wrong one would silently match nothing.
std::expected<void, Error> Checker::check_type_name(const Checked& value) {
    if (value.type != Type::text || !value.constant) return {};
    const std::string_view name = constant_of(value).as_text();
    if (record::type_by_name(name)) return {};
    std::array<std::string_view, record::type_count> names;
    for (size_t i = 0; i < names.size(); ++i) names[i] = record::info(static_cast<record::RecordType>(i)).name;
    const std::string_view near = record::nearest(name, names);
    return fail(value.syntax->begin, fmt::format("there is no record type {}; {}", shown(*value.syntax),
                                                 near.empty() ? fmt::format("the types are {}", fmt::join(names, ", "))
                                                              : fmt::format("did you mean \"{}\"?", near)));
}

Checker::Result Checker::relation(const Syntax& s) {
    Result a = check(s.children[0]);
    if (!a) return a;
    Result b = check(s.children[1]);
    if (!b) return b;
    Relation how = *relation_of(s.text);
    const bool ordered = how != Relation::equal && how != Relation::unequal;
    const bool swap = a->constant && !b->constant;
    if (swap) how = mirrored(how);
    std::vector<Checked> values = {*a, *b};
    const std::expected<Order, Error> order = order_of(s, values, ordered);
    if (!order) return std::unexpected(order.error());
    if (swap) std::swap(values[0], values[1]);
    const Checked& left = values[0];
    const Checked& right = values[1];

    if (node(left).op == Op::field && right.constant) {
        const Field f = node(left).field;
        if (f == Field::record_type && !ordered) {
            const std::expected<void, Error> known = check_type_name(right);
            if (!known) return std::unexpected(known.error());
            TypeBits bits;
            bits.set(static_cast<size_t>(*record::type_by_name(constant_of(right).as_text())));
            if (how == Relation::unequal) bits.flip();
            Checked result = add(s, {.op = Op::type_in, .number = static_cast<int64_t>(bits.to_ullong())}, {});
            result.yes = bits;
            result.no = ~bits;
            return result;
        }
        const Kind kind = record::info(f).kind;
        const Value& constant = constant_of(right);
        const bool whole =
            constant.kind == Kind::sint || (constant.kind == Kind::uint && constant.sint >= 0) || constant.kind == Kind::time;
        if (whole && (kind == Kind::uint || kind == Kind::sint || kind == Kind::time)) {
            Checked result = add(s, {.op = Op::field_integer, .relation = how, .field = f, .number = constant.sint}, {});
            result.yes = result.no = left.yes;
            return result;
        }
        if (kind == Kind::text && !ordered) {
            Checked result = add(s, {.op = Op::field_text, .relation = how, .field = f, .constant = node(right).constant}, {});
            result.yes = result.no = left.yes;
            return result;
        }
    }
    return add(s, {.op = Op::compare, .order = *order, .relation = how}, values);
}

std::expected<std::vector<Checker::Checked>, Error> Checker::items_of(const Syntax& list) {
    std::vector<Checked> items;
    for (const Syntax& child : list.children) {
        const Result c = check(child);
        if (!c) return std::unexpected(c.error());
        items.push_back(*c);
    }
    return items;
}

Checker::Result Checker::membership(const Syntax& s) {
    const Syntax& list = s.children[1];
    // "b" in a is has(a.b), for names that has() cannot take.
    if (const std::optional<std::string> group = dotted(list);
        group && is_group(*group) && s.children[0].kind == SyntaxKind::literal_text) {
        const std::string key = *group + "." + s.children[0].text;
        const std::optional<Field> found = record::field_by_key(key);
        return found ? has_field(s, *found) : unknown_name(s.children[0], key);
    }
    Result wanted = check(s.children[0]);
    if (!wanted) return wanted;
    if (list.kind != SyntaxKind::list) {
        Result range = check(list);
        if (!range) return range;
        if (range->type == Type::map) {
            if (!is_text(wanted->type)) return wrong_type(*wanted, "a string, the map's key,");
            // A key stands in a map exactly where has() would find it.
            return add(s, {.op = Op::has_entry}, {*range, *wanted});
        }
        if (!is_list(range->type)) {
            const std::string_view hint = is_text(range->type) ? "; for a part of a text write x.contains(\"…\")" : "";
            return fail(list.begin,
                        fmt::format("{} is {}; a list or a map must follow 'in'{}", shown(list), name_of(range->type), hint));
        }
        // The list's items decide how to compare; a stand-in of their type takes part in that.
        std::vector<Checked> values = {*wanted, *range};
        values[1].type = item_type(range->type);
        const std::expected<Order, Error> order = order_of(s, values, false);
        if (!order) return std::unexpected(order.error());
        return add(s, {.op = Op::in_list, .order = *order}, {values[0], *range});
    }
    const auto items = items_of(list);
    if (!items) return std::unexpected(items.error());
    std::vector<Checked> values = {*wanted};
    values.insert(values.end(), items->begin(), items->end());
    if (items->empty()) {
        Checked result = add(s, {.op = Op::in_items}, values);
        result.yes.reset();
        return result;
    }
    const std::expected<Order, Error> order = order_of(s, values, false);
    if (!order) return std::unexpected(order.error());
    const bool constant = std::all_of(values.begin() + 1, values.end(), [](const Checked& c) { return c.constant; });
    if (!constant) return add(s, {.op = Op::in_items, .order = *order}, values);

    if (node(values[0]).op == Op::field && node(values[0]).field == Field::record_type) {
        TypeBits bits;
        for (size_t i = 1; i < values.size(); ++i) {
            const std::expected<void, Error> known = check_type_name(values[i]);
            if (!known) return std::unexpected(known.error());
            bits.set(static_cast<size_t>(*record::type_by_name(constant_of(values[i]).as_text())));
        }
        Checked result = add(s, {.op = Op::type_in, .number = static_cast<int64_t>(bits.to_ullong())}, {});
        result.yes = bits;
        result.no = ~bits;
        return result;
    }
    std::vector<Value> set;
    for (size_t i = 1; i < values.size(); ++i) {
        const Value& v = constant_of(values[i]);
        if (!(v.kind == Kind::real && std::isnan(v.real))) set.push_back(v);
    }
    std::ranges::sort(set, [&](const Value& x, const Value& y) { return compare(*order, x, y) == -1; });
    program_->sets.push_back(std::move(set));
    return add(s, {.op = Op::in_set, .order = *order, .constant = static_cast<uint32_t>(program_->sets.size() - 1)}, {values[0]});
}

Checker::Result Checker::arithmetic(const Syntax& s) {
    const Result a = check(s.children[0]);
    if (!a) return a;
    const Result b = check(s.children[1]);
    if (!b) return b;
    const char sign = s.text[0];
    const Op op = sign == '+'   ? Op::add
                  : sign == '-' ? Op::subtract
                  : sign == '*' ? Op::multiply
                  : sign == '/' ? Op::divide
                                : Op::remainder;
    const auto result = [&](Type type) -> Result { return add(s, {.op = op, .type = type}, {*a, *b}); };
    if (is_number(a->type) && a->type == b->type) {
        if (op == Op::remainder && a->type == Type::real) return fail(s.at, "'%' needs whole numbers");
        return result(a->type);
    }
    if (is_number(a->type) && is_number(b->type)) {
        const bool real = a->type == Type::real || b->type == Type::real;
        const Checked& odd = (a->type == Type::real) || (!real && a->type == Type::integer) ? *b : *a;
        return fail(s.at,
                    fmt::format("{} is {} and {} is {}; CEL does not mix them, write {}({})", shown(*a->syntax), name_of(a->type),
                                shown(*b->syntax), name_of(b->type), real ? "double" : "int", shown(*odd.syntax)));
    }
    if (op == Op::add && a->type == Type::duration && b->type == Type::duration) return result(Type::duration);
    if (op == Op::subtract && a->type == Type::duration && b->type == Type::duration) return result(Type::duration);
    if (op == Op::add && a->type == Type::time && b->type == Type::duration) return result(Type::time);
    if (op == Op::add && a->type == Type::duration && b->type == Type::time) return result(Type::time);
    if (op == Op::subtract && a->type == Type::time && b->type == Type::duration) return result(Type::time);
    if (op == Op::subtract && a->type == Type::time && b->type == Type::time) return result(Type::duration);
    if (op == Op::add && is_text(a->type) && is_text(b->type))
        return fail(s.at, "strings are not joined in a filter; compare the parts with startsWith, endsWith or contains");
    return fail(s.at, fmt::format("'{}' cannot stand between {} and {}", s.text, name_of(a->type), name_of(b->type)));
}

Checker::Result Checker::negate(const Syntax& s) {
    const Result operand = check(s.children[0]);
    if (!operand) return operand;
    if (operand->type != Type::integer && operand->type != Type::real) return wrong_type(*operand, "a number with a sign");
    return add(s, {.op = Op::negate, .type = operand->type}, {*operand});
}

}  // namespace cvf::filter
