// Trees to text.
#include <algorithm>
#include <numeric>

#include "directive/node.h"

namespace cvf::directive {

namespace {

using Type = Node::Type;

// RFC 8785 section 3.2.2.2.
void quote(std::string_view text, std::string& out) {
    constexpr char hex[] = "0123456789abcdef";
    out += '"';
    for (const char c : text) {
        switch (c) {
            case '"':
            case '\\':
                out += '\\';
                out += c;
                break;
            case '\b':
                out += "\\b";
                break;
            case '\t':
                out += "\\t";
                break;
            case '\n':
                out += "\\n";
                break;
            case '\f':
                out += "\\f";
                break;
            case '\r':
                out += "\\r";
                break;
            default:
                if (static_cast<uint8_t>(c) < 0x20) {
                    out += "\\u00";
                    out += hex[c >> 4];
                    out += hex[c & 15];
                } else {
                    out += c;
                }
        }
    }
    out += '"';
}

std::vector<size_t> order_of(const Node& map, bool sorted) {
    std::vector<size_t> order(map.keys.size());
    std::iota(order.begin(), order.end(), size_t{0});
    if (sorted) std::ranges::sort(order, {}, [&](size_t i) { return std::string_view(map.keys[i].text); });
    return order;
}

// indent < 0: all on one line.
void json_into(const Node& node, bool sorted, int indent, std::string& out) {
    const auto line = [&](int depth) {
        if (indent < 0) return;
        out += '\n';
        out.append(static_cast<size_t>(depth) * 2, ' ');
    };
    const int inner = indent < 0 ? -1 : indent + 1;
    switch (node.type) {
        case Type::null:
            out += "null";
            return;
        case Type::text:
            quote(node.scalar, out);
            return;
        case Type::number:
        case Type::flag:
            out += node.scalar;
            return;
        case Type::list:
            out += '[';
            for (size_t i = 0; i < node.children.size(); ++i) {
                if (i != 0) out += ',';
                line(inner);
                json_into(node.children[i], sorted, inner, out);
            }
            if (!node.children.empty()) line(indent);
            out += ']';
            return;
        case Type::map:
            out += '{';
            bool first = true;
            for (const size_t i : order_of(node, sorted)) {
                if (!std::exchange(first, false)) out += ',';
                line(inner);
                quote(node.keys[i].text, out);
                out += indent < 0 ? ":" : ": ";
                json_into(node.children[i], sorted, inner, out);
            }
            if (!first) line(indent);
            out += '}';
            return;
    }
}

// Plain where every reader of YAML 1.1 and 1.2 sees a text; else in single quotes; escapes only where nothing else is left.
void yaml_text(std::string_view text, std::string& out) {
    static constexpr std::string_view words[] = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"};
    std::string lower(text);
    for (char& c : lower)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
    const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
    const auto plain = [&](char c) {
        return letter(c) || (c >= '0' && c <= '9') || std::string_view("._/-").find(c) != std::string_view::npos;
    };
    // Beginning with a digit: durations, sizes and ratios, which no YAML takes for numbers or dates.
    const bool number_like = !text.empty() && text[0] >= '0' && text[0] <= '9' && text.find('-') == std::string_view::npos &&
                             plain_type(text) == Type::text && text.find_first_of("hmskKMGTB/") != std::string_view::npos;
    if (!text.empty() && (letter(text[0]) || number_like) && std::ranges::all_of(text, plain) &&
        std::ranges::find(words, lower) == std::end(words)) {
        out += text;
        return;
    }
    if (std::ranges::any_of(text, [](char c) { return static_cast<uint8_t>(c) < 0x20 || c == 0x7f; }) ||
        text.find("\xc2\x85") != std::string_view::npos || text.find("\xe2\x80\xa8") != std::string_view::npos ||
        text.find("\xe2\x80\xa9") != std::string_view::npos) {
        quote(text, out);
        return;
    }
    out += '\'';
    for (const char c : text) {
        if (c == '\'') out += '\'';
        out += c;
    }
    out += '\'';
}

void yaml_into(const Node& node, size_t indent, std::string& out);

// What follows "key:" or "-".
void yaml_value(const Node& node, size_t indent, std::string& out) {
    const bool nested = node.type == Type::map || node.type == Type::list;
    if (!nested || node.children.empty()) {
        out += ' ';
        yaml_into(node, indent, out);
        out += '\n';
        return;
    }
    const bool scalars =
        std::ranges::all_of(node.children, [](const Node& c) { return c.type != Type::map && c.type != Type::list; });
    if (node.type == Type::list && scalars) {  // short lists read best on their line
        out += " [";
        for (size_t i = 0; i < node.children.size(); ++i) {
            if (i != 0) out += ", ";
            yaml_into(node.children[i], indent, out);
        }
        out += "]\n";
        return;
    }
    out += '\n';
    yaml_into(node, indent, out);
}

void yaml_into(const Node& node, size_t indent, std::string& out) {
    switch (node.type) {
        case Type::null:
            out += "null";
            return;
        case Type::text:
            yaml_text(node.scalar, out);
            return;
        case Type::number:
        case Type::flag:
            out += node.scalar;
            return;
        case Type::list:
            if (node.children.empty()) out += "[]";
            for (const Node& child : node.children) {
                out.append(indent, ' ');
                out += '-';
                if (child.type == Type::map && !child.children.empty()) {
                    // The first key stands behind the dash.
                    std::string inner;
                    yaml_into(child, indent + 2, inner);
                    out += ' ';
                    out += std::string_view(inner).substr(indent + 2);
                } else {
                    yaml_value(child, indent + 2, out);
                }
            }
            return;
        case Type::map:
            if (node.children.empty()) out += "{}";
            for (size_t i = 0; i < node.children.size(); ++i) {
                out.append(indent, ' ');
                yaml_text(node.keys[i].text, out);
                out += ':';
                yaml_value(node.children[i], indent + 2, out);
            }
            return;
    }
}

}  // namespace

std::string write_json(const Node& node, bool sorted) {
    std::string out;
    json_into(node, sorted, -1, out);
    return out;
}

std::string write_pretty_json(const Node& node) {
    std::string out;
    json_into(node, false, 0, out);
    out += '\n';
    return out;
}

std::string write_yaml(const Node& node) {
    std::string out;
    yaml_into(node, 0, out);
    if (out.empty() || out.back() != '\n') out += '\n';
    return out;
}

}  // namespace cvf::directive
