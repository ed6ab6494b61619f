// From syntax to program: finds the field behind each name, checks types, folds what is constant. Internal to the filter room.
//
// Every step returns the node it made together with what is known about it without a record: its type and the record types for
// which it can be true, false, or (for other values) there at all.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "filter/program.h"
#include "filter/syntax.h"

namespace cvf::filter {

std::string_view name_of(Type type);  // "a whole number"
inline bool is_number(Type t) {
    return t == Type::integer || t == Type::unsigned_integer || t == Type::real;
}
inline bool is_text(Type t) {
    return t == Type::text || t == Type::address || t == Type::mac || t == Type::hex;
}
inline bool is_list(Type t) {
    return t == Type::list_text || t == Type::list_integer || t == Type::list_address;
}
inline Type item_type(Type list) {
    return list == Type::list_integer ? Type::integer : list == Type::list_address ? Type::address : Type::text;
}

class Checker {
 public:
    explicit Checker(std::string_view source);
    std::expected<std::unique_ptr<Program>, Error> run(const Syntax& syntax);

 private:
    struct Checked {
        uint32_t id = 0;
        Type type = Type::boolean;
        const Syntax* syntax = nullptr;
        bool constant = false;
        TypeBits yes,
            no;  // record types for which it can be true and false; for other types of value both are where it can be there
    };
    using Result = std::expected<Checked, Error>;
    struct Variable {
        std::string name;
        Type type;
        TypeBits there;
    };

    // check.cpp: literals and names
    Result check(const Syntax& s);
    Result check_level(const Syntax& s);
    Result member(const Syntax& s);
    Result unknown_name(const Syntax& s, const std::string& key) const;
    static bool is_group(const std::string& name);  // "dns.question": keys begin with it
    Result field(const Syntax& s, record::Field field);
    Result has_field(const Syntax& s, record::Field field);
    Result entry(const Syntax& s, const Checked& map, const Checked& key);
    Result index(const Syntax& s);

    // operators.cpp
    Result chain(const Syntax& s);
    Result choice(const Syntax& s);
    Result relation(const Syntax& s);
    Result membership(const Syntax& s);
    Result arithmetic(const Syntax& s);
    Result negate(const Syntax& s);
    std::expected<Order, Error> order_of(const Syntax& s, std::vector<Checked>& values, bool ordered);
    std::expected<void, Error> check_type_name(const Checked& value);
    std::expected<std::vector<Checked>, Error> items_of(const Syntax& list);

    // functions.cpp: calls
    Result call(const Syntax& s);
    Result method(const Syntax& s);
    Result has(const Syntax& s);
    Result text_method(const Syntax& s, Op op, const Syntax& target, const Syntax& argument);
    Result matches(const Syntax& s, const Syntax& target, const Syntax& pattern);
    Result comprehension(const Syntax& s, Op op);
    Result size(const Syntax& s, const Syntax& target);
    Result literal_call(const Syntax& s);
    Result convert(const Syntax& s, Op op, Type type);
    Result ip_method(const Syntax& s, Op op, Type type);
    Result network_method(const Syntax& s, Op op);
    Result unknown_function(const Syntax& s, bool is_method) const;

    // check.cpp: pieces
    const Node& node(const Checked& c) const { return program_->nodes[c.id]; }
    const record::Value& constant_of(const Checked& c) const { return program_->constants[node(c).constant]; }
    Checked add(const Syntax& s, Node node, const std::vector<Checked>& operands);
    Checked add_constant(const Syntax& s, Type type, record::Value value);
    Checked add_text(const Syntax& s, std::string text);
    uint32_t keep(record::Value value);
    std::unexpected<Error> fail(size_t at, std::string message) const;
    std::unexpected<Error> wrong_type(const Checked& value, std::string_view wanted) const;
    std::string shown(const Syntax& s) const;                  // as the source has it, for messages; "this" where long
    std::optional<std::string> dotted(const Syntax& s) const;  // a.b.c of members, unless a is a variable
    const Variable* variable(std::string_view name, uint8_t* slot = nullptr) const;

    std::string_view source_;
    std::unique_ptr<Program> program_;
    std::vector<Variable> variables_;
    size_t depth_ = 0;
    size_t memory_per_pattern_;
};

}  // namespace cvf::filter
