#include "graphql/collect.h"

#include <algorithm>
#include <unordered_map>

namespace cvf::graphql {

struct Collector::Builder {
    const Request& request;
    const Type& type;
    FieldGroups out = {};
    std::unordered_map<std::string_view, size_t> places = {};
    std::set<const Fragment*> visited = {};

    bool applies(std::string_view on) const {
        if (on.empty() || on == type.name) return true;
        const Type* condition = request.schema.type(on);
        return condition && std::ranges::find(type.interfaces, condition) != type.interfaces.end();
    }

    void add(const std::vector<Selection>& selections) {
        for (const Selection& one : selections) {
            if (!wanted(one, request.variables)) continue;
            if (one.kind == Selection::Kind::field) {
                const auto [place, fresh] = places.try_emplace(one.response_name(), out.size());
                if (fresh) out.push_back({one.response_name(), {}, request.schema.field(type, one.name), {}});
                out[place->second].nodes.push_back(&one);
            } else if (one.kind == Selection::Kind::inline_fragment) {
                if (applies(one.on)) add(one.selections);
            } else if (const Fragment* fragment = request.document.fragment(one.name);
                       fragment && visited.insert(fragment).second) {
                if (applies(fragment->on)) add(fragment->selections);
            }
        }
    }
};

FieldGroups Collector::make(const std::vector<const std::vector<Selection>*>& sets, const Type& type) const {
    Builder builder{request_, type};
    for (const auto* set : sets) builder.add(*set);
    std::erase_if(builder.out, [](const FieldGroup& group) { return !group.def; });  // validation lets none be
    for (FieldGroup& group : builder.out)
        group.arguments = coerce_arguments(group.def->inputs, group.node().arguments, request_.variables, group.node().at);
    return std::move(builder.out);
}

const FieldGroups& Collector::root() {
    auto& kept = kept_[{nullptr, nullptr}];
    if (!kept)
        kept =
            std::make_unique<FieldGroups>(make({&request_.operation.selections}, *request_.schema.root(request_.operation.kind)));
    return *kept;
}

const FieldGroups& Collector::below(const FieldGroup& of, const Type& type) {
    auto& kept = kept_[{&of, &type}];
    if (!kept) {
        std::vector<const std::vector<Selection>*> sets;
        for (const Selection* node : of.nodes) sets.push_back(&node->selections);
        kept = std::make_unique<FieldGroups>(make(sets, type));
    }
    return *kept;
}

void Collector::keys_below(const FieldGroup& of, std::set<std::string>& out) {
    const Type* type = of.def->type.named;
    if (!type->composite()) return;
    std::vector<const Type*> objects = type->possible;
    if (type->kind == TypeKind::object) objects = {type};
    for (const Type* object : objects) {
        for (const FieldGroup& group : below(of, *object)) {
            if (!object->when.empty())
                out.insert(group.def->name == "__typename" ? "record.type" : group.def->key);
            else
                keys_below(group, out);
        }
    }
}

bool Collector::reaches(const FieldGroup& of, std::string_view type) {
    const Type* here = of.def->type.named;
    if (here->kind != TypeKind::object) return false;
    for (const FieldGroup& group : below(of, *here))
        if (group.def->type.named->name == type || reaches(group, type)) return true;
    return false;
}

std::vector<std::string> Collector::record_keys(const FieldGroup& of) {
    std::set<std::string> keys;
    keys_below(of, keys);
    return {keys.begin(), keys.end()};
}

}  // namespace cvf::graphql
