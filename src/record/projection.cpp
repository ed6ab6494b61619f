#include <fmt/format.h>

#include "record/json.h"
#include "record/nearest.h"

namespace cvf::record {

std::expected<Projection, std::string> Projection::parse(std::span<const std::string> patterns) {
    Projection chosen;
    for (const std::string& pattern : patterns) {
        if (pattern == "*") {
            chosen.fields_.set();
        } else if (pattern.ends_with(".*")) {
            std::string_view prefix(pattern.data(), pattern.size() - 1);
            bool any = false;
            for (size_t i = 0; i < field_count; i++)
                if (info(static_cast<Field>(i)).key.starts_with(prefix)) chosen.fields_.set(i), any = true;
            if (!any) return std::unexpected(fmt::format("no field begins with \"{}\"; docs/records.md lists them all", prefix));
        } else if (auto field = field_by_key(pattern)) {
            chosen.fields_.set(static_cast<size_t>(*field));
        } else {
            std::string_view near = nearest_key(pattern);
            return std::unexpected(near.empty() ? fmt::format("no field is named \"{}\"; docs/records.md lists them all", pattern)
                                                : fmt::format("no field is named \"{}\"; did you mean \"{}\"?", pattern, near));
        }
    }
    return chosen;
}

}  // namespace cvf::record
