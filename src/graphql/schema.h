// The type system: what can be asked, with what arguments, and where the answer comes from.
//
// A field's value is the member `key` of its object's JSON; only fields of the three root types have a function. So a Source
// (source.h) gives whole JSON values, and the executor picks from them what was asked.
//
// There are no unions and no input objects: nothing here needs them. Thread rule: a Schema is constant once made; TypeRefs point
// into it. Source: GraphQL specification, October 2021, section 3.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "graphql/source.h"
#include "graphql/syntax.h"

namespace cvf::graphql {

enum class TypeKind : uint8_t { scalar, object, interface, enumeration };

struct Type;

// A type with what is around it, from outside in: '!' non-null, '[' list. "![!" of String is [String!]!.
struct TypeRef {
    const Type* named = nullptr;
    std::string_view wraps = {};  // of static storage, or of the document it comes from

    bool non_null() const { return wraps.starts_with('!'); }
    TypeRef nullable() const { return {named, non_null() ? wraps.substr(1) : wraps}; }
    bool list() const { return wraps.starts_with('['); }
    TypeRef inside() const { return {named, wraps.substr(1)}; }  // without the outermost
    std::string show() const;
};

struct InputDef {
    std::string name, doc;
    TypeRef type;
    std::optional<boost::json::value> fallback = {};  // default value

    bool required() const { return type.non_null() && !fallback; }
};

// What a root field is asked with.
struct Asked {
    Source& source;
    const boost::json::object& arguments;            // coerced, defaults in
    std::function<std::vector<std::string>()> keys;  // keys of the record fields selected below; empty: none
    std::function<bool(std::string_view type)> has;  // is a field of this type selected below?
};
using Resolve = std::expected<boost::json::value, SourceError> (*)(const Asked&);
using Follow = std::expected<std::unique_ptr<RecordStream>, SourceError> (*)(const Asked&, std::function<void()> wake);

struct FieldDef {
    std::string name, doc;
    TypeRef type;
    std::vector<InputDef> inputs = {};
    std::string key = {};        // of the parent's JSON; empty: name
    Resolve resolve = nullptr;   // of Query and Mutation
    Follow follow = nullptr;     // of Subscription
    std::string_view each = {};  // an argument says how many items are below at most; or a number

    const InputDef* input(std::string_view wanted) const;
};

struct EnumDef {
    std::string name, doc;
    std::string value;  // as it stands in JSON
};

struct Type {
    TypeKind kind = TypeKind::object;
    std::string name, doc;
    std::string specified_by = {};
    std::vector<FieldDef> fields = {};
    std::vector<const Type*> interfaces = {};  // of an object
    std::vector<const Type*> possible = {};    // of an interface: its objects
    std::vector<EnumDef> values = {};
    std::string when = {};  // of an object with an interface: the record.type that it is

    const FieldDef* field(std::string_view wanted) const;
    const EnumDef* value(std::string_view wanted) const;
    bool composite() const { return kind == TypeKind::object || kind == TypeKind::interface; }
    bool input() const { return !composite(); }
    void index();  // after the last field

 private:
    std::unordered_map<std::string_view, size_t> by_name_;
};

struct DirectiveDef {
    std::string name, doc;
    std::vector<std::string_view> locations;
    std::vector<InputDef> inputs;
};

class Schema {
 public:
    Type& add(TypeKind kind, std::string name, std::string doc);
    Type* find(std::string_view name);  // while it is made
    void seal();                        // after the last type: introspection, indexes

    const Type* type(std::string_view name) const;
    const Type& must(std::string_view name) const;  // of a type that is known to be there
    const Type* root(OperationKind kind) const;
    const DirectiveDef* directive(std::string_view name) const;
    const std::vector<std::unique_ptr<Type>>& types() const { return types_; }
    const std::vector<DirectiveDef>& directives() const { return directives_; }
    const FieldDef& schema_field() const { return schema_field_; }      // __schema
    const FieldDef& type_field() const { return type_field_; }          // __type
    const FieldDef& typename_field() const { return typename_field_; }  // __typename

    // A field that may be selected on `type`, the three of introspection included.
    const FieldDef* field(const Type& type, std::string_view name) const;
    // Whether a value of one can be one of the other.
    static bool overlap(const Type& a, const Type& b);

 private:
    void add_introspection();

    std::vector<std::unique_ptr<Type>> types_;
    std::unordered_map<std::string_view, Type*> by_name_;
    std::vector<DirectiveDef> directives_;
    FieldDef schema_field_, type_field_, typename_field_;
};

// CVF's own, made from the field table once.
const Schema& fabric_schema();
// "dns.question.name" as GraphQL has it.
std::string field_name(std::string_view key);

// schema/schema.graphql, as graphql-js prints it, with a line end.
std::string print_schema(const Schema& schema);
// A default value as a literal of this type.
std::string print_value(const boost::json::value& value, TypeRef type);

}  // namespace cvf::graphql
