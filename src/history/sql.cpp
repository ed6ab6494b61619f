#include "history/sql.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "filter/syntax.h"
#include "filter/values.h"
#include "history/clickhouse_schema.h"
#include "record/text.h"

namespace cvf::history {

using filter::Node;
using filter::Op;
using filter::Order;
using filter::Relation;
using record::Field;
using record::Kind;
using record::Value;

namespace {

using Text = std::optional<std::string>;  // nothing: has no translation

bool is_list(Kind kind) {
    return kind == Kind::list_text || kind == Kind::list_uint || kind == Kind::list_ip;
}

std::string_view sign_of(Relation r, bool want) {
    static constexpr std::string_view signs[] = {"=", "!=", "<", "<=", ">", ">="};
    static constexpr Relation opposite[] = {Relation::unequal, Relation::equal,      Relation::greater_equal,
                                            Relation::greater, Relation::less_equal, Relation::less};
    return signs[static_cast<size_t>(want ? r : opposite[static_cast<size_t>(r)])];
}

std::string integer(int64_t n) {
    return n == INT64_MIN ? "toInt64('-9223372036854775808')" : fmt::format("{}", n);
}

// An expression and when it has a value ("1": always).
struct Expression {
    std::string text;
    std::string there = "1";
    Kind kind = Kind::text;
};

class Translator {
 public:
    explicit Translator(const filter::Program& program) : p_(program) {}

    // 1 exactly where the node's outcome is `want`.
    Text is(const Node& n, bool want) const {
        switch (n.op) {
            case Op::all_of:
                return join(n, want, want ? " AND " : " OR ");
            case Op::any_of:
                return join(n, want, want ? " OR " : " AND ");
            case Op::not_:
                return is(child(n, 0), !want);
            case Op::choice:
                return choice(n, want);
            case Op::constant:
                return p_.constants[n.constant].flag == want ? "1" : "0";
            case Op::field:
                return guarded(field(n.field), fmt::format("{} = {}", column_name(n.field), want ? 1 : 0));
            case Op::has_field: {
                const std::string there = field(n.field).there;
                return want ? there : fmt::format("NOT ({})", there);
            }
            case Op::has_entry:
                return has_entry(n, want);
            case Op::type_in:
                return type_in(n, want);
            case Op::field_integer:
                return guarded(field(n.field),
                               fmt::format("{} {} {}", column_name(n.field), sign_of(n.relation, want), integer(n.number)));
            case Op::field_text:
                return guarded(field(n.field), fmt::format("{} {} {}", column_name(n.field), sign_of(n.relation, want),
                                                           sql_text(p_.constants[n.constant].as_text())));
            case Op::compare:
                return compare(n, want);
            case Op::in_set:
                return in_set(n, want);
            case Op::in_list:
                return in_list(n, want);
            case Op::starts_with:
            case Op::ends_with:
            case Op::contains:
            case Op::matches:
                return text_test(n, want);
            case Op::contains_ip:
                return contains_ip(n, want);
            case Op::exists:
            case Op::all:
                return comprehension(n, want);
            default:
                return std::nullopt;
        }
    }

 private:
    const Node& child(const Node& n, size_t i) const { return p_.nodes[p_.children[n.first + i]]; }

    static Text guarded(const Expression& e, const std::string& condition) {
        return e.there == "1" ? fmt::format("({})", condition) : fmt::format("({} AND ifNull({}, 0))", e.there, condition);
    }

    Text join(const Node& n, bool want, std::string_view word) const {
        std::string all;
        for (size_t i = 0; i < n.count; ++i) {
            const Text one = is(child(n, i), want);
            if (!one) return std::nullopt;
            all += fmt::format("{}{}", i ? word : "", *one);
        }
        return fmt::format("({})", all);
    }

    Text choice(const Node& n, bool want) const {
        if (n.type != filter::Type::boolean) return std::nullopt;
        const Text yes = is(child(n, 0), true), no = is(child(n, 0), false), a = is(child(n, 1), want), b = is(child(n, 2), want);
        if (!yes || !no || !a || !b) return std::nullopt;
        return fmt::format("(({} AND {}) OR ({} AND {}))", *yes, *a, *no, *b);
    }

