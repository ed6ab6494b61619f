// A document as a tree, before anyone asks what it means: the one form that YAML and JSON are read into and written from.
//
// Reading bounds what hostile text can cost: size, depth, nodes, documents; anchors, aliases, tags and merge keys of YAML are
// refused. Every text is valid UTF-8. Thread rule: pure functions of values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "directive/problem.h"

namespace cvf::directive {

inline constexpr size_t max_text_bytes = 1 << 20;
inline constexpr size_t max_documents = 256;
inline constexpr size_t max_nodes = 50'000;  // of all documents together
inline constexpr size_t max_depth = 16;

struct Position {
    size_t line = 0, column = 0;  // from 1; 0: not known (JSON)
};

struct Node {
    enum class Type : uint8_t { null, text, number, flag, list, map };

    Type type = Type::null;
    Position at;
    std::string scalar;          // text, number, flag ("true" or "false")
    std::vector<Node> children;  // items of a list, values of a map
    struct Key {
        std::string text;
        Position at;
    };
    std::vector<Key> keys;  // of a map, one for each child; none stands twice

    const Node* find(std::string_view key) const;
    // The tree as written, positions aside.
    bool operator==(const Node& other) const;

    static Node text(std::string value) { return {Type::text, {}, std::move(value), {}, {}}; }
    static Node number(uint64_t value) { return {Type::number, {}, std::to_string(value), {}, {}}; }
    static Node list() { return {Type::list, {}, {}, {}, {}}; }
    static Node map() { return {Type::map, {}, {}, {}, {}}; }
    Node& add(std::string_view key, Node value);
};

using Trees = std::expected<std::vector<Node>, Problem>;

// Each document of a YAML stream; empty ones are left out.
Trees read_yaml(std::string_view text);
// One value; an array of objects counts as so many documents.
Trees read_json(std::string_view text);

// What a plain scalar is by the core schema of YAML 1.2 (10.3.2).
Node::Type plain_type(std::string_view scalar);
bool is_utf8(std::string_view text);

// `sorted`: keys in order of their bytes and no blank anywhere, which for this tree is RFC 8785.
std::string write_json(const Node& node, bool sorted);
std::string write_pretty_json(const Node& node);
std::string write_yaml(const Node& node);

}  // namespace cvf::directive
