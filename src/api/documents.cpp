#include "api/documents.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <span>

#include "api/call.h"
#include "directive/write.h"
#include "record/nearest.h"

namespace cvf::api {

namespace json = boost::json;

// ---- labels

std::expected<LabelSelector, std::string> LabelSelector::parse(std::string_view text) {
    LabelSelector out;
    for (const std::string& item : split_commas(text)) {
        Term term;
        const size_t at = item.find('=');
        if (at == std::string::npos) {
            term.what = item.starts_with('!') ? Term::What::absent : Term::What::there;
            term.key = item.substr(term.what == Term::What::absent);
        } else {
            const bool is_not = at > 0 && item[at - 1] == '!';
            const bool twice = at + 1 < item.size() && item[at + 1] == '=';
            term.what = is_not ? Term::What::is_not : Term::What::is;
            term.key = item.substr(0, at - is_not);
            term.value = item.substr(at + 1 + twice);
        }
        if (term.key.empty() || term.key.find_first_of(" !=()\"'") != std::string::npos ||
            term.value.find_first_of(" =()\"'") != std::string::npos)
            return std::unexpected(fmt::format("'{}' is none of KEY=VALUE, KEY!=VALUE, KEY and !KEY", item));
        out.terms_.push_back(std::move(term));
    }
    return out;
}

bool LabelSelector::matches(const directive::Labels& labels) const {
    return std::ranges::all_of(terms_, [&](const Term& term) {
        const auto at = labels.find(term.key);
        switch (term.what) {
            case Term::What::is:
                return at != labels.end() && at->second == term.value;
            case Term::What::is_not:
                return at == labels.end() || at->second != term.value;
            case Term::What::there:
                return at != labels.end();
            case Term::What::absent:
                return at == labels.end();
        }
        return false;
    });
}

// ---- fields

std::expected<DocumentFields, std::string> DocumentFields::parse(std::string_view text, std::span<const std::string_view> roots) {
    DocumentFields out;
    for (const std::string& item : split_commas(text)) {
        std::vector<std::string> path;
        std::string_view rest = item;
        while (!rest.empty()) {
            const std::string_view part = rest.substr(0, rest.find('.'));
            rest.remove_prefix(std::min(part.size() + 1, rest.size()));
            path.emplace_back(part);
        }
        if (path.empty() || path.size() > 8 || item.ends_with('.') || std::ranges::find(path, "") != path.end())
            return std::unexpected(fmt::format("'{}' is no path like metadata.name", item));
        if (std::ranges::find(roots, path[0]) == roots.end()) {
            const auto near = record::nearest(path[0], roots);
            return std::unexpected(fmt::format(
                "there is no '{}'; {}", path[0],
                near.empty() ? fmt::format("there are {}", fmt::join(roots, ", ")) : fmt::format("did you mean {}?", near)));
        }
        out.paths_.push_back(std::move(path));
    }
    return out;
}

namespace {

void copy_path(const json::object& from, std::span<const std::string> path, json::object& to) {
    const auto* value = from.if_contains(path[0]);
    if (!value) return;
    if (path.size() == 1) {
        to[path[0]] = *value;
        return;
    }
    if (!value->is_object()) return;
    json::value& there = to[path[0]];
    if (!there.is_object()) there.emplace_object();
    copy_path(value->get_object(), path.subspan(1), there.get_object());
}

}  // namespace

json::object DocumentFields::cut(const json::object& document) const {
    if (paths_.empty()) return document;
    json::object out;
    for (const auto& path : paths_) copy_path(document, path, out);
    return out;
}

bool DocumentFields::want(std::initializer_list<std::string_view> path) const {
    return paths_.empty() || std::ranges::any_of(paths_, [&](const std::vector<std::string>& one) {
               return std::ranges::equal(std::span(one).first(std::min(one.size(), path.size())),
                                         std::span(path.begin(), std::min(one.size(), path.size())));
           });
}

// ---- out

json::value to_value(const directive::Node& tree) {
    using Type = directive::Node::Type;
    switch (tree.type) {
        case Type::null:
            return nullptr;
        case Type::text:
            return json::value(tree.scalar);
        case Type::flag:
            return tree.scalar == "true";
        case Type::number: {
            const char* begin = tree.scalar.data();
            const char* end = begin + tree.scalar.size();
            const auto is = [&](auto& value) { return std::from_chars(begin, end, value).ec == std::errc{}; };
            const bool whole = tree.scalar.find_first_of(".eE") == std::string::npos;
            if (uint64_t value = 0; whole && is(value)) return value;
            if (int64_t value = 0; whole && is(value)) return value;
            double real = 0;
            std::from_chars(begin, end, real);
            return real;
        }
        case Type::list: {
            json::array out;
            for (const auto& child : tree.children) out.push_back(to_value(child));
            return out;
        }
        case Type::map: {
            json::object out;
            for (size_t i = 0; i < tree.children.size(); ++i) out[tree.keys[i].text] = to_value(tree.children[i]);
            return out;
        }
    }
    return nullptr;
}

namespace {

json::object standing_document(const controller::Standing& standing, uint64_t revision, bool agents) {
    const directive::Summary& s = standing.summary;
    json::object states, reasons;
    for (const auto& [state, count] : s.states) states[directive::name_of(state)] = count;
    for (const auto& [reason, names] : s.reasons) {
        json::array list;
        for (const std::string& name : names) list.emplace_back(name);
        reasons[reason] = std::move(list);
    }
    json::array nodes;
    if (agents)
        for (const directive::Status& status : standing.agents) nodes.push_back(to_value(directive::to_tree(status)));
    return {{"revision", revision}, {"summary", s.show()}, {"settled", s.settled()}, {"good", s.good()},     {"agents", s.agents},
            {"behind", s.behind},   {"states", states},    {"reasons", reasons},     {"matched", s.matched}, {"sent", s.sent},
            {"bytes", s.bytes},     {"lost", s.lost},      {"nodes", nodes}};
}

}  // namespace

json::object directive_document(const controller::Stored& stored, const controller::Nodes* nodes, bool agents) {
    json::object out = to_value(directive::to_tree(stored.directive, directive::Defaults::shown)).as_object();
    out["status"] =
        standing_document(nodes ? nodes->standing(stored.directive) : controller::Standing{}, stored.revision, agents);
    return out;
}

size_t states_in(const json::object& document) {
    return document.at("status").at("nodes").as_array().size();
}

json::object node_document(const controller::Node& node) {
    json::object out = to_value(directive::to_tree(node.status)).as_object();
    out["age"] = static_cast<uint64_t>(std::max<int64_t>(node.age.count(), 0));
    out["lost"] = node.lost;
    out["clockSkew"] = static_cast<int64_t>(node.clock_skew.count());
    if (!node.namesakes.empty()) out["namesakes"] = json::array(node.namesakes.begin(), node.namesakes.end());
    return out;
}

// ---- in

std::expected<std::vector<directive::Directive>, directive::Problems> read_documents(std::string_view body,
                                                                                     std::string_view content_type,
                                                                                     const directive::ParseOptions& options) {
    directive::ParseOptions with = options;
    if (content_type.find("yaml") != std::string_view::npos) with.syntax = directive::Syntax::yaml;
    if (content_type.find("json") != std::string_view::npos) with.syntax = directive::Syntax::json;
    auto parsed = directive::parse(body, with);
    if (parsed || with.syntax == directive::Syntax::yaml) return parsed;
    // Who gets a document, changes it and puts it back sends the status along.
    auto trees = directive::read_json(body);
    if (!trees) return parsed;
    bool any = false;
    directive::Node all = directive::Node::list();
    for (directive::Node& tree : *trees) {
        for (size_t i = 0; i < tree.keys.size(); ++i) {
            if (tree.keys[i].text != "status") continue;
            tree.keys.erase(tree.keys.begin() + static_cast<ptrdiff_t>(i));
            tree.children.erase(tree.children.begin() + static_cast<ptrdiff_t>(i));
            any = true;
            break;
        }
        all.children.push_back(std::move(tree));
    }
    if (!any) return parsed;
    with.syntax = directive::Syntax::json;
    return directive::parse(directive::write_json(all, false), with);
}

}  // namespace cvf::api
