// A GraphQL request document as a tree: what parse() makes and everybody else reads.
//
// Positions are byte offsets into the source; Document::place() turns one into what an error shows. Thread rule: values.
// Source: GraphQL specification, October 2021, section 2.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cvf::graphql {

struct Place {
    size_t line = 1, column = 1;  // from 1; columns in UTF-16 units, as other implementations count
};

struct Error {
    std::string message;
    std::vector<Place> places = {};
    boost::json::array path = {};         // of the field in the answer; empty: of the request as a whole
    boost::json::object extensions = {};  // "code" and what belongs to it

    boost::json::object json() const;
};

struct Value {
    enum class Kind : uint8_t { variable, integer, real, text, boolean, null, enumeration, list, object };
    Kind kind = Kind::null;
    size_t at = 0;
    std::string text;                // name, digits, or what a string stands for
    std::vector<Value> items;        // of a list, or the values of an object …
    std::vector<std::string> names;  // … and the names of these
    std::vector<size_t> names_at;
};

struct Argument {
    std::string name;
    size_t at = 0;
    Value value;
};

struct DirectiveUse {
    std::string name;
    size_t at = 0;
    std::vector<Argument> arguments;
};

struct Selection {
    enum class Kind : uint8_t { field, spread, inline_fragment };
    Kind kind = Kind::field;
    size_t at = 0;
    std::string name;   // of the field or the fragment
    std::string alias;  // of a field; empty: none
    std::string on;     // type condition of an inline fragment; empty: none
    size_t on_at = 0;
    std::vector<Argument> arguments;
    std::vector<DirectiveUse> directives;
    std::vector<Selection> selections;  // empty: none (an empty set is a syntax error)

    const std::string& response_name() const { return alias.empty() ? name : alias; }
};

struct TypeNode {
    std::string name;
    std::string wraps;  // from outside in: '!' non-null, '[' list
    size_t at = 0;
    std::string show() const;
};

struct VariableDefinition {
    std::string name;
    size_t at = 0;
    TypeNode type;
    std::optional<Value> fallback;
    std::vector<DirectiveUse> directives;
};

enum class OperationKind : uint8_t { query, mutation, subscription };
std::string_view name_of(OperationKind kind);

struct Operation {
    OperationKind kind = OperationKind::query;
    std::string name;  // empty: none
    size_t at = 0, name_at = 0;
    std::vector<VariableDefinition> variables;
    std::vector<DirectiveUse> directives;
    std::vector<Selection> selections;
};

struct Fragment {
    std::string name, on;
    size_t at = 0, name_at = 0, on_at = 0;
    std::vector<DirectiveUse> directives;
    std::vector<Selection> selections;
};

struct Document {
    std::string source;
    std::vector<Operation> operations;
    std::vector<Fragment> fragments;

    const Fragment* fragment(std::string_view name) const;  // the first of that name
    Place place(size_t at) const;
};

Place place_in(std::string_view source, size_t at);

}  // namespace cvf::graphql
