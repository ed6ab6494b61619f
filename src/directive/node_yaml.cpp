// YAML to trees, over yaml-cpp's events, so that what is refused is refused before it is built.
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>

#include <fmt/format.h>

#include "directive/node.h"

namespace cvf::directive {

namespace {

Position position(const YAML::Mark& mark) {
    if (mark.is_null()) return {};
    return {static_cast<size_t>(mark.line) + 1, static_cast<size_t>(mark.column) + 1};
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
bool is_number(std::string_view s) {
    size_t i = 0;
    const auto digits = [&] {
        const size_t begin = i;
        while (i < s.size() && is_digit(s[i])) ++i;
        return i - begin;
    };
    if (i < s.size() && (s[i] == '-' || s[i] == '+')) ++i;
    const size_t whole = digits();
    if (i < s.size() && s[i] == '.') {
        ++i;
        if (digits() == 0 && whole == 0) return false;
    } else if (whole == 0) {
        return false;
    }
    if (i < s.size() && (s[i] == 'e' || s[i] == 'E')) {
        ++i;
        if (i < s.size() && (s[i] == '-' || s[i] == '+')) ++i;
        if (digits() == 0) return false;
    }
    return i == s.size();
}

bool all_in(std::string_view s, std::string_view allowed) {
    return !s.empty() && s.find_first_not_of(allowed) == std::string_view::npos;
}

// Leaves yaml-cpp from inside one of its events.
struct Refused {
    Problem problem;
};

class Builder final : public YAML::EventHandler {
 public:
    std::vector<Node> documents;

    void OnDocumentStart(const YAML::Mark& mark) override {
        if (documents.size() == max_documents) refuse(mark, fmt::format("more than {} documents in one text", max_documents));
        root_ = {};
        open_.clear();
        seen_ = false;
    }
    void OnDocumentEnd() override {
        if (seen_ && root_.type != Node::Type::null) documents.push_back(std::move(root_));
    }
    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { put(mark, "", anchor, {}); }
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
        refuse(mark, "aliases ('*name') are not taken here; write the value out");
    }
    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value) override {
        Node node;
        // "?" marks a plain scalar, "!" a quoted one.
        node.type = tag == "?" || tag.empty() ? plain_type(value) : Node::Type::text;
        node.scalar = node.type == Node::Type::null ? std::string() : value;
        if (node.type == Node::Type::flag)
            for (char& c : node.scalar) c = static_cast<char>(c | 0x20);
        put(mark, tag, anchor, std::move(node));
    }
    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value) override {
        enter(mark, tag, anchor, Node::Type::list);
    }
    void OnSequenceEnd() override { leave(); }
    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
        enter(mark, tag, anchor, Node::Type::map);
    }
    void OnMapEnd() override { leave(); }

 private:
    [[noreturn]] static void refuse(const YAML::Mark& mark, std::string message) {
        const Position at = position(mark);
        Problem problem;
        problem.message = std::move(message);
        problem.line = at.line;
        problem.column = at.column;
        throw Refused{std::move(problem)};
    }

    // Puts a node where it belongs, and tells where it stands; null: it was a key.
    Node* put(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Node node) {
        if (anchor != 0) refuse(mark, "anchors ('&name') are not taken here");
        if (!tag.empty() && tag != "?" && tag != "!") refuse(mark, fmt::format("tags ('{}') are not taken here", tag));
        if (++nodes_ > max_nodes) refuse(mark, "this is too much for directives");
        node.at = position(mark);
        if (open_.empty()) {
            seen_ = true;
            root_ = std::move(node);
            return &root_;
        }
        Node& parent = *open_.back();
        if (parent.type == Node::Type::map && parent.keys.size() == parent.children.size()) {
            if (node.type == Node::Type::list || node.type == Node::Type::map) refuse(mark, "a key must be a word");
            if (node.type == Node::Type::null) refuse(mark, "a key is missing");
            if (node.scalar == "<<") refuse(mark, "merge keys ('<<') are not taken here");
            if (std::ranges::find(parent.keys, node.scalar, &Node::Key::text) != parent.keys.end())
                refuse(mark, fmt::format("'{}' stands here a second time", node.scalar));
            if (parent.keys.size() == max_keys) refuse(mark, fmt::format("more than {} keys", max_keys));
            parent.keys.push_back({std::move(node.scalar), node.at});
            return nullptr;
        }
        parent.children.push_back(std::move(node));
        return &parent.children.back();
    }

    void enter(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Node::Type type) {
        if (open_.size() == max_depth) refuse(mark, fmt::format("nested more than {} deep", max_depth));
        Node node;
        node.type = type;
        open_.push_back(put(mark, tag, anchor, std::move(node)));
    }
    void leave() { open_.pop_back(); }

    static constexpr size_t max_keys = 256;
    Node root_;
    // A node on this path is the last child of the one before it, which gets no other child while it is open: no pointer moves.
    std::vector<Node*> open_;
    size_t nodes_ = 0;
    bool seen_ = false;
};

Problem problem_of(const YAML::Exception& e) {
    const Position at = position(e.mark);
    Problem problem;
    problem.message = fmt::format("this is not YAML: {}", e.msg);
    problem.line = at.line;
    problem.column = at.column;
    return problem;
}

}  // namespace

Node::Type plain_type(std::string_view s) {
    using Type = Node::Type;
    if (s.empty() || s == "~" || s == "null" || s == "Null" || s == "NULL") return Type::null;
    if (s == "true" || s == "True" || s == "TRUE" || s == "false" || s == "False" || s == "FALSE") return Type::flag;
    if (is_number(s)) return Type::number;
    if (s.starts_with("0o") && all_in(s.substr(2), "01234567")) return Type::number;
    if (s.starts_with("0x") && all_in(s.substr(2), "0123456789abcdefABCDEF")) return Type::number;
    std::string_view word = s;
    if (word[0] == '-' || word[0] == '+') word.remove_prefix(1);
    if (word == ".inf" || word == ".Inf" || word == ".INF" || s == ".nan" || s == ".NaN" || s == ".NAN") return Type::number;
    return Type::text;
}

Trees read_yaml(std::string_view text) {
    Problem problem;
    if (text.size() > max_text_bytes) problem.message = "larger than 1 MiB; directives are not";
    if (!is_utf8(text)) problem.message = "this is not UTF-8 text";
    if (text.find('\0') != std::string_view::npos) problem.message = "a zero byte is no text";
    if (!problem.message.empty()) return std::unexpected(std::move(problem));
    std::istringstream stream{std::string(text)};
    Builder builder;
    try {
        YAML::Parser parser(stream);
        while (parser.HandleNextDocument(builder)) {
        }
    } catch (const YAML::Exception& e) {
        return std::unexpected(problem_of(e));
    } catch (Refused& refused) {
        return std::unexpected(std::move(refused.problem));
    }
    return std::move(builder.documents);
}

}  // namespace cvf::directive
