#include "directive/parse.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "directive/keys.h"
#include "directive/reader.h"
#include "directive/rules.h"
#include "directive/write.h"

namespace cvf::directive {

namespace {

Trees read(std::string_view text, Syntax syntax) {
    if (syntax == Syntax::json) return read_json(text);
    if (syntax == Syntax::automatic) {
        const size_t first = text.find_first_not_of(" \t\r\n");
        if (first != std::string_view::npos && (text[first] == '{' || text[first] == '['))
            if (Trees json = read_json(text)) return json;
    }
    return read_yaml(text);
}

void in_order(Problems& problems) {
    std::ranges::sort(problems, {}, [](const Problem& p) { return std::tie(p.document, p.line, p.column, p.path, p.message); });
}

}  // namespace

std::optional<Kind> kind_by_name(std::string_view name) {
    const auto* at = std::ranges::find(kind_names, name);
    if (at == std::end(kind_names)) return {};
    return static_cast<Kind>(at - std::begin(kind_names));
}

std::string identity(const Directive& directive) {
    return fmt::format("{}/{}", name_of(directive.kind), directive.metadata.name);
}

std::expected<Directive, Problems> from_tree(const Node& tree, const ParseOptions& options, size_t document) {
    Directive directive;
    Problems problems;
    Reader(problems, document).object(tree, document_group, &directive, every_variant);
    if (directive.spec.selector.nodes.empty()) directive.spec.selector.nodes = {"*"};
    // Of a document of an unknown kind, or of none, no more can be said.
    const bool known = std::ranges::none_of(problems, [](const Problem& p) { return p.path == "kind" || p.path.empty(); });
    if (known) check_rules(directive, tree, options, document, problems);
    if (problems.empty()) return directive;
    in_order(problems);
    return std::unexpected(std::move(problems));
}

std::expected<std::vector<Directive>, Problems> parse(std::string_view text, const ParseOptions& options) {
    const Trees trees = read(text, options.syntax);
    if (!trees) return std::unexpected(Problems{trees.error()});
    std::vector<Directive> directives;
    Problems problems;
    std::map<std::string, size_t> known;
    if (trees->empty()) {
        Problem nothing;
        nothing.message = "there is no directive in it";
        problems.push_back(std::move(nothing));
    }
    for (size_t i = 0; i < trees->size() && problems.size() < max_problems; ++i) {
        auto one = from_tree((*trees)[i], options, i);
        if (!one) {
            problems.insert(problems.end(), one.error().begin(), one.error().end());
            continue;
        }
        if (const auto [at, fresh] = known.emplace(identity(*one), i); !fresh) {
            Problem twice;
            twice.path = "metadata.name";
            twice.message = fmt::format("{} stands here a second time; the first is document {}", at->first, at->second + 1);
            const Position place = (*trees)[i].find("metadata")->find("name")->at;
            twice.line = place.line;
            twice.column = place.column;
            twice.document = i;
            problems.push_back(std::move(twice));
        }
        directives.push_back(std::move(*one));
    }
    if (!problems.empty()) return std::unexpected(std::move(problems));
    return directives;
}

std::expected<Directive, Problems> parse_one(std::string_view text, const ParseOptions& options) {
    auto all = parse(text, options);
    if (!all) return std::unexpected(std::move(all.error()));
    if (all->size() == 1) return std::move(all->front());
    Problem several;
    several.message = fmt::format("there are {} directives in it; one is taken here", all->size());
    return std::unexpected(Problems{std::move(several)});
}

Problems validate(const Directive& directive, const ParseOptions& options) {
    auto read_back = from_tree(to_tree(directive, Defaults::left_out), options);
    return read_back ? Problems() : std::move(read_back.error());
}

}  // namespace cvf::directive
