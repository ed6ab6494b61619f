#include "directive/status.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "config/quantity.h"

namespace cvf::directive {

namespace {

struct Count {
    std::string_view name;
    uint64_t Status::* member;
};
constexpr Count counts[] = {{"matched", &Status::matched}, {"sampledOut", &Status::sampled_out},
                            {"limited", &Status::limited}, {"sent", &Status::sent},
                            {"bytes", &Status::bytes},     {"lost", &Status::lost}};

std::expected<uint64_t, std::string> number(const Node& tree, std::string_view name) {
    const Node* node = tree.find(name);
    if (!node) return 0;
    if (node->type == Node::Type::number)
        if (const auto value = config::parse_count(node->scalar)) return *value;
    return std::unexpected(fmt::format("{} is no whole number", name));
}

std::expected<std::string, std::string> text(const Node& tree, std::string_view name, bool needed) {
    const Node* node = tree.find(name);
    if (!node && !needed) return std::string();
    if (!node) return std::unexpected(fmt::format("{} is missing", name));
    if (node->type != Node::Type::text) return std::unexpected(fmt::format("{} is no text", name));
    return node->scalar;
}

}  // namespace

Node to_tree(const Status& s) {
    Node tree = Node::map();
    tree.add("directive", Node::text(s.directive));
    if (!s.uid.empty()) tree.add("uid", Node::text(s.uid));
    tree.add("generation", Node::number(s.generation));
    tree.add("node", Node::text(s.node));
    tree.add("state", Node::text(std::string(name_of(s.state))));
    if (!s.reason.empty()) tree.add("reason", Node::text(s.reason));
    tree.add("since", Node::number(static_cast<uint64_t>(std::max<int64_t>(s.since, 0))));
    if (s.ends > 0) tree.add("ends", Node::number(static_cast<uint64_t>(s.ends)));
    for (const Count& c : counts)
        if (s.*c.member != 0) tree.add(c.name, Node::number(s.*c.member));
    return tree;
}

std::string to_json(const Status& status) {
    return write_json(to_tree(status), false);
}

std::expected<Status, std::string> status_from_tree(const Node& tree) {
    if (tree.type != Node::Type::map) return std::unexpected("a status is an object");
    Status s;
    struct Text {
        std::string_view name;
        std::string Status::* member;
        bool needed;
    };
    for (const Text& t : {Text{"directive", &Status::directive, true}, Text{"uid", &Status::uid, false},
                          Text{"node", &Status::node, true}, Text{"reason", &Status::reason, false}}) {
        auto value = text(tree, t.name, t.needed);
        if (!value) return std::unexpected(std::move(value.error()));
        s.*t.member = std::move(*value);
    }
    const auto state = text(tree, "state", true);
    if (!state) return std::unexpected(state.error());
    const auto* at = std::ranges::find(state_names, *state);
    if (at == std::end(state_names)) return std::unexpected(fmt::format("there is no state '{}'", *state));
    s.state = static_cast<State>(at - std::begin(state_names));
    for (const auto& [name, member] : {std::pair{"since", &Status::since}, std::pair{"ends", &Status::ends}}) {
        const auto value = number(tree, name);
        if (!value) return std::unexpected(value.error());
        if (*value > INT64_MAX) return std::unexpected(fmt::format("{} is beyond all times", name));
        s.*member = static_cast<int64_t>(*value);
    }
    const auto generation = number(tree, "generation");
    if (!generation) return std::unexpected(generation.error());
    s.generation = *generation;
    for (const Count& c : counts) {
        const auto value = number(tree, c.name);
        if (!value) return std::unexpected(value.error());
        s.*c.member = *value;
    }
    return s;
}

std::expected<Status, std::string> status_from_json(std::string_view text) {
    const Trees trees = read_json(text);
    if (!trees) return std::unexpected(trees.error().show());
    if (trees->size() != 1) return std::unexpected("a status is one object");
    return status_from_tree((*trees)[0]);
}

bool Summary::settled() const {
    const auto waiting = states.find(State::accepted);
    return behind == 0 && (waiting == states.end() || waiting->second == 0);
}

bool Summary::good() const {
    return settled() && !states.contains(State::degraded) && !states.contains(State::rejected);
}

std::string Summary::show() const {
    std::vector<std::string> parts;
    for (const auto& [state, n] : states) parts.push_back(fmt::format("{} {}", n, name_of(state)));
    if (behind != 0) parts.push_back(fmt::format("{} not heard of", behind));
    if (parts.empty()) return "no agent is meant";
    return fmt::format("{} of {} agent{}", fmt::join(parts, ", "), agents, agents == 1 ? "" : "s");
}

Summary summarize(std::string_view uid, uint64_t generation, std::span<const std::string> nodes,
                  std::span<const Status> statuses) {
    std::map<std::string_view, const Status*> latest;
    for (const std::string& node : nodes) latest.emplace(node, nullptr);
    for (const Status& s : statuses) {
        const auto at = latest.find(s.node);
        if (at == latest.end() || s.uid != uid) continue;
        if (!at->second || std::tie(at->second->generation, at->second->since) <= std::tie(s.generation, s.since))
            at->second = &s;
    }
    Summary summary;
    summary.agents = static_cast<uint32_t>(latest.size());
    for (const auto& [node, status] : latest) {
        if (!status || status->generation < generation) {
            ++summary.behind;
            continue;
        }
        ++summary.states[status->state];
        summary.matched += status->matched;
        summary.sent += status->sent;
        summary.bytes += status->bytes;
        summary.lost += status->lost;
        if (status->reason.empty()) continue;
        if (!summary.reasons.contains(status->reason) && summary.reasons.size() >= Summary::max_reasons) continue;
        std::vector<std::string>& named = summary.reasons[status->reason];
        if (named.size() < Summary::max_named) named.emplace_back(node);
    }
    return summary;
}

}  // namespace cvf::directive
