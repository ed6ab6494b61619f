#include "directive/node.h"

#include <fmt/format.h>

#include <algorithm>

#include "directive/problem.h"

namespace cvf::directive {

std::string Problem::show(std::string_view name) const {
    std::string out(name);
    if (!name.empty() && line != 0) out += ':';
    if (line != 0) out += fmt::format("{}:{}", line, column);
    if (!out.empty()) out += ": ";
    if (!path.empty()) out += path + ": ";
    return out + message;
}

const Node* Node::find(std::string_view key) const {
    const auto at_key = std::ranges::find(keys, key, &Key::text);
    return at_key == keys.end() ? nullptr : &children[static_cast<size_t>(at_key - keys.begin())];
}

Node& Node::add(std::string_view key, Node value) {
    keys.push_back({std::string(key), {}});
    children.push_back(std::move(value));
    return children.back();
}

bool Node::operator==(const Node& other) const {
    return type == other.type && scalar == other.scalar && std::ranges::equal(keys, other.keys, {}, &Key::text, &Key::text) &&
           children == other.children;
}

bool is_utf8(std::string_view text) {
    size_t i = 0;
    const auto tail = [&](size_t n) {  // n bytes 10xxxxxx follow
        if (text.size() - i <= n) return false;
        for (size_t k = 1; k <= n; ++k)
            if ((static_cast<uint8_t>(text[i + k]) & 0xc0) != 0x80) return false;
        return true;
    };
    while (i < text.size()) {
        const auto c = static_cast<uint8_t>(text[i]);
        const auto next = i + 1 < text.size() ? static_cast<uint8_t>(text[i + 1]) : uint8_t{0};
        size_t n = 0;
        if (c >= 0xc2 && c <= 0xdf) {
            n = 1;
        } else if (c >= 0xe0 && c <= 0xef) {
            n = 2;
            if ((c == 0xe0 && next < 0xa0) || (c == 0xed && next > 0x9f)) return false;  // overlong, surrogates
        } else if (c >= 0xf0 && c <= 0xf4) {
            n = 3;
            if ((c == 0xf0 && next < 0x90) || (c == 0xf4 && next > 0x8f)) return false;
        } else if (c >= 0x80) {
            return false;
        }
        if (n != 0 && !tail(n)) return false;
        i += n + 1;
    }
    return true;
}

}  // namespace cvf::directive
