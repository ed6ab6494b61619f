// String literals: escapes, and the indentation of block strings. GraphQL October 2021, 2.9.4.
#include <algorithm>
#include <vector>

#include "graphql/parse.h"

namespace cvf::graphql {
namespace {

void append_utf8(uint32_t c, std::string& out) {
    const auto put = [&](uint32_t byte) { out += static_cast<char>(byte); };
    if (c < 0x80) {
        put(c);
    } else if (c < 0x800) {
        put(0xC0 | (c >> 6)), put(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        put(0xE0 | (c >> 12)), put(0x80 | ((c >> 6) & 0x3F)), put(0x80 | (c & 0x3F));
    } else {
        put(0xF0 | (c >> 18)), put(0x80 | ((c >> 12) & 0x3F)), put(0x80 | ((c >> 6) & 0x3F)), put(0x80 | (c & 0x3F));
    }
}

uint32_t hex_value(char c) {
    if (c <= '9') return static_cast<uint32_t>(c - '0');
    return static_cast<uint32_t>((c | 0x20) - 'a' + 10);
}

// Behind "\u": XXXX or {X…}, which the grammar has checked. Beyond Unicode: any value above 0x10FFFF.
uint32_t code_point(std::string_view& rest) {
    uint32_t out = 0;
    if (rest.front() != '{') {
        for (size_t i = 0; i < 4; ++i) out = out << 4 | hex_value(rest[i]);
        rest.remove_prefix(4);
        return out;
    }
    rest.remove_prefix(1);
    for (; rest.front() != '}'; rest.remove_prefix(1)) out = std::min<uint32_t>(out << 4 | hex_value(rest.front()), 0x110000);
    rest.remove_prefix(1);
    return out;
}

std::expected<std::string, std::string> plain(std::string_view rest) {
    std::string out;
    while (!rest.empty()) {
        const char c = rest.front();
        rest.remove_prefix(1);
        if (c != '\\') {
            out += c;
            continue;
        }
        const char what = rest.front();
        rest.remove_prefix(1);
        switch (what) {
            case 'b':
                out += '\b';
                break;
            case 'f':
                out += '\f';
                break;
            case 'n':
                out += '\n';
                break;
            case 'r':
                out += '\r';
                break;
            case 't':
                out += '\t';
                break;
            case 'u': {
                const bool braces = rest.front() == '{';
                uint32_t code = code_point(rest);
                if (!braces && code >= 0xD800 && code < 0xDC00 && rest.size() >= 6 && rest.starts_with("\\u") && rest[2] != '{') {
                    std::string_view second = rest.substr(2);
                    const uint32_t low = code_point(second);
                    if (low >= 0xDC00 && low < 0xE000) {
                        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
                        rest = second;
                    }
                }
                if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
                    return std::unexpected("an escape in this string is no Unicode character");
                append_utf8(code, out);
                break;
            }
            default:
                out += what;
        }
    }
    return out;
}

std::vector<std::string_view> lines_of(std::string_view text) {
    std::vector<std::string_view> out;
    for (;;) {
        const size_t end = text.find_first_of("\r\n");
        out.push_back(text.substr(0, end));
        if (end == std::string_view::npos) return out;
        text.remove_prefix(end + (text.substr(end).starts_with("\r\n") ? 2 : 1));
    }
}

size_t indent_of(std::string_view line) {
    return std::min(line.find_first_not_of(" \t"), line.size());
}

// BlockStringValue() of the specification.
std::string block(std::string_view raw) {
    std::vector<std::string_view> lines = lines_of(raw);
    size_t common = std::string_view::npos;
    for (size_t i = 1; i < lines.size(); ++i)
        if (indent_of(lines[i]) < lines[i].size()) common = std::min(common, indent_of(lines[i]));
    if (common != std::string_view::npos)
        for (size_t i = 1; i < lines.size(); ++i) lines[i].remove_prefix(std::min(common, lines[i].size()));
    const auto blank = [](std::string_view line) { return indent_of(line) == line.size(); };
    while (!lines.empty() && blank(lines.back())) lines.pop_back();
    std::string joined;
    for (size_t i = 0; i < lines.size(); ++i) {
        if (joined.empty() && blank(lines[i])) continue;
        if (!joined.empty()) joined += '\n';
        joined += lines[i];
    }
    std::string out;
    for (size_t i = 0; i < joined.size(); ++i) {
        if (std::string_view(joined).substr(i).starts_with("\\\"\"\"")) continue;  // the backslash alone is left out
        out += joined[i];
    }
    return out;
}

}  // namespace

std::expected<std::string, std::string> string_value(std::string_view literal) {
    if (literal.size() >= 6 && literal.starts_with("\"\"\"")) return block(literal.substr(3, literal.size() - 6));
    return plain(literal.substr(1, literal.size() - 2));
}

}  // namespace cvf::graphql