    static Expression field(Field f) {
        const Kind kind = record::info(f).kind;
        std::string name = column_name(f);
        std::string there = "1";
        if (is_list(kind) || kind == Kind::map)
            // An empty array is what a record without the field has too. The key stands in the line where it has one.
            there = fmt::format("position(line, {}) > 0", sql_text(record::json_key(f).text));
        else if (f != Field::timestamp && f != Field::record_type)
            there = fmt::format("isNotNull({})", name);
        return {std::move(name), std::move(there), kind};
    }

    static std::optional<Expression> literal(const Value& v) {
        filter::TextBuffer buffer;
        std::string_view text;
        switch (v.kind) {
            case Kind::uint:
                return Expression{fmt::format("toUInt64({})", v.uint), "1", v.kind};
            case Kind::sint:
            case Kind::time:
                return Expression{integer(v.sint), "1", v.kind};
            case Kind::real:
                return Expression{fmt::format("toFloat64('{}')", v.real), "1", v.kind};
            case Kind::flag:
                return Expression{v.flag ? "1" : "0", "1", v.kind};
            case Kind::text:
            case Kind::ip:
            case Kind::mac:
            case Kind::hex:
                if (!filter::as_text(v, buffer, text)) return std::nullopt;
                return Expression{sql_text(text), "1", v.kind};
            default:
                return std::nullopt;
        }
    }

    std::optional<Expression> value(const Node& n) const {
        switch (n.op) {
            case Op::field:
                return field(n.field);
            case Op::constant:
                return literal(p_.constants[n.constant]);
            case Op::variable:
                return Expression{fmt::format("v{}", n.slot), "1", Kind::text};
            case Op::entry: {
                const Node &map = child(n, 0), &key = child(n, 1);
                if (map.op != Op::field || key.op != Op::constant) return std::nullopt;
                const std::string name = column_name(map.field), text = sql_text(p_.constants[key.constant].as_text());
                return Expression{fmt::format("{0}_value[indexOf({0}_key, {1})]", name, text),
                                  fmt::format("has({}_key, {})", name, text), Kind::text};
            }
            case Op::size_text: {
                auto e = value(child(n, 0));
                if (!e || e->kind == Kind::hex) return std::nullopt;
                return Expression{fmt::format("lengthUTF8({})", or_empty(*e)), e->there, Kind::uint};
            }
            case Op::size_list:
            case Op::size_map: {
                const Node& list = child(n, 0);
                if (list.op != Op::field) return std::nullopt;
                const Expression e = field(list.field);
                return Expression{fmt::format("length({}{})", e.text, e.kind == Kind::map ? "_key" : ""), e.there, Kind::uint};
            }
            default:
                return std::nullopt;
        }
    }

    // For functions that want no NULL; `there` says whether it is meant.
    static std::string or_empty(const Expression& e) {
        return e.there.starts_with("isNotNull") ? fmt::format("ifNull({}, '')", e.text) : e.text;
    }

    static std::string both(const std::string& a, const std::string& b) {
        return a == "1" ? b : b == "1" ? a : fmt::format("{} AND {}", a, b);
    }

    Text compare(const Node& n, bool want) const {
        if (n.order == Order::networks) return std::nullopt;
        const auto a = value(child(n, 0)), b = value(child(n, 1));
        if (!a || !b) return std::nullopt;
        const std::string there = both(a->there, b->there);
        return guarded({"", there, Kind::flag}, fmt::format("{} {} {}", a->text, sign_of(n.relation, want), b->text));
    }

    Text has_entry(const Node& n, bool want) const {
        const Node &map = child(n, 0), &key = child(n, 1);
        if (map.op != Op::field || key.op != Op::constant) return std::nullopt;
        const auto text = literal(p_.constants[key.constant]);
        if (!text) return std::nullopt;
        const std::string has = fmt::format("has({}_key, {})", column_name(map.field), text->text);
        return want ? has : fmt::format("({} AND NOT {})", field(map.field).there, has);
    }

