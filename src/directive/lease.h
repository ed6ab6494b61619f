// A directive that holds for as long as its asker puts its end off: what someone who looks on has made for himself. The end
// stands in a label, so that putting it off is no new generation.
//
// Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <optional>

#include "config/quantity.h"
#include "directive/directive.h"

namespace cvf::directive {

inline constexpr const char* lease_label = "cvf/until";  // UTC seconds

// When it ends unless it is put off, as UTC nanoseconds; nothing: it is no lease.
inline std::optional<int64_t> lease_end(const Directive& directive) {
    const auto label = directive.metadata.labels.find(lease_label);
    if (label == directive.metadata.labels.end()) return std::nullopt;
    const auto seconds = config::parse_count(label->second);
    if (!seconds || *seconds > INT64_MAX / 1'000'000'000) return 0;  // such an end has always passed
    return static_cast<int64_t>(*seconds) * 1'000'000'000;
}

}  // namespace cvf::directive
