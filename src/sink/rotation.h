// Names and life of rotated files; see file.h for the scheme. Blocking file system calls; no state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace cvf::sink {

struct RotatedName {
    std::string stem;    // "/var/log/flows.jsonl"
    std::string suffix;  // ".zst" or ""
    explicit RotatedName(std::string_view path);
    std::string at(std::string_view stamp, unsigned number) const;  // full path; number 0: none
};

// Renames `path` out of the way; the new name, or an errno value.
std::expected<std::string, int> rotate_away(const std::string& path, int64_t unix_seconds);

// The rotated files of `path`, oldest first, full paths.
std::vector<std::string> rotated_files(const std::string& path);

// Removes the oldest until `keep` are left.
void remove_oldest(const std::string& path, size_t keep);

}  // namespace cvf::sink