    static Text type_in(const Node& n, bool want) {
        std::string names;
        for (size_t i = 0; i < record::type_count; ++i)
            if ((static_cast<uint64_t>(n.number) >> i & 1) == static_cast<uint64_t>(want))
                names += fmt::format("{}{}", names.empty() ? "" : ", ",
                                     sql_text(record::info(static_cast<record::RecordType>(i)).name));
        return names.empty() ? "0" : fmt::format("(record_type IN ({}))", names);
    }

    Text in_set(const Node& n, bool want) const {
        const auto e = value(child(n, 0));
        if (!e) return std::nullopt;
        std::string items;
        for (const Value& v : p_.sets[n.constant]) {
            const auto item = literal(v);
            if (!item || v.kind == Kind::real) return std::nullopt;
            items += fmt::format("{}{} = {}", items.empty() ? "" : " OR ", e->text, item->text);
        }
        if (items.empty()) return std::nullopt;
        return guarded(*e, want ? fmt::format("({})", items) : fmt::format("NOT ({})", items));
    }

    Text in_list(const Node& n, bool want) const {
        const Node& list = child(n, 1);
        const auto e = value(child(n, 0));
        if (!e || list.op != Op::field) return std::nullopt;
        if (e->there != "1" && record::info(list.field).kind == Kind::list_uint) return std::nullopt;
        const Expression l = field(list.field);
        const std::string has = fmt::format("has({}, {})", l.text, or_empty(*e));
        return guarded({"", both(e->there, l.there), Kind::flag}, want ? has : fmt::format("NOT {}", has));
    }

    Text text_test(const Node& n, bool want) const {
        auto e = value(child(n, 0));
        if (!e) return std::nullopt;
        if (e->kind == Kind::hex) e->there = both(e->there, fmt::format("length({}) <= {}", e->text, 2 * filter::max_hex_bytes));
        const std::string text = or_empty(*e);
        std::string test;
        if (n.op == Op::matches) {
            // ClickHouse lets '.' match line ends; the filter language does not. And older versions look for plain parts of a
            // pattern without regard to (?i): not where there is an alternative, here one that matches nothing.
            const std::string& pattern = p_.patterns[n.constant]->pattern();
            if (pattern.contains("\\Q")) return std::nullopt;  // would swallow what is put behind
            test = fmt::format("match({}, {})", text,
                               sql_text("(?-s)" + pattern + (pattern.contains("(?") ? "|[^\\x00-\\x{10FFFF}]" : "")));
        } else {
            const Node& part = child(n, 1);
            if (part.op != Op::constant) return std::nullopt;
            const auto literal_part = literal(p_.constants[part.constant]);
            if (!literal_part) return std::nullopt;
            test = n.op == Op::starts_with ? fmt::format("startsWith({}, {})", text, literal_part->text)
                   : n.op == Op::ends_with ? fmt::format("endsWith({}, {})", text, literal_part->text)
                                           : fmt::format("position({}, {}) > 0", text, literal_part->text);
        }
        return guarded(*e, want ? test : fmt::format("NOT ({})", test));
    }

    Text contains_ip(const Node& n, bool want) const {
        const Node& network = child(n, 0);
        const Node* ip = &child(n, 1);
        if (ip->op == Op::to_ip) ip = &child(*ip, 0);
        if (network.op != Op::constant || ip->op != Op::field || record::info(ip->field).kind != Kind::ip) return std::nullopt;
        const Value& net = p_.constants[network.constant];
        if (net.kind != Kind::ip) return std::nullopt;
        Expression e = field(ip->field);
        uint8_t low[16], high[16];
        for (unsigned i = 0; i < net.short_size; ++i) {
            const unsigned bits = std::clamp(static_cast<int>(net.size) - static_cast<int>(i * 8), 0, 8);
            const auto mask = static_cast<uint8_t>(0xff00u >> bits);
            low[i] = net.inline_bytes[i] & mask;
            high[i] = static_cast<uint8_t>(low[i] | ~mask);
        }
        const auto number = [](const uint8_t* b) {
            return uint32_t{b[0]} << 24 | uint32_t{b[1]} << 16 | uint32_t{b[2]} << 8 | uint32_t{b[3]};
        };
        const auto hex = [](const uint8_t* b) {
            std::string text;
            for (int i = 0; i < 16; ++i) text += fmt::format("{:02X}", b[i]);
            return text;
        };
        const std::string is6 = fmt::format("position(ifNull({}, ''), ':') > 0", e.text);
        std::string test;
        if (net.short_size == 4) {
            const std::string as_number = fmt::format("IPv4StringToNum(if({0}, '0.0.0.0', ifNull({1}, '0.0.0.0')))", is6, e.text);
            test = fmt::format("(NOT ({0}) AND {1} >= {2} AND {1} <= {3})", is6, as_number, number(low), number(high));
        } else {
            const std::string as_hex = fmt::format("hex(IPv6StringToNum(if({0}, ifNull({1}, '::'), '::')))", is6, e.text);
            test = fmt::format("({0} AND {1} >= '{2}' AND {1} <= '{3}')", is6, as_hex, hex(low), hex(high));
        }
        // An IPv4 address inside IPv6 has no value here.
        e.there = both(e.there, fmt::format("NOT startsWith(ifNull({}, ''), '::ffff:')", e.text));
        return guarded(e, want ? test : fmt::format("NOT {}", test));
    }

