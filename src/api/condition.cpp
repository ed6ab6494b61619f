#include "api/condition.h"

#include <fmt/format.h>

namespace cvf::api {

std::string strong_tag(uint64_t revision) {
    return fmt::format("\"{}\"", revision);
}
std::string weak_tag(std::string_view instance, uint64_t version) {
    return fmt::format("W/\"{}-{}\"", instance, version);
}

bool lists_tag(std::string_view header, std::string_view tag, bool weak) {
    if (header.find_first_not_of(" \t*") == std::string_view::npos && header.find('*') != std::string_view::npos) return true;
    const bool tag_weak = tag.starts_with("W/");
    if (tag_weak) tag.remove_prefix(2);
    while (!header.empty()) {
        if (header.front() == ' ' || header.front() == '\t' || header.front() == ',') {
            header.remove_prefix(1);
            continue;
        }
        const bool its_weak = header.starts_with("W/");
        if (its_weak) header.remove_prefix(2);
        if (!header.starts_with('"')) return false;
        const size_t end = header.find('"', 1);
        if (end == std::string_view::npos) return false;
        if (header.substr(0, end + 1) == tag && (weak || (!its_weak && !tag_weak))) return true;
        header.remove_prefix(end + 1);
    }
    return false;
}

}  // namespace cvf::api
