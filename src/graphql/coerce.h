// Values from outside, made what the schema says: variables, arguments, literals. GraphQL October 2021, 6.1.2, 6.4.1, section 3.
//
// Thread rule: pure. Enumerations come out as they stand in JSON (EnumDef::value).
#pragma once

#include <boost/json/object.hpp>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "graphql/schema.h"
#include "graphql/syntax.h"

namespace cvf::graphql {

// A type that a document names; nothing: there is none such. Borrows from both.
std::optional<TypeRef> type_of(const Schema& schema, const TypeNode& node);

// A literal without variables in it, as far as it is one: whether it may stand for the scalar or enumeration.
bool leaf_literal(const Type& type, const Value& value);
// Nothing: not possible, or a variable in it has no value.
std::optional<boost::json::value> coerce_literal(const Value& value, TypeRef type, const boost::json::object& variables);

std::expected<boost::json::object, std::vector<Error>> coerce_variables(const Schema& schema, const Document& document,
                                                                        const Operation& operation,
                                                                        const boost::json::object& given);

struct ArgumentError {
    std::string message;
    size_t at = 0;
};
// `at` is where the error of one that is missing points.
std::expected<boost::json::object, ArgumentError> coerce_arguments(const std::vector<InputDef>& inputs,
                                                                   const std::vector<Argument>& arguments,
                                                                   const boost::json::object& variables, size_t at);

// The place of a @skip or @include whose condition is null: a variable that may not be there, and was given null all the same.
std::optional<size_t> null_condition(const std::vector<Selection>& selections, const boost::json::object& variables);

// False: left out by @skip or @include.
bool wanted(const Selection& selection, const boost::json::object& variables);

}  // namespace cvf::graphql
