// Fields that would stand under one name in an answer must be the same (section 5.3.2).
//
// Not pair by pair, which takes quadratic time and with nested fragments exponential: selections that merge are gathered into one
// set, whose fields are grouped by name, and each set is looked at once. Two questions: do all of a group have one shape; and
// have those that can stand on one object the same name and arguments.
#include <fmt/format.h>

#include <algorithm>

#include "graphql/validator.h"

namespace cvf::graphql {
namespace {

struct Found {
    const Selection* field;
    const Type* parent;   // null: not known
    const FieldDef* def;  // likewise
    bool operator<(const Found& o) const { return std::tie(field, parent) < std::tie(o.field, o.parent); }
    bool operator==(const Found& o) const { return field == o.field && parent == o.parent; }
};
using Set = std::vector<Found>;  // sorted, none twice
using Groups = std::map<std::string_view, Set>;

bool same_value(const Value& a, const Value& b) {
    if (a.kind != b.kind || a.text != b.text || a.items.size() != b.items.size()) return false;
    if (a.kind != Value::Kind::object) {
        for (size_t i = 0; i < a.items.size(); ++i)
            if (!same_value(a.items[i], b.items[i])) return false;
        return true;
    }
    for (size_t i = 0; i < a.items.size(); ++i) {
        const auto other = std::ranges::find(b.names, a.names[i]);
        if (other == b.names.end() || !same_value(a.items[i], b.items[static_cast<size_t>(other - b.names.begin())]))
            return false;
    }
    return true;
}

bool same_arguments(const Selection& a, const Selection& b) {
    if (a.arguments.size() != b.arguments.size()) return false;
    return std::ranges::all_of(a.arguments, [&](const Argument& one) {
        const auto other = std::ranges::find(b.arguments, one.name, &Argument::name);
        return other != b.arguments.end() && same_value(one.value, other->value);
    });
}

bool same_shape(TypeRef a, TypeRef b) {
    if (a.wraps != b.wraps) return false;
    return (a.named->composite() && b.named->composite()) || a.named == b.named;
}

class Overlap {
 public:
    Overlap(const Schema& schema, const Document& document, std::vector<Error>& errors)
        : schema_(schema), document_(document), errors_(errors) {}

    bool run() {
        for (const Operation& operation : document_.operations) check(set_of(operation.selections, schema_.root(operation.kind)));
        for (const Fragment& fragment : document_.fragments) check(set_of(fragment.selections, schema_.type(fragment.on)));
        return work_ <= max_overlap_work;
    }

 private:
    void check(const Set& set) {
        shapes(set);
        arguments(set);
    }

    void gather(const std::vector<Selection>& selections, const Type* parent, std::set<const Fragment*>& visited, Set& out) {
        for (const Selection& one : selections) {
            if (++work_ > max_overlap_work) return;
            if (one.kind == Selection::Kind::field) {
                out.push_back({&one, parent, parent && parent->composite() ? schema_.field(*parent, one.name) : nullptr});
            } else if (one.kind == Selection::Kind::inline_fragment) {
                gather(one.selections, one.on.empty() ? parent : schema_.type(one.on), visited, out);
            } else if (const Fragment* fragment = document_.fragment(one.name); fragment && visited.insert(fragment).second) {
                gather(fragment->selections, schema_.type(fragment->on), visited, out);
            }
        }
    }

    static void tidy(Set& set) {
        std::sort(set.begin(), set.end());
        set.erase(std::unique(set.begin(), set.end()), set.end());
    }

    Set set_of(const std::vector<Selection>& selections, const Type* parent) {
        Set out;
        std::set<const Fragment*> visited;
        gather(selections, parent, visited, out);
        tidy(out);
        return out;
    }

    // What is below all of a group, merged.
    Set below(const Set& group) {
        Set out;
        std::set<const Fragment*> visited;
        for (const Found& one : group) gather(one.field->selections, one.def ? one.def->type.named : nullptr, visited, out);
        tidy(out);
        return out;
    }

    static Groups by_name(const Set& set) {
        Groups out;
        for (const Found& one : set) out[one.field->response_name()].push_back(one);
        return out;
    }

    bool enough() const { return work_ > max_overlap_work || errors_.size() >= max_errors; }

    void shapes(const Set& set) {
        if (set.empty() || enough() || !shapes_seen_.insert(set).second) return;
        for (const auto& [name, group] : by_name(set)) {
            const auto first = std::ranges::find_if(group, [](const Found& one) { return one.def != nullptr; });
            for (auto one = first; one != group.end(); ++one)
                if (one->def && !same_shape(first->def->type, one->def->type)) {
                    conflict(name, *first, *one,
                             fmt::format("they are of types \"{}\" and \"{}\"", first->def->type.show(), one->def->type.show()));
                    break;
                }
            shapes(below(group));
        }
    }

    void arguments(const Set& set) {
        if (set.empty() || enough() || !arguments_seen_.insert(set).second) return;
        for (const auto& [name, group] : by_name(set)) {
            // Fields of an interface can stand on any object; those of two objects never on one.
            std::map<const Type*, Set> objects;
            Set common;
            for (const Found& one : group) {
                if (one.parent && one.parent->kind == TypeKind::object)
                    objects[one.parent].push_back(one);
                else
                    common.push_back(one);
            }
            if (objects.empty()) objects[nullptr];
            for (auto& [object, together] : objects) {
                work_ += common.size();
                if (enough()) return;
                together.insert(together.end(), common.begin(), common.end());
                std::ranges::sort(together, {}, [](const Found& one) { return one.field->at; });
                const Found& first = together.front();
                for (const Found& one : together) {
                    if (one.field == first.field) continue;
                    if (first.field->name != one.field->name) {
                        conflict(name, first, one,
                                 fmt::format("\"{}\" and \"{}\" are different fields", first.field->name, one.field->name));
                        break;
                    }
                    if (!same_arguments(*first.field, *one.field)) {
                        conflict(name, first, one, "they have different arguments");
                        break;
                    }
                }
                tidy(together);
                arguments(below(together));
            }
        }
    }

    void conflict(std::string_view name, const Found& a, const Found& b, const std::string& why) {
        const auto pair = std::minmax(a.field->at, b.field->at);
        if (errors_.size() >= max_errors || !told_.insert(pair).second) return;
        errors_.push_back({fmt::format("Fields \"{}\" conflict: {}; give one of them another alias", name, why),
                           {document_.place(pair.first), document_.place(pair.second)},
                           {},
                           {{"code", "GRAPHQL_VALIDATION_FAILED"}}});
    }

    const Schema& schema_;
    const Document& document_;
    std::vector<Error>& errors_;
    std::set<Set> shapes_seen_, arguments_seen_;
    std::set<std::pair<size_t, size_t>> told_;
    size_t work_ = 0;
};

}  // namespace

bool overlapping_fields(const Schema& schema, const Document& document, std::vector<Error>& errors) {
    return Overlap(schema, document, errors).run();
}

}  // namespace cvf::graphql
