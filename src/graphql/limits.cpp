#include "graphql/limits.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace cvf::graphql {
namespace {

constexpr size_t ceiling = size_t{1} << 40;  // sums and products stop here

struct Size {
    size_t cost = 0, depth = 0, aliases = 0, introspection = 0;

    void beside(const Size& o) {
        cost = std::min(cost + o.cost, ceiling);
        aliases = std::min(aliases + o.aliases, ceiling);
        depth = std::max(depth, o.depth);
        introspection = std::max(introspection, o.introspection);
    }
};

class Measure {
 public:
    Measure(const Schema& schema, const Document& document, const boost::json::object& variables)
        : schema_(schema), document_(document), variables_(variables) {}

    // `items`: of the first list below, as an argument above has said; 0: it has not.
    Size of(const std::vector<Selection>& selections, const Type* parent, size_t items) {
        Size out;
        // Fragments in fragments may nest far deeper than text: no deeper than the stack can bear.
        if (level_ > 256) {
            out.depth = ceiling;
            return out;
        }
        ++level_;
        for (const Selection& one : selections) {
            if (one.kind == Selection::Kind::field)
                out.beside(field(one, parent, items));
            else if (one.kind == Selection::Kind::inline_fragment)
                out.beside(of(one.selections, one.on.empty() ? parent : schema_.type(one.on), items));
            else
                out.beside(fragment(one.name, items));
        }
        --level_;
        return out;
    }

 private:
    Size field(const Selection& selection, const Type* parent, size_t items) {
        const FieldDef* def = parent ? schema_.field(*parent, selection.name) : nullptr;
        if (!def) return {};
        const bool list = def->type.nullable().list(), introspects = def->type.named->name.starts_with("__");
        size_t below_items = items;
        if (!def->each.empty()) below_items = asked(selection, *def);
        size_t times = 1;
        if (list && def->type.named->composite()) {
            times = introspects ? 1 : items ? items : 10;  // 10: what a directive or a node has, as a rule
            below_items = 0;
        }
        Size out = of(selection.selections, def->type.named, below_items);
        out.cost = std::min(std::max<size_t>(times, 1) * (1 + out.cost), ceiling);
        ++out.depth;
        out.aliases += !selection.alias.empty();
        out.introspection += list && introspects && def->type.named->kind == TypeKind::object;
        return out;
    }

    Size fragment(const std::string& name, size_t items) {
        const auto [found, fresh] = fragments_.try_emplace({name, items});
        if (!fresh) return found->second;
        const Fragment* fragment = document_.fragment(name);
        if (!fragment) return {};
        const Size size = of(fragment->selections, schema_.type(fragment->on), items);
        return fragments_[{name, items}] = size;
    }

    size_t asked(const Selection& selection, const FieldDef& def) const {
        const auto limited = [](int64_t n) { return static_cast<size_t>(std::clamp<int64_t>(n, 1, 1'000'000)); };
        const InputDef* input = def.input(def.each);
        const boost::json::value* fallback = input && input->fallback ? &*input->fallback : nullptr;
        for (const Argument& argument : selection.arguments) {
            if (argument.name != def.each) continue;
            if (argument.value.kind == Value::Kind::integer) {
                // Validated: at most ten digits and a sign.
                return limited(std::strtoll(argument.value.text.c_str(), nullptr, 10));
            }
            if (argument.value.kind == Value::Kind::variable)
                if (const auto* given = variables_.if_contains(argument.value.text)) fallback = given;
        }
        return fallback && fallback->is_int64() ? limited(fallback->get_int64()) : 100;
    }

    const Schema& schema_;
    const Document& document_;
    const boost::json::object& variables_;
    std::map<std::pair<std::string, size_t>, Size> fragments_;
    size_t level_ = 0;
};

}  // namespace

std::optional<Error> check_limits(const Schema& schema, const Document& document, const Operation& operation,
                                  const boost::json::object& variables, const Limits& limits) {
    const Size size = Measure(schema, document, variables).of(operation.selections, schema.root(operation.kind), 0);
    const auto over = [&](const char* code, std::string message) {
        return Error{std::move(message), {document.place(operation.at)}, {}, {{"code", code}}};
    };
    if (size.depth > limits.depth)
        return over("DEPTH_LIMIT", fmt::format("fields stand more than {} deep in each other", limits.depth));
    if (size.aliases > limits.aliases)
        return over("ALIAS_LIMIT", fmt::format("{} fields have aliases, {} may", size.aliases, limits.aliases));
    if (size.introspection > limits.introspection)
        return over("INTROSPECTION_LIMIT", fmt::format("lists of introspection stand {} deep in each other, {} are allowed",
                                                       size.introspection, limits.introspection));
    if (size.cost > limits.cost)
        return over("COST_LIMIT",
                    fmt::format("the answer may have {} fields, {} are allowed: ask for less by `first`, or fewer fields",
                                size.cost, limits.cost));
    return std::nullopt;
}

}  // namespace cvf::graphql
