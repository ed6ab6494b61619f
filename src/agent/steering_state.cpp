#include "agent/steering_state.h"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "config/quantity.h"
#include "directive/node.h"

namespace cvf::agent {

using directive::Node;

SteeringState SteeringState::load(const std::string& path) {
    SteeringState state;
    state.path_ = path;
    if (path.empty()) return state;
    std::ifstream file(path);
    if (!file) return state;
    std::ostringstream content;
    content << file.rdbuf();
    const std::string text = std::move(content).str();
    const auto damaged = [&](std::string_view why) {
        fmt::print(stderr, "cvf: {} is damaged ({}) and begun anew: directives that had ended may run once more\n", path, why);
        SteeringState anew;
        anew.path_ = path;
        return anew;
    };
    const auto trees = directive::read_json(text);
    if (!trees || trees->size() != 1) return damaged("no JSON object");
    const Node& tree = (*trees)[0];
    const auto number = [](const Node& node, std::string_view key) -> uint64_t {
        const Node* child = node.find(key);
        const auto value = child ? config::parse_count(child->scalar) : config::parse_count("0");
        return value ? *value : 0;
    };
    if (const Node* guard = tree.find("signatures")) {
        auto loaded = directive::ReplayGuard::load(guard->scalar);
        if (!loaded) return damaged(loaded.error());
        state.guard_ = std::move(*loaded);
    }
    if (const Node* known = tree.find("directives"); known && known->type == Node::Type::map)
        for (size_t i = 0; i < known->keys.size(); i++) {
            const Node& one = known->children[i];
            const Node *uid = one.find("uid"), *ended = one.find("ended");
            state.known_[known->keys[i].text] = {uid ? uid->scalar : "", number(one, "generation"),
                                                 static_cast<int64_t>(number(one, "began")), ended ? ended->scalar : ""};
        }
    state.saved_ = text;
    return state;
}

std::string SteeringState::text() const {
    Node tree = Node::map();
    Node& known = tree.add("directives", Node::map());
    for (const auto& [identity, k] : known_) {
        Node& one = known.add(identity, Node::map());
        one.add("uid", Node::text(k.uid));
        one.add("generation", Node::number(k.generation));
        one.add("began", Node::number(static_cast<uint64_t>(k.began)));
        if (!k.ended.empty()) one.add("ended", Node::text(k.ended));
    }
    tree.add("signatures", Node::text(guard_.save()));
    return directive::write_json(tree, true);
}

void SteeringState::save() {
    if (path_.empty()) return;
    std::string now = text();
    if (now == saved_) return;
    std::error_code ignored;
    std::filesystem::create_directories(std::filesystem::path(path_).parent_path(), ignored);
    const std::string beside = path_ + ".new";
    {
        std::ofstream file(beside, std::ios::trunc);
        file << now;
        if (!file.flush()) return;  // a full disk: the next change tries again
    }
    std::filesystem::rename(beside, path_, ignored);
    if (!ignored) saved_ = std::move(now);
}

const SteeringState::Known* SteeringState::find(const std::string& identity, const std::string& uid, uint64_t generation) const {
    const auto at = known_.find(identity);
    if (at == known_.end() || at->second.uid != uid || at->second.generation != generation) return nullptr;
    return &at->second;
}

SteeringState::Known& SteeringState::at(const std::string& identity, const std::string& uid, uint64_t generation) {
    Known& known = known_[identity];
    if (known.uid != uid || known.generation != generation) known = {uid, generation, 0, {}};
    return known;
}

int64_t SteeringState::began(const std::string& identity, const std::string& uid, uint64_t generation, int64_t now) {
    Known& known = at(identity, uid, generation);
    if (known.began == 0) known.began = now;
    return known.began;
}

void SteeringState::ended(const std::string& identity, const std::string& uid, uint64_t generation, const std::string& why) {
    at(identity, uid, generation).ended = why;
}

std::string SteeringState::why_ended(const std::string& identity, const std::string& uid, uint64_t generation) const {
    const Known* known = find(identity, uid, generation);
    return known ? known->ended : "";
}

void SteeringState::keep_only(const std::function<bool(const std::string& identity)>& wanted) {
    std::erase_if(known_, [&](const auto& one) {
        const bool gone = !wanted(one.first);
        if (gone) guard_.removed(one.first);
        return gone;
    });
}

}  // namespace cvf::agent
