// The functions of the filter language: CEL's own, and those of Kubernetes for addresses and networks.
#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "filter/checker.h"
#include "filter/literal.h"
#include "record/nearest.h"

namespace cvf::filter {

using record::Kind;
using record::Value;

namespace {

struct IpMethod {
    std::string_view name;
    Op op;
    Type type;
};
constexpr IpMethod ip_methods[] = {{"family", Op::family, Type::integer},
                                   {"isLoopback", Op::is_loopback, Type::boolean},
                                   {"isUnspecified", Op::is_unspecified, Type::boolean},
                                   {"isLinkLocalUnicast", Op::is_link_local_unicast, Type::boolean},
                                   {"isLinkLocalMulticast", Op::is_link_local_multicast, Type::boolean},
                                   {"isGlobalUnicast", Op::is_global_unicast, Type::boolean}};

constexpr std::string_view method_names[] = {"startsWith",
                                             "endsWith",
                                             "contains",
                                             "matches",
                                             "size",
                                             "exists",
                                             "all",
                                             "exists_one",
                                             "containsIP",
                                             "containsCIDR",
                                             "prefixLength",
                                             "family",
                                             "isLoopback",
                                             "isUnspecified",
                                             "isLinkLocalUnicast",
                                             "isLinkLocalMulticast",
                                             "isGlobalUnicast"};
constexpr std::string_view function_names[] = {"has",    "size",     "matches",   "ip",  "cidr", "isIP",
                                               "isCIDR", "duration", "timestamp", "int", "uint", "double"};

// A regular expression that is only a text, perhaps anchored: a plain search is many times faster.
struct PlainPattern {
    bool begin, end;
    std::string_view text;
};
std::optional<PlainPattern> plain(std::string_view pattern) {
    PlainPattern p{pattern.starts_with('^'), false, pattern};
    if (p.begin) p.text.remove_prefix(1);
    p.end = p.text.ends_with('$');
    if (p.end) p.text.remove_suffix(1);
    const bool only_text = std::ranges::all_of(p.text, [](char c) {
        return static_cast<signed char>(c) >= 0x20 && std::string_view(R"(\.+*?()|[]{}^$)").find(c) == std::string_view::npos;
    });
    return only_text ? std::optional(p) : std::nullopt;
}

}  // namespace

Checker::Result Checker::call(const Syntax& s) {
    const std::string_view f = s.text;
    const size_t count = s.children.size();
    if (f == "matches") {
        if (count != 2) return fail(s.at, "matches() takes a string and a pattern: x.matches(\"^a.*z$\")");
        return matches(s, s.children[0], s.children[1]);
    }
    if (std::ranges::find(function_names, f) == std::end(function_names)) return unknown_function(s, false);
    if (count != 1) return fail(s.at, fmt::format("{}() takes one value, and {} are given", f, count));
    if (f == "has") return has(s);
    if (f == "size") return size(s, s.children[0]);
    if (f == "int") return convert(s, Op::to_integer, Type::integer);
    if (f == "uint") return convert(s, Op::to_unsigned, Type::unsigned_integer);
    if (f == "double") return convert(s, Op::to_real, Type::real);
    return literal_call(s);
}

// ip(), cidr(), isIP(), isCIDR(), duration(), timestamp(): from text, at once where it is a literal.
Checker::Result Checker::literal_call(const Syntax& s) {
    const std::string_view f = s.text;
    const Result a = check(s.children[0]);
    if (!a) return a;
    if (!is_text(a->type)) return wrong_type(*a, "a string");
    const bool literal = a->constant;
    const std::string_view text = literal ? constant_of(*a).as_text() : std::string_view();
    const size_t at = a->syntax->begin;
    if (f == "duration" || f == "timestamp") {
        if (!literal) return fail(at, fmt::format("{}() takes a literal", f));
        Value v{};
        v.kind = f == "duration" ? Kind::sint : Kind::time;
        const std::optional<int64_t> parsed = f == "duration" ? parse_duration(text) : parse_timestamp(text);
        if (!parsed)
            return fail(
                at,
                f == "duration"
                    ? fmt::format("{} is not a duration; write a number and h, m, s, ms, us or ns: \"1h30m\", \"1.5s\"",
                                  shown(*a->syntax))
                    : fmt::format("{} is not a time between 1678 and 2261; write \"2026-01-02T03:04:05Z\"", shown(*a->syntax)));
        v.sint = *parsed;
        return add_constant(s, f == "duration" ? Type::duration : Type::time, v);
    }
    if (f == "isIP") return add(s, {.op = Op::is_ip}, {*a});
    if (f == "isCIDR") return add(s, {.op = Op::is_cidr}, {*a});
    const bool network = f == "cidr";
    const Type type = network ? Type::cidr : Type::ip;
    if (literal) {
        const std::optional<Value> parsed = network ? parse_cidr(text) : parse_ip(text);
        if (!parsed) {
            if (network && parse_ip(text))
                return fail(at, fmt::format("a network needs a prefix length: \"{}/{}\"", text,
                                            text.find(':') == std::string_view::npos ? 32 : 128));
            if (!network && parse_cidr(text))
                return fail(at, fmt::format("{} is a network; write cidr(\"{}\")", shown(*a->syntax), text));
            return fail(at, fmt::format("{} is not {}", shown(*a->syntax),
                                        network ? "a network; write \"10.0.0.0/8\" or \"2001:db8::/32\"" : "an IP address"));
        }
        if (is_mapped(*parsed))
            return fail(at, "an IPv4 address inside IPv6 is not taken here, as in Kubernetes; write the IPv4 address");
        return add_constant(s, type, *parsed);
    }
    if (network && a->type != Type::text) return wrong_type(*a, "a string with a network");
    return add(s, {.op = network ? Op::to_cidr : Op::to_ip, .type = type}, {*a});
}

Checker::Result Checker::has_field(const Syntax& s, record::Field field) {
    const Result c = this->field(s, field);
    Checked result = add(s, {.op = Op::has_field, .field = field}, {});
    result.yes = c->yes;
    result.no = TypeBits().set();
    return result;
}

Checker::Result Checker::has(const Syntax& s) {
    const Syntax& target = s.children[0];
    if (target.kind != SyntaxKind::member) {
        if (target.kind == SyntaxKind::index)
            return fail(target.begin, "has() takes a field; for a key of a map write \"key\" in map");
        if (target.kind == SyntaxKind::name && target.text == "timestamp")
            return fail(target.begin, "every record has timestamp");
        return fail(target.begin, "has() takes a field, as has(dns.question.name)");
    }
    const Result c = check(target);
    if (!c) return c;
    const Node n = node(*c);
    if (n.op == Op::field) {
        return has_field(s, n.field);
    }
    // member() made a map's entry: the same operands, asked differently.
    Checked result = add(s, {.op = Op::has_entry}, {});
    Node& made = program_->nodes.back();
    made.first = n.first;
    made.count = n.count;
    result.yes = result.no = c->yes;
    return result;
}

Checker::Result Checker::method(const Syntax& s) {
    const std::string_view f = s.text;
    const size_t count = s.children.size() - 1;
    if (f == "exists" || f == "all" || f == "exists_one") {
        if (count != 2)
            return fail(s.at, fmt::format("{}() takes a name and a condition: list.{}(x, x.startsWith(\"a\"))", f, f));
        return comprehension(s, f == "exists" ? Op::exists : f == "all" ? Op::all : Op::exists_one);
    }
    if (std::ranges::find(method_names, f) == std::end(method_names)) return unknown_function(s, true);
    const bool takes_one =
        f == "startsWith" || f == "endsWith" || f == "contains" || f == "matches" || f == "containsIP" || f == "containsCIDR";
    if (count != (takes_one ? 1 : 0))
        return fail(s.at, fmt::format("{}() takes {}, and {} given", f, takes_one ? "one value" : "no value",
                                      count == 1 ? "one is" : fmt::format("{} are", count)));
    if (f == "size") return size(s, s.children[0]);
    if (f == "matches") return matches(s, s.children[0], s.children[1]);
    if (f == "startsWith") return text_method(s, Op::starts_with, s.children[0], s.children[1]);
    if (f == "endsWith") return text_method(s, Op::ends_with, s.children[0], s.children[1]);
    if (f == "contains") return text_method(s, Op::contains, s.children[0], s.children[1]);
    for (const IpMethod& m : ip_methods)
        if (m.name == f) return ip_method(s, m.op, m.type);
    return network_method(s, f == "containsIP" ? Op::contains_ip : f == "containsCIDR" ? Op::contains_cidr : Op::prefix_length);
}

Checker::Result Checker::text_method(const Syntax& s, Op op, const Syntax& target, const Syntax& argument) {
    const Result a = check(target);
    if (!a) return a;
    if (op == Op::contains && is_list(a->type))
        return fail(s.at, fmt::format("{} is a list; write x in {}", shown(target), shown(target)));
    if (op == Op::contains && a->type == Type::cidr) return fail(s.at, "a network is asked with containsIP() or containsCIDR()");
    if (is_list(a->type))
        return fail(s.at, fmt::format("{} is a list; write {}.exists(x, x.{}(\"…\"))", shown(target), shown(target), s.text));
    if (!is_text(a->type)) return wrong_type(*a, "a string");
    const Result b = check(argument);
    if (!b) return b;
    if (!is_text(b->type)) return wrong_type(*b, "a string");
    return add(s, {.op = op}, {*a, *b});
}

Checker::Result Checker::matches(const Syntax& s, const Syntax& target, const Syntax& pattern) {
    const Result a = check(target);
    if (!a) return a;
    if (is_list(a->type))
        return fail(s.at, fmt::format("{} is a list; write {}.exists(x, x.matches(\"…\"))", shown(target), shown(target)));
    if (!is_text(a->type)) return wrong_type(*a, "a string");
    if (pattern.kind != SyntaxKind::literal_text) return fail(pattern.begin, "the pattern of matches() must be a literal string");
    if (const std::optional<PlainPattern> p = plain(pattern.text)) {
        const Checked text = add_text(pattern, std::string(p->text));
        if (p->begin && p->end) return add(s, {.op = Op::compare, .order = Order::texts}, {*a, text});
        return add(s, {.op = p->begin ? Op::starts_with : p->end ? Op::ends_with : Op::contains}, {*a, text});
    }
    if (program_->patterns.size() == max_patterns) return fail(s.at, fmt::format("a filter may have {} patterns", max_patterns));
    RE2::Options options(RE2::Quiet);
    options.set_max_mem(static_cast<int64_t>(memory_per_pattern_));
    auto compiled = std::make_unique<RE2>(pattern.text, options);
    if (!compiled->ok()) return fail(pattern.begin, fmt::format("this is not a regular expression (RE2): {}", compiled->error()));
    program_->patterns.push_back(std::move(compiled));
    return add(s, {.op = Op::matches, .constant = static_cast<uint32_t>(program_->patterns.size() - 1)}, {*a});
}

Checker::Result Checker::size(const Syntax& s, const Syntax& target) {
    if (target.kind == SyntaxKind::list) return fail(target.begin, "the size of a literal list is known; write the number");
    const Result a = check(target);
    if (!a) return a;
    if (is_text(a->type)) return add(s, {.op = Op::size_text, .type = Type::integer}, {*a});
    if (is_list(a->type)) return add(s, {.op = Op::size_list, .type = Type::integer}, {*a});
    if (a->type == Type::map) return add(s, {.op = Op::size_map, .type = Type::integer}, {*a});
    return wrong_type(*a, "a string, a list or a map");
}

Checker::Result Checker::convert(const Syntax& s, Op op, Type type) {
    const Result a = check(s.children[0]);
    if (!a) return a;
    const bool from_time = op == Op::to_integer && a->type == Type::time;
    if (!is_number(a->type) && a->type != Type::text && !from_time) return wrong_type(*a, "a number or a string");
    return add(s, {.op = op, .type = type}, {*a});
}

Checker::Result Checker::ip_method(const Syntax& s, Op op, Type type) {
    const Result a = check(s.children[0]);
    if (!a) return a;
    if (a->type == Type::address || a->type == Type::text)
        return fail(s.children[0].begin, fmt::format("write ip({}).{}()", shown(s.children[0]), s.text));
    if (a->type != Type::ip) return wrong_type(*a, "what ip() makes");
    return add(s, {.op = op, .type = type}, {*a});
}

Checker::Result Checker::network_method(const Syntax& s, Op op) {
    const Result a = check(s.children[0]);
    if (!a) return a;
    if (a->type != Type::cidr) {
        if (a->type == Type::text)
            return fail(s.children[0].begin, fmt::format("write cidr({}).{}(…)", shown(s.children[0]), s.text));
        return wrong_type(*a, "a network, as cidr(\"10.0.0.0/8\"),");
    }
    if (op == Op::prefix_length) return add(s, {.op = op, .type = Type::integer}, {*a});
    Result b = check(s.children[1]);
    if (!b) return b;
    const bool ip = op == Op::contains_ip;
    const bool right = b->type == Type::text || (ip ? b->type == Type::ip || b->type == Type::address : b->type == Type::cidr);
    if (!right) return wrong_type(*b, ip ? "an address" : "a network");
    if (b->type == Type::text && b->constant) {
        const std::string_view text = constant_of(*b).as_text();
        const std::optional<Value> parsed = ip ? parse_ip(text) : parse_cidr(text);
        if (!parsed || is_mapped(*parsed))
            return fail(b->syntax->begin, fmt::format("{} is not {}", shown(*b->syntax), ip ? "an IP address" : "a network"));
        b = add_constant(*b->syntax, ip ? Type::ip : Type::cidr, *parsed);
    }
    return add(s, {.op = op}, {*a, *b});
}

Checker::Result Checker::comprehension(const Syntax& s, Op op) {
    const Syntax& range = s.children[0];
    const Syntax& name = s.children[1];
    if (name.kind != SyntaxKind::name)
        return fail(name.begin, fmt::format("a name for the item must stand here: list.{}(x, x.startsWith(\"a\"))", s.text));
    if (variables_.size() == max_nesting)
        return fail(s.at, fmt::format("exists(), all() and exists_one() may be nested {} deep", max_nesting));
    std::vector<Checked> operands(1);
    Variable item{.name = name.text, .type = Type::text, .there = {}};
    const bool over_items = range.kind == SyntaxKind::list;
    if (over_items) {
        std::expected<std::vector<Checked>, Error> items = items_of(range);
        if (!items) return std::unexpected(items.error());
        item.there.set();
        if (!items->empty()) {
            // Items of one list are values of one type; order_of() knows which go together.
            std::vector<Checked> values = *items;
            const std::expected<Order, Error> order = order_of(range, values, false);
            if (!order) return std::unexpected(order.error());
            item.type = values[0].type;
            for (const Checked& c : values) {
                if (c.type != item.type)
                    item.type = is_text(c.type) ? Type::text : *order == Order::numbers ? Type::integer : c.type;
                item.there &= c.yes | c.no;
            }
            operands.insert(operands.end(), values.begin(), values.end());
        }
    } else {
        const Result list = check(range);
        if (!list) return list;
        if (!is_list(list->type) && list->type != Type::map)
            return fail(range.begin,
                        fmt::format("{} is {}; {}() is asked of a list or a map", shown(range), name_of(list->type), s.text));
        item.type = list->type == Type::list_integer   ? Type::integer
                    : list->type == Type::list_address ? Type::address
                                                       : Type::text;
        item.there = list->yes | list->no;
        operands.push_back(*list);
    }
    const TypeBits there = item.there;
    const auto slot = static_cast<uint8_t>(variables_.size());
    const size_t before = program_->nodes.size();
    variables_.push_back(std::move(item));
    const Result body = check(s.children[2]);
    variables_.pop_back();
    if (!body) return body;
    if (body->type != Type::boolean) return wrong_type(*body, "a condition");
    operands[0] = *body;
    const auto turn = static_cast<int64_t>(program_->nodes.size() - before);
    Checked result = add(s, {.op = op, .slot = slot, .over_items = over_items, .number = turn}, operands);
    result.yes = op == Op::all ? there : there & body->yes;
    result.no = op == Op::all ? there & body->no : there;
    return result;
}

Checker::Result Checker::unknown_function(const Syntax& s, bool is_method) const {
    const std::string name = s.text.size() <= 60 ? s.text + "()" : "this function";
    if (s.text == "lowerAscii" || s.text == "upperAscii" || s.text == "toLower" || s.text == "lower")
        return fail(s.at, fmt::format("there is no {}; to ignore case write x.matches(\"(?i)…\")", name));
    if (s.text == "map" || s.text == "filter")
        return fail(s.at, fmt::format("{} makes a new list, which a filter does not; use exists(), all() or exists_one()", name));
    const std::string_view* begin = is_method ? std::begin(method_names) : std::begin(function_names);
    const size_t count = is_method ? std::size(method_names) : std::size(function_names);
    const std::string_view near = record::nearest(s.text, {begin, count});
    const bool elsewhere = is_method ? std::ranges::find(function_names, std::string_view(s.text)) != std::end(function_names)
                                     : std::ranges::find(method_names, std::string_view(s.text)) != std::end(method_names);
    if (elsewhere) return fail(s.at, is_method ? fmt::format("write {}(x)", s.text) : fmt::format("write x.{}(…)", s.text));
    if (near.empty()) return fail(s.at, fmt::format("there is no {}; there are {}", name, fmt::join(begin, begin + count, ", ")));
    return fail(s.at, fmt::format("there is no {}; did you mean {}()?", name, near));
}

}  // namespace cvf::filter
