#include "graphql/coerce.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <cmath>

namespace cvf::graphql {
namespace {

namespace json = boost::json;

std::optional<int64_t> whole(std::string_view text) {
    int64_t out = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc() && end == text.data() + text.size() ? std::optional(out) : std::nullopt;
}

bool fits_int(int64_t n) {
    return n >= INT32_MIN && n <= INT32_MAX;
}

// What a JSON value is for this type; the error is a sentence.
std::expected<json::value, std::string> coerce_leaf(const json::value& value, const Type& type) {
    const auto no = [&] {
        std::string shown = json::serialize(value);
        if (shown.size() > 60) shown = "this value";
        return std::unexpected(fmt::format("{} is no {}", shown, type.name));
    };
    if (type.kind == TypeKind::enumeration) {
        const EnumDef* found = value.is_string() ? type.value({value.get_string().data(), value.get_string().size()}) : nullptr;
        if (!found) return no();
        return json::value(found->value);
    }
    if (type.name == "String") return value.is_string() ? std::expected<json::value, std::string>(value) : no();
    if (type.name == "Boolean") return value.is_bool() ? std::expected<json::value, std::string>(value) : no();
    if (type.name == "Int") {
        if (value.is_int64() && fits_int(value.get_int64())) return value;
        if (value.is_double() && value.get_double() == std::trunc(value.get_double()) &&
            std::abs(value.get_double()) < 2147483648.0)
            return json::value(static_cast<int64_t>(value.get_double()));
        return no();
    }
    if (type.name == "Float") return value.is_number() ? std::expected<json::value, std::string>(value) : no();
    return value;
}

std::expected<json::value, std::string> coerce_json(const json::value& value, TypeRef type) {
    if (value.is_null()) {
        if (type.non_null()) return std::unexpected(fmt::format("null is no {}", type.show()));
        return value;
    }
    type = type.nullable();
    if (!type.list()) return coerce_leaf(value, *type.named);
    json::array out;
    if (const auto* list = value.if_array()) {
        for (size_t i = 0; i < list->size(); ++i) {
            auto item = coerce_json((*list)[i], type.inside());
            if (!item) return std::unexpected(fmt::format("item {}: {}", i, item.error()));
            out.push_back(std::move(*item));
        }
    } else {
        auto item = coerce_json(value, type.inside());
        if (!item) return item;
        out.push_back(std::move(*item));
    }
    return json::value(std::move(out));
}

std::optional<json::value> leaf_value(const Type& type, const Value& value) {
    if (type.kind == TypeKind::enumeration) {
        const EnumDef* found = value.kind == Value::Kind::enumeration ? type.value(value.text) : nullptr;
        return found ? std::optional<json::value>(found->value) : std::nullopt;
    }
    const auto n = value.kind == Value::Kind::integer ? whole(value.text) : std::nullopt;
    if (type.name == "Int") return n && fits_int(*n) ? std::optional<json::value>(*n) : std::nullopt;
    if (type.name == "Float") {
        if (n) return json::value(*n);
        if (value.kind != Value::Kind::real && value.kind != Value::Kind::integer) return std::nullopt;
        double real = 0;
        const auto [end, error] = std::from_chars(value.text.data(), value.text.data() + value.text.size(), real);
        return error == std::errc() && std::isfinite(real) ? std::optional<json::value>(real) : std::nullopt;
    }
    if (type.name == "String") return value.kind == Value::Kind::text ? std::optional<json::value>(value.text) : std::nullopt;
    if (type.name == "Boolean")
        return value.kind == Value::Kind::boolean ? std::optional<json::value>(value.text == "true") : std::nullopt;
    return std::nullopt;  // no other scalar is taken as input
}

}  // namespace

std::optional<TypeRef> type_of(const Schema& schema, const TypeNode& node) {
    const Type* named = schema.type(node.name);
    return named ? std::optional(TypeRef{named, node.wraps}) : std::nullopt;
}

bool leaf_literal(const Type& type, const Value& value) {
    return leaf_value(type, value).has_value();
}

std::optional<json::value> coerce_literal(const Value& value, TypeRef type, const json::object& variables) {
    if (value.kind == Value::Kind::variable) {
        const json::value* given = variables.if_contains(value.text);
        if (!given || (given->is_null() && type.non_null())) return std::nullopt;
        return *given;
    }
    if (value.kind == Value::Kind::null) return type.non_null() ? std::nullopt : std::optional<json::value>(nullptr);
    type = type.nullable();
    if (!type.list()) return leaf_value(*type.named, value);
    json::array out;
    if (value.kind == Value::Kind::list) {
        for (const Value& item : value.items) {
            auto made = coerce_literal(item, type.inside(), variables);
            // A variable without a value is null in a list that lets it be.
            if (!made && item.kind == Value::Kind::variable && !type.inside().non_null()) made = json::value(nullptr);
            if (!made) return std::nullopt;
            out.push_back(std::move(*made));
        }
    } else {
        auto made = coerce_literal(value, type.inside(), variables);
        if (!made) return std::nullopt;
        out.push_back(std::move(*made));
    }
    return json::value(std::move(out));
}

std::expected<json::object, std::vector<Error>> coerce_variables(const Schema& schema, const Document& document,
                                                                 const Operation& operation, const json::object& given) {
    json::object out;
    std::vector<Error> errors;
    for (const VariableDefinition& def : operation.variables) {
        const auto fail = [&](std::string message) {
            errors.push_back({std::move(message), {document.place(def.at)}, {}, {{"code", "BAD_USER_INPUT"}}});
        };
        const auto type = type_of(schema, def.type);
        if (!type || !type->named->input()) continue;  // validation has told
        const json::value* value = given.if_contains(def.name);
        if (!value) {
            if (def.fallback) {
                if (auto made = coerce_literal(*def.fallback, *type, {})) out[def.name] = std::move(*made);
            } else if (type->non_null()) {
                fail(fmt::format("Variable ${} of type {} is needed and was not given", def.name, type->show()));
            }
            continue;
        }
        auto made = coerce_json(*value, *type);
        if (made)
            out[def.name] = std::move(*made);
        else
            fail(fmt::format("Variable ${}: {}", def.name, made.error()));
    }
    if (!errors.empty()) return std::unexpected(std::move(errors));
    return out;
}

std::expected<json::object, ArgumentError> coerce_arguments(const std::vector<InputDef>& inputs,
                                                            const std::vector<Argument>& arguments, const json::object& variables,
                                                            size_t at) {
    json::object out;
    for (const InputDef& input : inputs) {
        const auto found = std::ranges::find(arguments, input.name, &Argument::name);
        const bool absent =
            found == arguments.end() || (found->value.kind == Value::Kind::variable && !variables.contains(found->value.text));
        if (absent) {
            if (input.fallback)
                out[input.name] = *input.fallback;
            else if (input.type.non_null())
                return std::unexpected(ArgumentError{
                    fmt::format("Argument \"{}\" of type {} is needed and was not given", input.name, input.type.show()),
                    found == arguments.end() ? at : found->value.at});
            continue;
        }
        auto made = coerce_literal(found->value, input.type, variables);
        if (!made)
            return std::unexpected(
                ArgumentError{fmt::format("Argument \"{}\" is no {}", input.name, input.type.show()), found->value.at});
        out[input.name] = std::move(*made);
    }
    return out;
}

std::optional<size_t> null_condition(const std::vector<Selection>& selections, const json::object& variables) {
    for (const Selection& one : selections) {
        for (const DirectiveUse& use : one.directives)
            for (const Argument& argument : use.arguments)
                if (argument.value.kind == Value::Kind::variable)
                    if (const json::value* given = variables.if_contains(argument.value.text); given && given->is_null())
                        return argument.value.at;
        if (const auto below = null_condition(one.selections, variables)) return below;
    }
    return std::nullopt;
}

bool wanted(const Selection& selection, const json::object& variables) {
    for (const DirectiveUse& use : selection.directives) {
        if (use.name != "skip" && use.name != "include") continue;
        for (const Argument& argument : use.arguments) {
            if (argument.name != "if") continue;
            bool holds = argument.value.text == "true";
            if (argument.value.kind == Value::Kind::variable) {
                const json::value* given = variables.if_contains(argument.value.text);
                holds = given && given->is_bool() && given->get_bool();
            }
            if (holds == (use.name == "skip")) return false;
        }
    }
    return true;
}

}  // namespace cvf::graphql
