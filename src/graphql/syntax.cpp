#include "graphql/syntax.h"

#include <algorithm>

namespace cvf::graphql {

boost::json::object Error::json() const {
    boost::json::object out{{"message", message}};
    if (!places.empty()) {
        boost::json::array list;
        for (const Place& p : places) list.push_back(boost::json::object{{"line", p.line}, {"column", p.column}});
        out["locations"] = std::move(list);
    }
    if (!path.empty()) out["path"] = path;
    if (!extensions.empty()) out["extensions"] = extensions;
    return out;
}

std::string TypeNode::show() const {
    std::string head, tail;
    for (const char wrap : wraps) {
        if (wrap == '[') head += '[';
        tail.insert(tail.begin(), wrap == '[' ? ']' : '!');
    }
    return head + name + tail;
}

std::string_view name_of(OperationKind kind) {
    static constexpr std::string_view names[] = {"query", "mutation", "subscription"};
    return names[static_cast<size_t>(kind)];
}

const Fragment* Document::fragment(std::string_view name) const {
    const auto found = std::ranges::find(fragments, name, &Fragment::name);
    return found == fragments.end() ? nullptr : &*found;
}

Place Document::place(size_t at) const {
    return place_in(source, at);
}

Place place_in(std::string_view source, size_t at) {
    Place out;
    for (size_t i = 0; i < std::min(at, source.size()); ++i) {
        const auto c = static_cast<unsigned char>(source[i]);
        if (c == '\n' || (c == '\r' && (i + 1 == source.size() || source[i + 1] != '\n'))) {
            ++out.line;
            out.column = 1;
        } else if (c != '\r' && (c & 0xC0) != 0x80) {
            out.column += c >= 0xF0 ? 2 : 1;
        }
    }
    return out;
}

}  // namespace cvf::graphql
