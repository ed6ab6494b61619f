#include "agent/steering_state.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "config/quantity.h"
#include "directive/node.h"
#include "sink/sink.h"

namespace cvf::agent {

using directive::Node;

namespace {

// Whole and on the disk, or not at all.
bool replace_file(const std::string& path, std::string_view text) {
    const std::string beside = path + ".new";
    const int fd = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    bool good = true;
    while (good && !text.empty()) {
        const ssize_t n = ::write(fd, text.data(), text.size());
        if (n < 0 && errno == EINTR) continue;
        good = n > 0;
        if (good) text.remove_prefix(static_cast<size_t>(n));
    }
    good = good && ::fsync(fd) == 0;
    ::close(fd);
    return good && std::rename(beside.c_str(), path.c_str()) == 0;
}

uint64_t number(const Node& node, std::string_view key) {
    const Node* child = node.find(key);
    const auto value = child ? config::parse_count(child->scalar) : config::parse_count("0");
    return value ? *value : 0;
}

std::string text_of(const Node& node, std::string_view key) {
    const Node* child = node.find(key);
    return child ? child->scalar : "";
}

}  // namespace

SteeringState SteeringState::load(const std::string& path) {
    SteeringState state;
    state.path_ = path;
    if (path.empty()) return state;
    std::ifstream file(path);
    if (!file) return state;
    std::ostringstream content;
    content << file.rdbuf();
    const std::string all = std::move(content).str();
    const auto damaged = [&](std::string_view why) {
        sink::complain_on_stderr(
            fmt::format("{} is damaged ({}) and begun anew: directives that had ended may run once more", path, why));
        SteeringState anew;
        anew.path_ = path;
        return anew;
    };
    const size_t line = all.find('\n');
    if (line == std::string::npos) return damaged("not two lines");
    const auto trees = directive::read_json(std::string_view(all).substr(0, line));
    const Node* known = trees && trees->size() == 1 ? (*trees)[0].find("directives") : nullptr;
    if (!known || known->type != Node::Type::list) return damaged("its first line is no list of directives");
    for (const Node& one : known->children)
        state.known_[text_of(one, "directive")] = {text_of(one, "life"),
                                                   static_cast<int64_t>(number(one, "began")),
                                                   static_cast<int64_t>(number(one, "ran")),
                                                   number(one, "sent"),
                                                   number(one, "bytes"),
                                                   text_of(one, "ended")};
    auto guard = directive::ReplayGuard::load(std::string_view(all).substr(line + 1));
    if (!guard) return damaged("its second line " + guard.error());
    state.guard_ = std::move(*guard);
    state.saved_ = all;
    return state;
}

std::string SteeringState::text() const {
    Node list = Node::list();
    for (const auto& [identity, k] : known_) {
        Node one = Node::map();
        one.add("directive", Node::text(identity));
        one.add("life", Node::text(k.id));
        one.add("began", Node::number(static_cast<uint64_t>(k.began)));
        one.add("ran", Node::number(static_cast<uint64_t>(k.ran)));
        one.add("sent", Node::number(k.sent));
        one.add("bytes", Node::number(k.bytes));
        if (!k.ended.empty()) one.add("ended", Node::text(k.ended));
        list.children.push_back(std::move(one));
    }
    Node tree = Node::map();
    tree.add("directives", std::move(list));
    return directive::write_json(tree, true) + "\n" + guard_.save() + "\n";
}

void SteeringState::save() {
    if (path_.empty()) return;
    std::string now = text();
    if (now == saved_) return;
    std::error_code ignored;
    std::filesystem::create_directories(std::filesystem::path(path_).parent_path(), ignored);
    if (replace_file(path_, now)) saved_ = std::move(now);  // else (a full disk) the next time tries again
}

std::string SteeringState::life_of(const directive::Directive& directive, bool signed_by_trusted) {
    if (signed_by_trusted) return "signature " + directive.signature->value;
    return fmt::format("{}/{}", directive.metadata.uid, directive.metadata.generation);
}

SteeringState::Life* SteeringState::at(const std::string& identity, const std::string& id) {
    const auto there = known_.find(identity);
    if (there == known_.end()) {
        if (known_.size() >= max_known) return nullptr;
    } else if (there->second.id == id) {
        return &there->second;
    }
    Life& life = known_[identity] = {};
    life.id = id;
    return &life;
}

void SteeringState::keep_only(const std::function<bool(const std::string& identity)>& wanted) {
    std::erase_if(known_, [&](const auto& one) {
        const bool gone = !wanted(one.first);
        if (gone) guard_.removed(one.first);
        return gone;
    });
}

}  // namespace cvf::agent
