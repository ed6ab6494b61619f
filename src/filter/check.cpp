#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "filter/checker.h"
#include "filter/literal.h"
#include "filter/token.h"
#include "record/nearest.h"

namespace cvf::filter {

using record::Field;
using record::Kind;
using record::Value;

namespace {

Value make(Kind kind) {
    Value v{};
    v.kind = kind;
    return v;
}

Type type_of(Kind kind) {
    switch (kind) {
        case Kind::text:
            return Type::text;
        case Kind::uint:
        case Kind::sint:
            return Type::integer;
        case Kind::real:
            return Type::real;
        case Kind::flag:
            return Type::boolean;
        case Kind::ip:
            return Type::address;
        case Kind::mac:
            return Type::mac;
        case Kind::time:
            return Type::time;
        case Kind::hex:
            return Type::hex;
        case Kind::list_text:
            return Type::list_text;
        case Kind::list_uint:
            return Type::list_integer;
        case Kind::list_ip:
            return Type::list_address;
        case Kind::map:
            return Type::map;
    }
    return Type::text;
}

TypeBits carriers(Field field) {
    TypeBits bits;
    std::string_view names = record::info(field).types;
    if (names == "*") return bits.set();
    if (record::has_one_value(record::info(field).kind))
        bits.set(static_cast<size_t>(record::RecordType::metric));  // grouped by it
    while (!names.empty()) {
        const size_t blank = names.find(' ');
        // A type this table does not know yet: better to look at too many records than to miss one.
        const std::optional<record::RecordType> type = record::type_by_name(names.substr(0, blank));
        if (!type) return bits.set();
        bits.set(static_cast<size_t>(*type));
        names.remove_prefix(blank == std::string_view::npos ? names.size() : blank + 1);
    }
    return bits;
}

// Names that people bring from other tools, where the nearest spelling would mislead.
struct Alias {
    std::string_view foreign, ours;
};
constexpr Alias aliases[] = {{"source.ip", "source.address"},
                             {"destination.ip", "destination.address"},
                             {"ip.src", "source.address"},
                             {"ip.dst", "destination.address"},
                             {"src", "source.address"},
                             {"dst", "destination.address"},
                             {"src.ip", "source.address"},
                             {"dst.ip", "destination.address"},
                             {"src.port", "source.port"},
                             {"dst.port", "destination.port"},
                             {"tcp.srcport", "source.port"},
                             {"tcp.dstport", "destination.port"},
                             {"tcp.port", "destination.port"},
                             {"udp.port", "destination.port"},
                             {"port", "destination.port"},
                             {"type", "record.type"},
                             {"host", "host.name"},
                             {"node", "host.name"},
                             {"dns.qry.name", "dns.question.name"},
                             {"http.host", "server.address"},
                             {"protocol", "network.protocol.name"},
                             {"network.protocol", "network.protocol.name"}};

// A key as a filter spells it: header["content-type"], for '-' would subtract.
std::string filter_name(std::string_view key) {
    if (key == "@timestamp") return "timestamp";
    const size_t dot = key.rfind('.');
    if (dot == std::string_view::npos || key.find('-') == std::string_view::npos) return std::string(key);
    return fmt::format("{}[\"{}\"]", key.substr(0, dot), key.substr(dot + 1));
}

std::optional<Field> find_field(std::string_view name) {
    if (name == "timestamp") return Field::timestamp;
    return record::field_by_key(name);
}

}  // namespace

std::string_view name_of(Type type) {
    switch (type) {
        case Type::boolean:
            return "true or false";
        case Type::integer:
            return "a whole number";
        case Type::unsigned_integer:
            return "an unsigned number";
        case Type::real:
            return "a number with a fraction";
        case Type::text:
            return "a string";
        case Type::address:
            return "an address";
        case Type::mac:
            return "a hardware address";
        case Type::hex:
            return "a string of hex digits";
        case Type::ip:
            return "what ip() makes";
        case Type::cidr:
            return "a network";
        case Type::duration:
            return "a duration";
        case Type::time:
            return "a time";
        case Type::list_text:
            return "a list of strings";
        case Type::list_integer:
            return "a list of numbers";
        case Type::list_address:
            return "a list of addresses";
        case Type::map:
            return "a map";
    }
    return "";
}

Checker::Checker(std::string_view source) : source_(source), program_(std::make_unique<Program>()) {
    program_->source = source;
    // An upper bound of the patterns to come shares out the memory before the first is compiled.
    size_t patterns = 0;
    for (size_t at = source.find("matches"); at != std::string_view::npos; at = source.find("matches", at + 1)) ++patterns;
    memory_per_pattern_ = std::min(pattern_memory / std::clamp<size_t>(patterns, 1, max_patterns), one_pattern_memory);
}

std::expected<std::unique_ptr<Program>, Error> Checker::run(const Syntax& syntax) {
    const Result root = check(syntax);
    if (!root) return std::unexpected(root.error());
    if (root->type != Type::boolean) {
        const std::string what = shown(syntax);
        const std::string_view hint = is_number(root->type) ? "compare it"
                                      : is_text(root->type) ? "compare it, or ask with has()"
                                                            : "ask something of it";
        return fail(syntax.begin,
                    fmt::format("a filter must be true or false, and {} is {}: {}", what, name_of(root->type), hint));
    }
    program_->possible_types = root->yes;
    program_->always_true = root->constant && constant_of(*root).flag;
    return std::move(program_);
}

std::unexpected<Error> Checker::fail(size_t at, std::string message) const {
    return std::unexpected(error_at(source_, at, std::move(message)));
}

std::unexpected<Error> Checker::wrong_type(const Checked& value, std::string_view wanted) const {
    return fail(value.syntax->begin,
                fmt::format("{} is {}; {} is needed here", shown(*value.syntax), name_of(value.type), wanted));
}

std::string Checker::shown(const Syntax& s) const {
    if (const std::optional<std::string> name = dotted(s); name && name->size() <= 60) return *name;
    switch (s.kind) {
        case SyntaxKind::name:
            return s.text.size() <= 60 ? s.text : "this";
        case SyntaxKind::literal_text:
            return s.text.size() <= 40 && s.text.find_first_of("\"\\\n\r") == std::string::npos ? fmt::format("\"{}\"", s.text)
                                                                                                : "this string";
        case SyntaxKind::literal_int:
            return fmt::format("{}", s.integer);
        case SyntaxKind::literal_uint:
            return fmt::format("{}u", s.number);
        case SyntaxKind::literal_bool:
            return s.flag ? "true" : "false";
        case SyntaxKind::call:
        case SyntaxKind::method:
            return s.text.size() <= 40 ? fmt::format("{}()", s.text) : "this";
        default:
            return "this";
    }
}

std::optional<std::string> Checker::dotted(const Syntax& s) const {
    if (s.kind == SyntaxKind::name) return variable(s.text) ? std::nullopt : std::optional(s.text);
    const bool literal_index = s.kind == SyntaxKind::index && s.children[1].kind == SyntaxKind::literal_text;
    if (s.kind != SyntaxKind::member && !literal_index) return std::nullopt;
    std::optional<std::string> head = dotted(s.children[0]);
    // No key is that long; what follows need not be looked at.
    if (head && head->size() < 256) head->append(".").append(literal_index ? s.children[1].text : s.text);
    return head;
}

const Checker::Variable* Checker::variable(std::string_view name, uint8_t* slot) const {
    for (size_t i = variables_.size(); i-- > 0;) {
        if (variables_[i].name != name) continue;
        if (slot) *slot = static_cast<uint8_t>(i);
        return &variables_[i];
    }
    return nullptr;
}

Checker::Checked Checker::add(const Syntax& s, Node made, const std::vector<Checked>& operands) {
    made.first = static_cast<uint32_t>(program_->children.size());
    made.count = static_cast<uint32_t>(operands.size());
    Checked result;
    result.id = static_cast<uint32_t>(program_->nodes.size());
    result.type = made.type;
    result.syntax = &s;
    // Where all operands must be there, the outcome is there only where they are.
    result.yes.set();
    for (const Checked& c : operands) {
        program_->children.push_back(c.id);
        result.yes &= c.yes | c.no;
    }
    result.no = result.yes;
    program_->nodes.push_back(made);
    return result;
}

uint32_t Checker::keep(Value value) {
    program_->constants.push_back(value);
    return static_cast<uint32_t>(program_->constants.size() - 1);
}

Checker::Checked Checker::add_constant(const Syntax& s, Type type, Value value) {
    Checked c = add(s, {.op = Op::constant, .type = type, .constant = keep(value)}, {});
    c.constant = true;
    return c;
}

Checker::Checked Checker::add_text(const Syntax& s, std::string text) {
    const std::string& kept = program_->texts.emplace_back(std::move(text));
    Value v = make(Kind::text);
    v.text = kept.data();
    v.size = static_cast<uint32_t>(kept.size());
    return add_constant(s, Type::text, v);
}

Checker::Result Checker::check(const Syntax& s) {
    if (depth_ >= max_depth) return fail(s.at, fmt::format("the expression is nested deeper than {} levels", max_depth));
    ++depth_;
    Result result = check_level(s);
    --depth_;
    return result;
}

Checker::Result Checker::check_level(const Syntax& s) {
    switch (s.kind) {
        case SyntaxKind::literal_bool: {
            Value v = make(Kind::flag);
            v.flag = s.flag;
            Checked c = add_constant(s, Type::boolean, v);
            (s.flag ? c.no : c.yes).reset();
            return c;
        }
        case SyntaxKind::literal_int: {
            Value v = make(Kind::sint);
            v.sint = s.integer;
            return add_constant(s, Type::integer, v);
        }
        case SyntaxKind::literal_uint: {
            Value v = make(Kind::uint);
            v.uint = s.number;
            return add_constant(s, Type::unsigned_integer, v);
        }
        case SyntaxKind::literal_real: {
            Value v = make(Kind::real);
            v.real = s.real;
            return add_constant(s, Type::real, v);
        }
        case SyntaxKind::literal_text:
            return add_text(s, s.text);
        case SyntaxKind::name:
        case SyntaxKind::member:
            return member(s);
        case SyntaxKind::index:
            return index(s);
        case SyntaxKind::all_of:
        case SyntaxKind::any_of:
            return chain(s);
        case SyntaxKind::choice:
            return choice(s);
        case SyntaxKind::relation:
            return s.text == "in" ? membership(s) : relation(s);
        case SyntaxKind::arithmetic:
            return arithmetic(s);
        case SyntaxKind::negate:
            return negate(s);
        case SyntaxKind::call:
            return call(s);
        case SyntaxKind::method:
            return method(s);
        case SyntaxKind::list:
            return fail(s.at, "a list can stand only behind 'in', or before .exists(), .all() and .exists_one()");
        case SyntaxKind::not_:
            break;
    }
    Result operand = check(s.children[0]);
    if (!operand) return operand;
    if (operand->type != Type::boolean) return wrong_type(*operand, "true or false");
    Checked result = add(s, {.op = Op::not_}, {*operand});
    result.yes = operand->no;
    result.no = operand->yes;
    return result;
}

Checker::Result Checker::field(const Syntax& s, Field field) {
    program_->used.set(static_cast<size_t>(field));
    Checked c = add(s, {.op = Op::field, .type = type_of(record::info(field).kind), .field = field}, {});
    c.yes = c.no = carriers(field);
    return c;
}

Checker::Result Checker::member(const Syntax& s) {
    if (s.kind == SyntaxKind::name) {
        uint8_t slot = 0;
        if (const Variable* v = variable(s.text, &slot)) {
            Checked c = add(s, {.op = Op::variable, .type = v->type, .slot = slot}, {});
            c.yes = c.no = v->there;
            return c;
        }
    }
    const std::optional<std::string> key = dotted(s);
    if (key) {
        if (const std::optional<Field> found = find_field(*key)) return field(s, *found);
        const std::optional<std::string> owner = s.kind == SyntaxKind::member ? dotted(s.children[0]) : std::nullopt;
        // Which part is wrong is told best by whoever knows the longest right one.
        size_t dot = key->size();
        bool owned = false;
        while (owner && !owned && (dot = key->rfind('.', dot - 1)) != std::string::npos && dot > 0)
            owned = find_field(std::string_view(*key).substr(0, dot)).has_value();
        if (!owned) return unknown_name(s, *key);
    }
    const Result owner = check(s.children[0]);
    if (!owner) return owner;
    if (owner->type != Type::map)
        return fail(s.at, fmt::format("{} is {}; it has no member '{}'", shown(s.children[0]), name_of(owner->type), s.text));
    return entry(s, *owner, add_text(s, s.text));
}

bool Checker::is_group(const std::string& name) {
    const std::string group = name + ".";
    for (size_t i = 0; i < record::field_count; ++i)
        if (record::info(static_cast<Field>(i)).key.starts_with(group)) return true;
    return false;
}

Checker::Result Checker::unknown_name(const Syntax& s, const std::string& key) const {
    const std::string group = key + ".";
    std::vector<std::string> members;
    for (size_t i = 0; i < record::field_count && members.size() < 3; ++i)
        if (const std::string_view k = record::info(static_cast<Field>(i)).key; k.starts_with(group))
            members.push_back(filter_name(k));
    if (!members.empty()) {
        return fail(s.begin, fmt::format("{} is a group of fields; name one of them: {}, …", key, fmt::join(members, ", ")));
    }
    for (const Alias& a : aliases)
        if (a.foreign == key && record::field_by_key(a.ours))
            return fail(s.begin, fmt::format("there is no field '{}'; did you mean {}?", key, a.ours));
    const std::string_view near = record::nearest_key(key);
    const std::string name = key.size() <= 80 ? fmt::format("'{}'", key) : "of this name";
    if (near.empty()) return fail(s.begin, fmt::format("there is no field {}", name));
    return fail(s.begin, fmt::format("there is no field {}; did you mean {}?", name, filter_name(near)));
}

Checker::Result Checker::entry(const Syntax& s, const Checked& map, const Checked& key) {
    return add(s, {.op = Op::entry, .type = Type::text}, {map, key});
}

Checker::Result Checker::index(const Syntax& s) {
    // In CEL a["b"] is a.b; names with '-' can be written in no other way.
    if (const std::optional<std::string> key = dotted(s)) {
        if (const std::optional<Field> found = find_field(*key)) return field(s, *found);
        if (is_group(*dotted(s.children[0]))) return unknown_name(s, *key);
    }
    const Result owner = check(s.children[0]);
    if (!owner) return owner;
    const Result key = check(s.children[1]);
    if (!key) return key;
    if (owner->type == Type::map) {
        if (!is_text(key->type)) return wrong_type(*key, "a string, the map's key,");
        return entry(s, *owner, *key);
    }
    if (!is_list(owner->type))
        return fail(s.at, fmt::format("{} is {}; only lists and maps have items", shown(s.children[0]), name_of(owner->type)));
    if (key->type != Type::integer) return wrong_type(*key, "a whole number, counted from 0,");
    return add(s, {.op = Op::item, .type = item_type(owner->type)}, {*owner, *key});
}

std::expected<std::unique_ptr<Program>, Error> check(const Syntax& syntax, std::string_view source) {
    return Checker(source).run(syntax);
}

}  // namespace cvf::filter
