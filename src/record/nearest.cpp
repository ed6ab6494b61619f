#include "record/nearest.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>

#include "record/fields.h"

namespace cvf::record {

namespace {

constexpr size_t longest_name = 128;

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

// Optimal string alignment: insert, delete, replace and swap of neighbours cost one each.
size_t distance(std::string_view a, std::string_view b) {
    std::array<std::array<size_t, longest_name + 1>, 3> rows;
    auto *two_up = &rows[0], *up = &rows[1], *row = &rows[2];
    for (size_t j = 0; j <= b.size(); ++j) (*up)[j] = j;
    for (size_t i = 1; i <= a.size(); ++i) {
        (*row)[0] = i;
        for (size_t j = 1; j <= b.size(); ++j) {
            const bool same = lower(a[i - 1]) == lower(b[j - 1]);
            size_t best = std::min({(*up)[j] + 1, (*row)[j - 1] + 1, (*up)[j - 1] + (same ? 0u : 1u)});
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]))
                best = std::min(best, (*two_up)[j - 2] + 1);
            (*row)[j] = best;
        }
        auto* oldest = two_up;
        two_up = up;
        up = row;
        row = oldest;
    }
    return (*up)[b.size()];
}

std::string_view take_part(std::string_view& rest) {
    const size_t dot = rest.find('.');
    const std::string_view part = rest.substr(0, dot);
    rest.remove_prefix(dot == std::string_view::npos ? rest.size() : dot + 1);
    return part;
}

// A part as it was meant: at most `edits` typing errors, none in the shortest words.
bool same_part(std::string_view part, std::string_view wanted, size_t edits) {
    if (part == wanted) return true;
    return edits > 0 && wanted.size() >= 3 && part.size() + edits >= wanted.size() && part.size() <= wanted.size() + edits &&
           distance(part, wanted) <= edits;
}

// All dotted parts of `name` stand in `key`, in order.
bool has_parts_of(std::string_view key, std::string_view name, size_t edits) {
    if (key.size() > longest_name) return false;
    std::string_view wanted = take_part(name);
    while (!key.empty()) {
        if (!same_part(take_part(key), wanted, edits)) continue;
        if (name.empty()) return true;
        wanted = take_part(name);
    }
    return false;
}

}  // namespace

std::string_view nearest(std::string_view name, std::span<const std::string_view> candidates) {
    if (name.empty() || name.size() > longest_name) return {};
    const size_t limit = std::max<size_t>(2, name.size() / 3);
    std::string_view best;
    size_t best_distance = std::numeric_limits<size_t>::max();
    for (std::string_view c : candidates) {
        if (c.size() > longest_name || c.size() > name.size() + limit || name.size() > c.size() + limit) continue;
        const size_t d = distance(name, c);
        // A name of which nothing is left after the edits is not near.
        if (d <= limit && d < std::max(name.size(), c.size()) && d < best_distance) {
            best = c;
            best_distance = d;
        }
    }
    // Two edits are a typing error beyond doubt; above that, a name with all the parts given is the better guess.
    if (best_distance <= 2) return best;
    std::string_view with_parts;
    for (size_t edits = 0; edits <= 1 && with_parts.empty(); ++edits)
        for (std::string_view c : candidates)
            if (has_parts_of(c, name, edits) && (with_parts.empty() || c.size() < with_parts.size())) with_parts = c;
    return with_parts.empty() ? best : with_parts;
}

std::string_view nearest_key(std::string_view key) {
    std::array<std::string_view, field_count> keys;
    for (size_t i = 0; i < field_count; ++i) keys[i] = info(static_cast<Field>(i)).key;
    return nearest(key, keys);
}

}  // namespace cvf::record