    Text comprehension(const Node& n, bool want) const {
        const Node& list = child(n, 1);
        if (n.over_items || list.op != Op::field || n.count != 2) return std::nullopt;
        const Expression l = field(list.field);
        const std::string items = l.kind == Kind::map ? l.text + "_key" : l.text;
        const Text body = is(child(n, 0), want);
        if (!body) return std::nullopt;
        // exists() is true, all() is false by one item; the other way round every item must say so.
        if ((n.op == Op::exists) == want) return fmt::format("arrayExists(v{} -> {}, {})", n.slot, *body, items);
        return fmt::format("({} AND arrayAll(v{} -> {}, {}))", l.there, n.slot, *body, items);
    }

    const filter::Program& p_;
};

}  // namespace

std::string sql_text(std::string_view text) {
    std::string out = "'";
    for (const char c : text) {
        switch (c) {
            case '\\':
            case '\'':
                out += '\\';
                out += c;
                break;
            case '\n':
                out += "\\n";
                break;
            case '\r':
                out += "\\r";
                break;
            case '\t':
                out += "\\t";
                break;
            case '\0':
                out += "\\0";
                break;
            default:
                out += c;
        }
    }
    return out += '\'';
}

bool SqlFilter::matches_rest(const record::Record& record) const {
    return std::ranges::all_of(rest, [&](const auto& program) { return filter::run(*program, record); });
}

SqlFilter sql_filter(const Query& query) {
    SqlFilter out;
    std::vector<std::string> all;
    if (query.since != INT64_MIN)
        all.push_back(fmt::format("timestamp >= {0} AND time >= {1}", query.since, day_second(query.since)));
    if (query.until != INT64_MAX)
        all.push_back(fmt::format("timestamp < {0} AND time <= {1}", query.until, day_second(query.until)));
    if (!query.types.all()) {
        std::string names;
        for (size_t i = 0; i < record::type_count; ++i)
            if (query.types[i])
                names += fmt::format("{}{}", names.empty() ? "" : ", ",
                                     sql_text(record::info(static_cast<record::RecordType>(i)).name));
        all.push_back(names.empty() ? "0" : fmt::format("record_type IN ({})", names));
    }
    const std::string& source = query.filter->source();
    if (!query.filter->always_true()) {
        const auto syntax = filter::parse(source);
        std::vector<const filter::Syntax*> parts;
        if (syntax && syntax->kind == filter::SyntaxKind::all_of)
            for (const auto& part : syntax->children) parts.push_back(&part);
        else if (syntax)
            parts.push_back(&*syntax);
        for (const filter::Syntax* part : parts) {
            auto program = filter::check(*part, source);
            if (!program || (*program)->always_true) continue;
            if (const Text text = Translator(**program).is((*program)->nodes.back(), true))
                all.push_back(*text);
            else
                out.rest.push_back(std::move(*program));
        }
    }
    for (const std::string& one : all) out.where += fmt::format("{}{}", out.where.empty() ? "" : " AND ", one);
    if (out.where.empty()) out.where = "1";
    return out;
}

}  // namespace cvf::history
