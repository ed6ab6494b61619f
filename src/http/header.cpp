#include "http/header.h"

#include <strings.h>

namespace cvf::http {

bool same_word(std::string_view a, std::string_view b) {
    return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::string_view trimmed(std::string_view text) {
    while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
    while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
    return text;
}

std::string_view find_header(std::span<const Header> headers, std::string_view name) {
    for (const Header& one : headers)
        if (same_word(one.name, name)) return one.value;
    return {};
}

std::vector<std::string_view> list_items(std::string_view value) {
    std::vector<std::string_view> out;
    while (!value.empty()) {
        const std::string_view item = value.substr(0, value.find(','));
        value.remove_prefix(std::min(item.size() + 1, value.size()));
        if (const auto plain = trimmed(item); !plain.empty()) out.push_back(plain);
    }
    return out;
}

std::string_view media_type_of(std::string_view value) {
    return trimmed(value.substr(0, value.find(';')));
}

std::string_view parameter_of(std::string_view value, std::string_view name) {
    size_t at = value.find(';');
    while (at != std::string_view::npos) {
        value.remove_prefix(at + 1);
        at = value.find(';');
        const std::string_view one = trimmed(value.substr(0, at));
        const size_t equals = one.find('=');
        if (equals == std::string_view::npos || !same_word(trimmed(one.substr(0, equals)), name)) continue;
        std::string_view found = trimmed(one.substr(equals + 1));
        if (found.size() >= 2 && found.front() == '"' && found.back() == '"') found = found.substr(1, found.size() - 2);
        return found;
    }
    return {};
}

int quality(std::string_view accept, std::string_view media) {
    int found = 0, specific = -1;
    for (const std::string_view one : list_items(accept)) {
        const std::string_view range = media_type_of(one);
        const bool of_kind =
            range.ends_with("/*") && same_word(range.substr(0, range.size() - 1), media.substr(0, media.find('/') + 1));
        const int how = same_word(range, media) ? 2 : range == "*/*" ? 0 : of_kind ? 1 : -1;
        if (how < 0 || how <= specific) continue;
        specific = how;
        const std::string_view q = parameter_of(one, "q");
        found = 1000;
        if (q.empty()) continue;
        found = q.front() == '1' ? 1000 : 0;
        int scale = 100;
        if (q.front() == '0' && q.size() > 2)
            for (const char c : q.substr(2, 3)) found += (c >= '0' && c <= '9' ? c - '0' : 0) * scale, scale /= 10;
    }
    return found;
}

}  // namespace cvf::http
