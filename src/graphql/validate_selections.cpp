// Fields, fragments, directives and arguments: sections 5.3, 5.4, 5.5 and 5.7.
#include <fmt/format.h>

#include <algorithm>

#include "graphql/validator.h"

namespace cvf::graphql {

void Validator::selections(const std::vector<Selection>& set, const Type* parent, References& references) {
    for (const Selection& one : set) {
        if (one.kind == Selection::Kind::field)
            field(one, parent, references);
        else if (one.kind == Selection::Kind::spread)
            spread(one, parent, references);
        else
            inline_fragment(one, parent, references);
    }
}

void Validator::field(const Selection& field, const Type* parent, References& references) {
    const FieldDef* def = parent && parent->composite() ? schema_.field(*parent, field.name) : nullptr;
    if (parent && parent->composite() && !def) {
        std::vector<std::string_view> names;
        for (const FieldDef& one : parent->fields) names.emplace_back(one.name);
        std::string hint = did_you_mean(field.name, names);
        for (const Type* possible : parent->possible)
            if (hint.empty() && possible->field(field.name))
                hint = fmt::format("; did you mean a fragment on \"{}\"?", possible->name);
        fail(fmt::format("There is no field \"{}\" on type \"{}\"{}", field.name, parent->name, hint), {field.at});
    }
    directives(field.directives, "FIELD", references);
    arguments(field.arguments, def ? &def->inputs : nullptr, fmt::format("field \"{}\"", field.name), field.at, references);
    const Type* type = def ? def->type.named : nullptr;
    if (type && !type->composite() && !field.selections.empty())
        fail(fmt::format("Field \"{}\" of type \"{}\" has no fields of its own", field.name, def->type.show()),
             {field.selections.front().at});
    if (type && type->composite() && field.selections.empty())
        fail(fmt::format("Field \"{0}\" of type \"{1}\" needs a selection of its fields: \"{0} {{ … }}\"", field.name,
                         def->type.show()),
             {field.at});
    selections(field.selections, type && type->composite() ? type : nullptr, references);
}

void Validator::spread(const Selection& spread, const Type* parent, References& references) {
    directives(spread.directives, "FRAGMENT_SPREAD", references);
    const Fragment* fragment = document_.fragment(spread.name);
    if (!fragment) {
        std::vector<std::string_view> names;
        for (const Fragment& one : document_.fragments) names.emplace_back(one.name);
        fail(fmt::format("There is no fragment \"{}\"{}", spread.name, did_you_mean(spread.name, names)), {spread.at});
        return;
    }
    references.spreads.push_back(&spread);
    const Type* on = schema_.type(fragment->on);
    if (on && on->composite() && parent && !Schema::overlap(*on, *parent))
        fail(fmt::format("Fragment \"{}\" can't stand here: no \"{}\" is ever a \"{}\"", spread.name, parent->name, on->name),
             {spread.at});
}

void Validator::inline_fragment(const Selection& fragment, const Type* parent, References& references) {
    const Type* on = parent;
    if (!fragment.on.empty()) {
        on = condition(fragment.on, fragment.on_at);
        if (on && parent && !Schema::overlap(*on, *parent))
            fail(fmt::format("A fragment on \"{}\" can't stand here: no \"{}\" is ever one", on->name, parent->name),
                 {fragment.at});
    }
    directives(fragment.directives, "INLINE_FRAGMENT", references);
    selections(fragment.selections, on, references);
}

const Type* Validator::condition(const std::string& name, size_t at) {
    const Type* type = schema_.type(name);
    if (!type) {
        std::vector<std::string_view> names;
        for (const auto& one : schema_.types())
            if (one->composite()) names.emplace_back(one->name);
        fail(fmt::format("There is no type \"{}\"{}", name, did_you_mean(name, names)), {at});
    } else if (!type->composite()) {
        fail(fmt::format("A fragment can't be on \"{}\", which has no fields", name), {at});
        return nullptr;
    }
    return type;
}

void Validator::directives(const std::vector<DirectiveUse>& uses, std::string_view location, References& references) {
    for (size_t i = 0; i < uses.size(); ++i) {
        const DirectiveUse& use = uses[i];
        const DirectiveDef* def = schema_.directive(use.name);
        if (!def)
            fail(fmt::format("There is no directive \"@{}\"", use.name), {use.at});
        else if (std::ranges::find(def->locations, location) == def->locations.end())
            fail(fmt::format("Directive \"@{}\" can't stand on {}", use.name, location), {use.at});

        const auto first = std::ranges::find(uses, use.name, &DirectiveUse::name);
        if (def && first != uses.begin() + static_cast<ptrdiff_t>(i))
            fail(fmt::format("Directive \"@{}\" can stand here only once", use.name), {first->at, use.at});
        arguments(use.arguments, def ? &def->inputs : nullptr, fmt::format("directive \"@{}\"", use.name), use.at, references);
    }
}

void Validator::arguments(const std::vector<Argument>& given, const std::vector<InputDef>* inputs, const std::string& of,
                          size_t at, References& references) {
    std::map<std::string_view, size_t> seen;
    for (const Argument& argument : given) {
        const auto [first, fresh] = seen.emplace(argument.name, argument.at);
        if (!fresh) fail(fmt::format("There can be only one argument \"{}\"", argument.name), {first->second, argument.at});
        const InputDef* input = nullptr;
        if (inputs) {
            const auto found = std::ranges::find(*inputs, argument.name, &InputDef::name);
            if (found != inputs->end()) {
                input = &*found;
            } else {
                std::vector<std::string_view> names;
                for (const InputDef& one : *inputs) names.emplace_back(one.name);
                fail(fmt::format("There is no argument \"{}\" of {}{}", argument.name, of, did_you_mean(argument.name, names)),
                     {argument.at});
            }
        }
        value(argument.value, input ? std::optional(input->type) : std::nullopt, input && input->fallback, &references);
    }
    if (!inputs) return;
    for (const InputDef& input : *inputs)
        if (input.required() && !seen.contains(input.name))
            fail(fmt::format("{} needs the argument \"{}\" of type \"{}\"", of, input.name, input.type.show()), {at});
}

}  // namespace cvf::graphql
