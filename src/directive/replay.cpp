#include "directive/replay.h"

#include <fmt/format.h>

#include "directive/node.h"
#include "directive/quantity.h"

namespace cvf::directive {

std::expected<void, std::string> ReplayGuard::accept(const Directive& directive, int64_t now) {
    if (!directive.signature) return std::unexpected("it is not signed");
    const Signature& s = *directive.signature;
    const int64_t tolerance = std::chrono::nanoseconds(clock_tolerance).count();
    if (s.issued > now && s.issued - now > tolerance)
        return std::unexpected(
            fmt::format("its signature holds from {} on; this node's clock says {}", format_time(s.issued), format_time(now)));
    if (s.expires <= now) return std::unexpected(fmt::format("its signature expired at {}", format_time(s.expires)));
    const std::string name = identity(directive);
    const auto at = seen_.find(name);
    if (at == seen_.end()) {
        if (seen_.size() >= max_remembered) forget(now);
        if (seen_.size() >= max_remembered)
            return std::unexpected("more signed directives are remembered than there is room for");
        seen_.emplace(name, Seen{s.issued, s.expires, s.value, false});
        return {};
    }
    Seen& seen = at->second;
    const bool same = s.issued == seen.issued && s.value == seen.value;
    if (seen.removed && s.issued <= seen.issued)
        return std::unexpected(
            fmt::format("it was deleted; what was signed at {} or before does not bring it back", format_time(seen.issued)));
    if (!same && s.issued <= seen.issued)
        return std::unexpected(fmt::format("one signed at {}, not before this, was in force already", format_time(seen.issued)));
    seen = {s.issued, s.expires, s.value, false};
    return {};
}

void ReplayGuard::removed(std::string_view identity) {
    if (const auto at = seen_.find(identity); at != seen_.end()) at->second.removed = true;
}

void ReplayGuard::forget(int64_t now) {
    std::erase_if(seen_, [&](const auto& entry) { return entry.second.expires <= now; });
}

std::string ReplayGuard::save() const {
    Node list = Node::list();
    for (const auto& [name, seen] : seen_) {
        Node entry = Node::map();
        entry.add("directive", Node::text(name));
        entry.add("issued", Node::text(format_time(seen.issued)));
        entry.add("expires", Node::text(format_time(seen.expires)));
        entry.add("signature", Node::text(seen.value));
        if (seen.removed) entry.add("removed", Node{Node::Type::flag, {}, "true", {}, {}});
        list.children.push_back(std::move(entry));
    }
    Node root = Node::map();
    root.add("seen", std::move(list));
    return write_json(root, true);
}

std::expected<ReplayGuard, std::string> ReplayGuard::load(std::string_view text) {
    const auto damaged = [] { return std::unexpected(std::string("is not what a node remembers of signatures")); };
    const Trees trees = read_json(text);
    if (!trees || trees->size() != 1) return damaged();
    const Node* list = (*trees)[0].find("seen");
    if (!list || list->type != Node::Type::list || list->children.size() > max_remembered) return damaged();
    ReplayGuard guard;
    for (const Node& entry : list->children) {
        const Node *name = entry.find("directive"), *issued = entry.find("issued"), *expires = entry.find("expires"),
                   *value = entry.find("signature");
        if (!name || !issued || !expires || !value) return damaged();
        const auto from = parse_time(issued->scalar), to = parse_time(expires->scalar);
        if (!from || !to) return damaged();
        guard.seen_.insert_or_assign(name->scalar, Seen{*from, *to, value->scalar, entry.find("removed") != nullptr});
    }
    return guard;
}

}  // namespace cvf::directive
