#include "http/target.h"

namespace cvf::http {
namespace {

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool unreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
           c == '~';
}

}  // namespace

std::optional<std::string_view> Target::parameter(std::string_view name) const {
    for (const auto& [key, value] : query)
        if (key == name) return value;
    return std::nullopt;
}

std::optional<std::string> decode_component(std::string_view text, bool plus_is_space) {
    std::string out;
    out.reserve(text.size());
    for (size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (c == '%') {
            if (text.size() - i < 3) return std::nullopt;
            const int high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);
            if (high < 0 || low < 0) return std::nullopt;
            c = static_cast<char>(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        if (c == '\0') return std::nullopt;
        out.push_back(c);
    }
    return out;
}

std::string encode_component(std::string_view text) {
    static constexpr char digits[] = "0123456789ABCDEF";
    std::string out;
    out.reserve(text.size() + text.size() / 2);
    for (char c : text) {
        if (unreserved(c)) {
            out.push_back(c);
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        out.push_back('%');
        out.push_back(digits[byte >> 4]);
        out.push_back(digits[byte & 15]);
    }
    return out;
}

std::expected<Target, std::string> parse_target(std::string_view target) {
    bool absolute = false;
    // RFC 9112 3.2.2: a server must take the absolute form too, though only proxies are sent it.
    if (target.starts_with("http://") || target.starts_with("https://")) {
        const size_t end = target.find_first_of("/?#", target.find("//") + 2);
        target = end == std::string_view::npos ? std::string_view{} : target.substr(end);
        absolute = true;
    }
    target = target.substr(0, target.find('#'));
    // RFC 3986 6.2.3: no path at all is the path "/".
    const bool no_path = absolute && !target.starts_with('/');
    if (!no_path && !target.starts_with('/')) return std::unexpected("the request target does not begin with '/'");
    const size_t mark = target.find('?');
    auto path = decode_component(no_path ? "/" : target.substr(0, mark), false);
    if (!path) return std::unexpected("the path is not validly percent-encoded");
    Target out{std::move(*path), {}};
    if (mark == std::string_view::npos) return out;

    std::string_view rest = target.substr(mark + 1);
    while (!rest.empty()) {
        const size_t end = rest.find('&');
        const std::string_view pair = rest.substr(0, end);
        rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
        if (pair.empty()) continue;
        if (out.query.size() == max_parameters) return std::unexpected("too many query parameters");
        const size_t equals = pair.find('=');
        auto name = decode_component(pair.substr(0, equals), true);
        auto value = decode_component(equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1), true);
        if (!name || !value) return std::unexpected("the query is not validly percent-encoded");
        out.query.emplace_back(std::move(*name), std::move(*value));
    }
    return out;
}

}  // namespace cvf::http
