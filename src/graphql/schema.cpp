#include "graphql/schema.h"

#include <algorithm>
#include <cassert>

namespace cvf::graphql {

std::string TypeRef::show() const {
    return TypeNode{named ? named->name : std::string(), std::string(wraps), 0}.show();
}

const InputDef* FieldDef::input(std::string_view wanted) const {
    const auto found = std::ranges::find(inputs, wanted, &InputDef::name);
    return found == inputs.end() ? nullptr : &*found;
}

const FieldDef* Type::field(std::string_view wanted) const {
    const auto found = by_name_.find(wanted);
    return found == by_name_.end() ? nullptr : &fields[found->second];
}

const EnumDef* Type::value(std::string_view wanted) const {
    const auto found = std::ranges::find(values, wanted, &EnumDef::name);
    return found == values.end() ? nullptr : &*found;
}

void Type::index() {
    for (size_t i = 0; i < fields.size(); ++i) by_name_.emplace(fields[i].name, i);
}

Type& Schema::add(TypeKind kind, std::string name, std::string doc) {
    Type& out = *types_.emplace_back(std::make_unique<Type>());
    out.kind = kind;
    out.name = std::move(name);
    out.doc = std::move(doc);
    by_name_.emplace(out.name, &out);
    return out;
}

void Schema::seal() {
    add_introspection();
    for (const auto& type : types_) {
        type->index();
        for (const Type* interface : type->interfaces) by_name_.at(interface->name)->possible.push_back(type.get());
    }
}

const Type* Schema::type(std::string_view name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : found->second;
}

Type* Schema::find(std::string_view name) {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : found->second;
}

const Type& Schema::must(std::string_view name) const {
    const Type* found = type(name);
    assert(found);
    return *found;
}

const Type* Schema::root(OperationKind kind) const {
    static constexpr std::string_view names[] = {"Query", "Mutation", "Subscription"};
    return type(names[static_cast<size_t>(kind)]);
}

const DirectiveDef* Schema::directive(std::string_view name) const {
    const auto found = std::ranges::find(directives_, name, &DirectiveDef::name);
    return found == directives_.end() ? nullptr : &*found;
}

const FieldDef* Schema::field(const Type& type, std::string_view name) const {
    if (name.starts_with("__")) {
        if (name == "__typename" && type.composite()) return &typename_field_;
        if (type.name != "Query") return nullptr;
        return name == "__schema" ? &schema_field_ : name == "__type" ? &type_field_ : nullptr;
    }
    return type.field(name);
}

bool Schema::overlap(const Type& a, const Type& b) {
    if (&a == &b) return true;
    const auto among = [](const Type& x, const Type& y) { return std::ranges::find(x.possible, &y) != x.possible.end(); };
    if (a.kind == TypeKind::interface && b.kind == TypeKind::interface)
        return std::ranges::any_of(a.possible, [&](const Type* t) { return among(b, *t); });
    return among(a, b) || among(b, a);
}

}  // namespace cvf::graphql
