#include "graphql/validate.h"

#include <fmt/format.h>

#include <algorithm>

#include "graphql/coerce.h"
#include "graphql/validator.h"
#include "record/nearest.h"

namespace cvf::graphql {

std::string did_you_mean(std::string_view name, const std::vector<std::string_view>& candidates) {
    const std::string_view near = record::nearest(name, candidates);
    return near.empty() ? std::string() : fmt::format("; did you mean \"{}\"?", near);
}

std::vector<Error> validate(const Schema& schema, const Document& document) {
    return Validator(schema, document).run();
}

void Validator::fail(std::string message, std::initializer_list<size_t> at) {
    if (errors_.size() >= max_errors) return;
    Error error{std::move(message), {}, {}, {{"code", "GRAPHQL_VALIDATION_FAILED"}}};
    for (const size_t one : at) error.places.push_back(document_.place(one));
    errors_.push_back(std::move(error));
}

std::vector<Error> Validator::run() {
    operation_names();
    std::set<std::string_view> names;
    for (const Fragment& fragment : document_.fragments)
        if (!names.insert(fragment.name).second)
            fail(fmt::format("There can be only one fragment named \"{}\"", fragment.name),
                 {document_.fragment(fragment.name)->name_at, fragment.name_at});
    for (const Operation& operation : document_.operations) definition(operation);
    for (const Fragment& fragment : document_.fragments) definition(fragment);
    cycles();
    std::set<const Fragment*> used;
    for (const Operation& operation : document_.operations) {
        reach(operations_[&operation], used);
        variables_of(operation);
        if (operation.kind == OperationKind::subscription) single_field(operation);
    }
    for (const Fragment& fragment : document_.fragments)
        if (!used.contains(&fragment) && document_.fragment(fragment.name) == &fragment)
            fail(fmt::format("Fragment \"{}\" is never used", fragment.name), {fragment.at});
    if (!overlapping_fields(schema_, document_, errors_))
        fail("The document is too complex: its fragments expand to too many fields", {});
    return std::move(errors_);
}

void Validator::operation_names() {
    std::map<std::string_view, size_t> seen;
    for (const Operation& operation : document_.operations) {
        if (operation.name.empty()) {
            if (document_.operations.size() > 1)
                fail("An operation without a name must be the only one in its document", {operation.at});
            continue;
        }
        const auto [first, fresh] = seen.emplace(operation.name, operation.name_at);
        if (!fresh)
            fail(fmt::format("There can be only one operation named \"{}\"", operation.name), {first->second, operation.name_at});
    }
}

void Validator::definition(const Operation& operation) {
    References& references = operations_[&operation];
    static constexpr std::string_view locations[] = {"QUERY", "MUTATION", "SUBSCRIPTION"};
    variables(operation);
    for (const VariableDefinition& def : operation.variables) directives(def.directives, "VARIABLE_DEFINITION", references);
    directives(operation.directives, locations[static_cast<size_t>(operation.kind)], references);
    selections(operation.selections, schema_.root(operation.kind), references);
}

void Validator::definition(const Fragment& fragment) {
    References& references = fragments_[&fragment];
    const Type* type = condition(fragment.on, fragment.on_at);
    directives(fragment.directives, "FRAGMENT_DEFINITION", references);
    selections(fragment.selections, type, references);
}

// A depth-first search that looks at each fragment once; an edge back to one on the way makes a cycle.
void Validator::cycles() {
    enum class Mark : uint8_t { fresh, open, closed };
    std::map<const Fragment*, Mark> marks;
    struct Step {
        const Fragment* fragment;
        size_t next;
    };
    for (const Fragment& root : document_.fragments) {
        if (marks[&root] != Mark::fresh) continue;
        std::vector<Step> way{{&root, 0}};
        marks[&root] = Mark::open;
        while (!way.empty()) {
            Step& step = way.back();
            const auto& spreads = fragments_[step.fragment].spreads;
            if (step.next == spreads.size()) {
                marks[step.fragment] = Mark::closed;
                way.pop_back();
                continue;
            }
            const Selection* spread = spreads[step.next++];
            const Fragment* to = document_.fragment(spread->name);
            if (!to || marks[to] == Mark::closed) continue;
            if (marks[to] == Mark::open) {
                fail(fmt::format("Fragment \"{}\" spreads itself, here or through others", to->name), {spread->at});
                continue;
            }
            marks[to] = Mark::open;
            way.push_back({to, 0});
        }
    }
}

void Validator::reach(const References& from, std::set<const Fragment*>& into) {
    std::vector<const References*> open{&from};
    while (!open.empty()) {
        const References* references = open.back();
        open.pop_back();
        for (const Selection* spread : references->spreads) {
            const Fragment* fragment = document_.fragment(spread->name);
            if (fragment && into.insert(fragment).second) open.push_back(&fragments_[fragment]);
        }
    }
}

void Validator::variables_of(const Operation& operation) {
    std::set<const Fragment*> reached;
    reach(operations_[&operation], reached);
    std::vector<const References*> all{&operations_[&operation]};
    for (const Fragment* fragment : reached) all.push_back(&fragments_[fragment]);
    std::set<std::string_view> used;
    const std::string in = operation.name.empty() ? std::string() : fmt::format(" of operation \"{}\"", operation.name);
    for (const References* references : all) {
        for (const Usage& usage : references->variables) {
            const auto def = std::ranges::find(operation.variables, usage.name, &VariableDefinition::name);
            if (def == operation.variables.end()) {
                fail(fmt::format("Variable \"${}\" is not among the variables{}", usage.name, in), {usage.at, operation.at});
                continue;
            }
            used.insert(usage.name);
            const auto type = type_of(schema_, def->type);
            if (type && usage.type && !usable(*def, *type, usage))
                fail(fmt::format("Variable \"${}\" of type \"{}\" is used where \"{}\" is wanted", usage.name, type->show(),
                                 usage.type->show()),
                     {def->at, usage.at});
        }
    }
    for (const VariableDefinition& def : operation.variables)
        if (!used.contains(def.name)) fail(fmt::format("Variable \"${}\"{} is never used", def.name, in), {def.at});
}

void Validator::collect_root(const std::vector<Selection>& set, std::set<std::string_view>& visited,
                             std::vector<const Selection*>& fields) {
    for (const Selection& one : set) {
        if (one.kind == Selection::Kind::field) {
            fields.push_back(&one);
        } else if (one.kind == Selection::Kind::inline_fragment) {
            collect_root(one.selections, visited, fields);
        } else if (const Fragment* fragment = document_.fragment(one.name); fragment && visited.insert(one.name).second) {
            collect_root(fragment->selections, visited, fields);
        }
    }
}

void Validator::single_field(const Operation& operation) {
    std::set<std::string_view> visited;
    std::vector<const Selection*> fields;
    collect_root(operation.selections, visited, fields);
    for (const Selection* field : fields) {
        if (field->response_name() != fields.front()->response_name()) {
            fail("A subscription must ask for one field", {field->at});
            break;
        }
    }
    for (const Selection* field : fields)
        if (field->name.starts_with("__")) fail("A subscription must not ask for a field of introspection", {field->at});
}

}  // namespace cvf::graphql
