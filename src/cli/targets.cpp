#include "cli/targets.h"

#include <fmt/format.h>

#include <algorithm>

namespace cvf::cli {

namespace {

std::expected<Target, std::string> named(const std::string& kind, const std::string& name) {
    Target target;
    const auto thing = thing_of(kind, target.kind);
    if (!thing) return std::unexpected(thing.error());
    target.thing = *thing;
    target.name = name;
    if (name.empty()) return target;
    if (target.thing == Thing::audit) return std::unexpected("the audit trail has no names; `cvf get audit` prints it");
    if (target.thing == Thing::directives && target.kind.empty())
        return std::unexpected(
            fmt::format("of which kind is {}? `metadata {}` or `metadata/{}`, as an example", name, name, name));
    return target;
}

}  // namespace

std::expected<std::vector<Target>, std::string> targets_of(const Management& what) {
    std::vector<Target> targets;
    const auto add = [&](const std::string& kind, const std::string& name) -> std::expected<void, std::string> {
        auto target = named(kind, name);
        if (!target) return std::unexpected(std::move(target.error()));
        targets.push_back(std::move(*target));
        return {};
    };
    if (!what.kind.contains('/')) {
        const auto slashed = std::ranges::find_if(what.names, [](const std::string& name) { return name.contains('/'); });
        if (slashed != what.names.end())
            return std::unexpected(
                fmt::format("`{} {}` is two forms in one; write KIND NAME... or KIND/NAME...", what.kind, *slashed));
        if (what.names.empty())
            if (auto done = add(what.kind, ""); !done) return std::unexpected(std::move(done.error()));
        for (const std::string& name : what.names)
            if (auto done = add(what.kind, name); !done) return std::unexpected(std::move(done.error()));
        return targets;
    }
    std::vector<std::string> words{what.kind};
    words.insert(words.end(), what.names.begin(), what.names.end());
    for (const std::string& word : words) {
        const size_t slash = word.find('/');
        if (slash == 0 || slash == std::string::npos || slash + 1 == word.size())
            return std::unexpected(fmt::format("'{}' is not of the form KIND/NAME, like the others", word));
        if (auto done = add(word.substr(0, slash), word.substr(slash + 1)); !done)
            return std::unexpected(std::move(done.error()));
    }
    return targets;
}

}  // namespace cvf::cli
