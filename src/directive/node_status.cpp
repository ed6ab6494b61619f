#include "directive/node_status.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/quantity.h"
#include "directive/node.h"

namespace cvf::directive {

namespace {

struct Number {
    std::string_view name;
    uint64_t NodeNumbers::* member;
};
constexpr Number numbers[] = {{"packets", &NodeNumbers::packets},
                              {"packetBytes", &NodeNumbers::packet_bytes},
                              {"flows", &NodeNumbers::flows},
                              {"sockets", &NodeNumbers::sockets},
                              {"recordsMade", &NodeNumbers::records_made},
                              {"recordsPublished", &NodeNumbers::records_published},
                              {"bytesPublished", &NodeNumbers::bytes_published},
                              {"recordsLost", &NodeNumbers::records_lost},
                              {"recordsWaiting", &NodeNumbers::records_waiting},
                              {"spooledBytes", &NodeNumbers::spooled_bytes},
                              {"eventsLost", &NodeNumbers::events_lost},
                              {"lag", &NodeNumbers::lag},
                              {"cpu", &NodeNumbers::cpu},
                              {"memory", &NodeNumbers::memory},
                              {"recordsPerSecond", &NodeNumbers::records_per_second},
                              {"bytesPerSecond", &NodeNumbers::bytes_per_second}};

struct Text {
    std::string_view name;
    std::string NodeStatus::* member;
};
constexpr Text texts[] = {{"name", &NodeStatus::name},     {"instance", &NodeStatus::instance}, {"version", &NodeStatus::version},
                          {"kernel", &NodeStatus::kernel}, {"machine", &NodeStatus::machine},   {"cgroup", &NodeStatus::cgroup}};

constexpr std::pair<std::string_view, std::vector<std::string> NodeStatus::*> lists[] = {
    {"capabilities", &NodeStatus::capabilities}, {"problems", &NodeStatus::problems}};
constexpr std::pair<std::string_view, int64_t NodeStatus::*> times[] = {{"started", &NodeStatus::started},
                                                                        {"sent", &NodeStatus::sent}};

std::expected<uint64_t, std::string> number_at(const Node& tree, std::string_view name) {
    const Node* node = tree.find(name);
    if (!node) return 0;
    if (node->type == Node::Type::number)
        if (const auto value = config::parse_count(node->scalar)) return *value;
    return std::unexpected(fmt::format("{} is no whole number", name));
}

}  // namespace

Node to_tree(const NodeStatus& s) {
    Node tree = Node::map();
    for (const Text& t : texts)
        if (!(s.*t.member).empty()) tree.add(t.name, Node::text(s.*t.member));
    if (!s.labels.empty()) {
        Node& labels = tree.add("labels", Node::map());
        for (const auto& [key, value] : s.labels) labels.add(key, Node::text(value));
    }
    for (const auto& [name, member] : lists) {
        if ((s.*member).empty()) continue;
        Node& list = tree.add(name, Node::list());
        for (const std::string& item : s.*member) list.children.push_back(Node::text(item));
    }
    for (const auto& [name, member] : times) tree.add(name, Node::number(static_cast<uint64_t>(std::max<int64_t>(s.*member, 0))));
    if (s.leaving) tree.add("leaving", Node{Node::Type::flag, {}, "true", {}, {}});
    Node& counts = tree.add("numbers", Node::map());
    for (const Number& n : numbers) counts.add(n.name, Node::number(s.numbers.*n.member));
    Node& directives = tree.add("directives", Node::list());
    for (const Status& status : s.directives) directives.children.push_back(to_tree(status));
    return tree;
}

std::string to_json(const NodeStatus& status) {
    return write_json(to_tree(status), false);
}

std::expected<NodeStatus, std::string> node_status_from_json(std::string_view text) {
    const Trees trees = read_json(text);
    if (!trees) return std::unexpected(trees.error().show());
    if (trees->size() != 1 || (*trees)[0].type != Node::Type::map) return std::unexpected("a node's status is one object");
    const Node& tree = (*trees)[0];
    NodeStatus s;
    for (const Text& t : texts) {
        const Node* node = tree.find(t.name);
        if (!node) continue;
        if (node->type != Node::Type::text) return std::unexpected(fmt::format("{} is no text", t.name));
        s.*t.member = node->scalar;
    }
    if (s.name.empty()) return std::unexpected("name is missing");
    if (const Node* labels = tree.find("labels")) {
        if (labels->type != Node::Type::map) return std::unexpected("labels is no object");
        for (size_t i = 0; i < labels->keys.size(); i++) s.labels[labels->keys[i].text] = labels->children[i].scalar;
    }
    for (const auto& [name, member] : lists) {
        const Node* list = tree.find(name);
        if (!list) continue;
        if (list->type != Node::Type::list) return std::unexpected(fmt::format("{} is no list", name));
        for (const Node& item : list->children) (s.*member).push_back(item.scalar);
    }
    for (const auto& [name, member] : times) {
        const auto value = number_at(tree, name);
        if (!value) return std::unexpected(value.error());
        if (*value > INT64_MAX) return std::unexpected(fmt::format("{} is beyond all times", name));
        s.*member = static_cast<int64_t>(*value);
    }
    if (const Node* leaving = tree.find("leaving")) s.leaving = leaving->scalar == "true";
    if (const Node* counts = tree.find("numbers")) {
        for (const Number& n : numbers) {
            const auto value = number_at(*counts, n.name);
            if (!value) return std::unexpected(value.error());
            s.numbers.*n.member = *value;
        }
    }
    if (const Node* directives = tree.find("directives")) {
        if (directives->type != Node::Type::list) return std::unexpected("directives is no list");
        for (const Node& item : directives->children) {
            auto status = status_from_tree(item);
            if (!status) return std::unexpected(status.error());
            s.directives.push_back(std::move(*status));
        }
    }
    return s;
}

}  // namespace cvf::directive
