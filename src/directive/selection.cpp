#include "directive/selection.h"

#include <fmt/format.h>

#include <algorithm>

#include "directive/glob.h"

namespace cvf::directive {

namespace {

bool is_id_prefix(std::string_view text) {
    return text.size() >= 12 && text.size() <= 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string joined(std::vector<std::string>& terms, std::string_view by) {
    if (terms.size() == 1) return terms[0];
    return fmt::format("({})", fmt::join(terms, by));
}

// All conditions at one end; `end` is "source.", "destination." or nothing.
std::string at_end(const Selector& s, std::string_view end) {
    const auto key = [&](std::string_view name) { return fmt::format("{}{}", end, name); };
    std::vector<std::string> conditions;
    const auto names = [&](const std::vector<std::string>& patterns, std::initializer_list<std::string_view> fields) {
        if (patterns.empty()) return;
        std::vector<std::string> terms;
        for (const std::string_view field : fields) terms.push_back(glob_expression(key(field), patterns));
        conditions.push_back(fmt::format("({})", fmt::join(terms, " || ")));
    };
    names(s.namespaces, {"k8s.namespace.name"});
    names(s.pods, {"k8s.pod.name"});
    for (const auto& [name, value] : s.pod_labels) {
        std::vector<std::string> terms;
        // Of the pod where its labels are known, else of the container.
        for (const std::string_view map : {"k8s.pod.label", "container.label"})
            if (record::field_by_key(key(map)))
                terms.push_back(fmt::format("{}[{}] == {}", key(map), expression_literal(name), expression_literal(value)));
        conditions.push_back(joined(terms, " || "));
    }
    if (!s.containers.empty()) {
        std::vector<std::string> terms{glob_expression(key("k8s.container.name"), s.containers),
                                       glob_expression(key("container.name"), s.containers)};
        for (const std::string& container : s.containers)
            if (is_id_prefix(container))
                terms.push_back(fmt::format("{}.startsWith({})", key("container.id"), expression_literal(container)));
        conditions.push_back(joined(terms, " || "));
    }
    std::vector<std::string> programs, paths;
    for (const std::string& process : s.processes) (process.find('/') == std::string::npos ? programs : paths).push_back(process);
    std::vector<std::string> terms;
    if (!programs.empty()) terms.push_back(glob_expression(key("process.executable.name"), programs));
    if (!paths.empty()) terms.push_back(glob_expression(key("process.executable.path"), paths));
    if (!terms.empty()) conditions.push_back(fmt::format("({})", fmt::join(terms, " || ")));
    return fmt::format("{}", fmt::join(conditions, " && "));
}

bool is_of_comment(std::string_view expression) {  // matches all
    const auto filter = filter::Filter::compile(expression);
    return filter && filter->always_true();
}

// Each in brackets of its own, a line each: an expression may end in a comment.
std::string all_of(std::initializer_list<std::string_view> expressions) {
    std::string out;
    for (const std::string_view e : expressions) {
        if (e.empty() || e == "true" || is_of_comment(e)) continue;
        if (!out.empty()) out += " && ";
        out += fmt::format("({}\n)", e);
    }
    return out;
}

std::expected<filter::Filter, std::string> compiled(const std::string& whole) {
    auto filter = filter::Filter::compile(whole);
    if (!filter)
        return std::unexpected(fmt::format("the selector and the expression together do not go: {}", filter.error().message));
    return std::move(*filter);
}

}  // namespace

bool selects_node(const Selector& selector, std::string_view name, const Labels& labels) {
    if (!selector.nodes.empty() && !any_glob_matches(selector.nodes, name)) return false;
    return std::ranges::all_of(selector.node_labels, [&](const auto& wanted) {
        const auto at = labels.find(wanted.first);
        return at != labels.end() && at->second == wanted.second;
    });
}

TypeBits types_of(const Directive& directive) {
    TypeBits types;
    if (directive.kind == Kind::topology) return types;
    if (directive.kind == Kind::flow) return types.set(static_cast<size_t>(record::RecordType::flow));
    for (const std::string& name : directive.spec.types)
        if (const auto type = record::type_by_name(name)) types.set(static_cast<size_t>(*type));
    return directive.spec.types.empty() ? types.set() : types;
}

std::string selector_expression(const Selector& selector) {
    if (at_end(selector, "").empty()) return "true";
    return fmt::format("({}) || ({}) || ({})", at_end(selector, "source."), at_end(selector, "destination."),
                       at_end(selector, ""));
}

std::string exclusion_expression(const std::vector<std::string>& namespaces) {
    if (namespaces.empty()) return "true";
    std::vector<std::string> ends;
    // Where the field is absent the comparison has no value; has() decides then.
    for (const std::string_view field : {"source.k8s.namespace.name", "destination.k8s.namespace.name", "k8s.namespace.name"})
        ends.push_back(fmt::format("!(has({}) && ({}))", field, glob_expression(field, namespaces)));
    return fmt::format("{}", fmt::join(ends, " && "));
}

std::expected<Selection, std::string> compile(const Directive& directive, std::string_view restriction) {
    const Spec& spec = directive.spec;
    const std::string whole = all_of({selector_expression(spec.selector), spec.filter, restriction});
    auto filter = compiled(whole);
    if (!filter) return std::unexpected(std::move(filter.error()));
    std::optional<record::Projection> fields;
    if (!spec.fields.empty()) {
        auto parsed = record::Projection::parse(spec.fields);
        if (!parsed) return std::unexpected(std::move(parsed.error()));
        fields = *parsed;
    }
    Pushdown pushdown = pushdown_of(*filter, types_of(directive));
    return Selection{types_of(directive), std::move(*filter), fields, std::move(pushdown)};
}

std::expected<filter::Filter, std::string> compile_trigger(const Directive& directive, std::string_view restriction) {
    return compiled(all_of({selector_expression(directive.spec.selector), directive.spec.trigger, restriction}));
}

}  // namespace cvf::directive
