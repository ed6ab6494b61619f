// Values and variables: sections 5.6 and 5.8.
#include <fmt/format.h>

#include "graphql/coerce.h"
#include "graphql/validator.h"

namespace cvf::graphql {
namespace {

// Whether a value of `sub` is one of `super`.
bool is_subtype(TypeRef sub, TypeRef super) {
    for (;;) {
        if (super.non_null() && !sub.non_null()) return false;
        sub = sub.nullable();
        super = super.nullable();
        if (sub.list() != super.list()) return false;
        if (!sub.list()) return sub.named == super.named;
        sub = sub.inside();
        super = super.inside();
    }
}

}  // namespace

void Validator::value(const Value& value, std::optional<TypeRef> type, bool fallback, References* references) {
    if (value.kind == Value::Kind::variable) {
        if (references) references->variables.push_back({value.text, value.at, type, fallback});
        return;
    }
    if (value.kind == Value::Kind::null) {
        if (type && type->non_null()) fail(fmt::format("Expected a value of type \"{}\", found null", type->show()), {value.at});
        return;
    }
    if (value.kind == Value::Kind::list) {
        const bool list = type && type->nullable().list();
        if (type && !list) fail(fmt::format("Expected a value of type \"{}\", found a list", type->show()), {value.at});
        for (const Value& item : value.items)
            this->value(item, list ? std::optional(type->nullable().inside()) : std::nullopt, false, references);
        return;
    }
    if (value.kind == Value::Kind::object) {
        if (type) fail(fmt::format("Expected a value of type \"{}\", found an object", type->show()), {value.at});
        std::map<std::string_view, size_t> seen;
        for (size_t i = 0; i < value.items.size(); ++i) {
            const auto [first, fresh] = seen.emplace(value.names[i], value.names_at[i]);
            if (!fresh)
                fail(fmt::format("There can be only one field \"{}\"", value.names[i]), {first->second, value.names_at[i]});
            this->value(value.items[i], std::nullopt, false, references);
        }
        return;
    }
    if (!type || !type->named->input() || leaf_literal(*type->named, value)) return;
    std::string hint;
    if (type->named->kind == TypeKind::enumeration) {
        std::vector<std::string_view> names;
        for (const EnumDef& one : type->named->values) names.emplace_back(one.name);
        hint = did_you_mean(value.text, names);
    }
    std::string shown = value.text.size() > 60 ? "this" : value.text;
    if (value.kind == Value::Kind::text) shown = '"' + shown + '"';
    fail(fmt::format("Expected a value of type \"{}\", found {}{}", type->show(), shown, hint), {value.at});
}

void Validator::variables(const Operation& operation) {
    std::map<std::string_view, size_t> seen;
    for (const VariableDefinition& def : operation.variables) {
        const auto [first, fresh] = seen.emplace(def.name, def.at);
        if (!fresh) fail(fmt::format("There can be only one variable \"${}\"", def.name), {first->second, def.at});
        const auto type = type_of(schema_, def.type);
        if (!type) {
            std::vector<std::string_view> names;
            for (const auto& one : schema_.types())
                if (one->input()) names.emplace_back(one->name);
            fail(fmt::format("There is no type \"{}\"{}", def.type.name, did_you_mean(def.type.name, names)), {def.type.at});
        } else if (!type->named->input()) {
            fail(fmt::format("Variable \"${}\" can't be of type \"{}\", which only answers have", def.name, type->show()),
                 {def.type.at});
        }
        if (def.fallback) value(*def.fallback, type, false, nullptr);
    }
}

bool Validator::usable(const VariableDefinition& def, TypeRef of, const Usage& usage) {
    if (!usage.type->non_null() || of.non_null()) return is_subtype(of, *usage.type);
    const bool has_default = def.fallback && def.fallback->kind != Value::Kind::null;
    return (has_default || usage.fallback) && is_subtype(of, usage.type->nullable());
}

}  // namespace cvf::graphql
