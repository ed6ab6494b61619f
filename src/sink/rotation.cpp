#include "sink/rotation.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <ctime>
#include <tuple>
#include <utility>

namespace cvf::sink {
namespace {

constexpr size_t stamp_size = 16;  // 20260102T030405Z

bool is_stamp(std::string_view text) {
    for (size_t i = 0; i < stamp_size; ++i) {
        if (i == 8 ? text[i] != 'T' : i == 15 ? text[i] != 'Z' : text[i] < '0' || text[i] > '9') return false;
    }
    return true;
}

struct Rotated {
    std::string stamp;
    unsigned number;
    std::string path;
};

// Oldest first.
std::vector<Rotated> list(const std::string& path) {
    const RotatedName name(path);
    const size_t slash = name.stem.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : name.stem.substr(0, slash);
    const std::string base = slash == std::string::npos ? name.stem : name.stem.substr(slash + 1);
    // Only what this scheme can have made is ours: base-STAMP[.N]suffix, to the letter.
    std::vector<Rotated> found;
    if (DIR* dir = ::opendir(folder.c_str())) {
        while (const dirent* entry = ::readdir(dir)) {
            std::string_view rest = entry->d_name;
            if (!rest.starts_with(base) || !rest.ends_with(name.suffix)) continue;
            rest = rest.substr(base.size(), rest.size() - std::min(rest.size(), base.size() + name.suffix.size()));
            if (rest.size() < 1 + stamp_size || rest[0] != '-' || !is_stamp(rest.substr(1, stamp_size))) continue;
            const std::string stamp(rest.substr(1, stamp_size));
            rest.remove_prefix(1 + stamp_size);
            unsigned number = 0;
            if (!rest.empty()) {
                const auto [end, error] = std::from_chars(rest.data() + 1, rest.data() + rest.size(), number);
                if (rest[0] != '.' || error != std::errc{} || end != rest.data() + rest.size() || number == 0) continue;
            }
            found.push_back({stamp, number, name.at(stamp, number)});
        }
        ::closedir(dir);
    }
    std::sort(found.begin(), found.end(),
              [](const Rotated& a, const Rotated& b) { return std::tie(a.stamp, a.number) < std::tie(b.stamp, b.number); });
    return found;
}

}  // namespace

RotatedName::RotatedName(std::string_view path) {
    if (path.ends_with(".zst")) suffix = ".zst";
    stem = path.substr(0, path.size() - suffix.size());
}

std::string RotatedName::at(std::string_view stamp, unsigned number) const {
    return number == 0 ? fmt::format("{}-{}{}", stem, stamp, suffix) : fmt::format("{}-{}.{}{}", stem, stamp, number, suffix);
}

std::expected<std::string, int> rotate_away(const std::string& path, int64_t unix_seconds) {
    const RotatedName name(path);
    const auto when = static_cast<time_t>(unix_seconds);
    tm utc{};
    ::gmtime_r(&when, &utc);
    char text[32];
    std::string stamp(text, strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &utc));
    // Names must sort in the order of rotation, also within one second, after older ones were removed, and when the clock was set
    // back.
    unsigned first = 0;
    if (const auto there = list(path); !there.empty() && there.back().stamp >= stamp) {
        stamp = there.back().stamp;
        first = there.back().number + 1;
    }
    for (unsigned number = first; number - first < 1000; ++number) {
        std::string to = name.at(stamp, number);
        if (::renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return to;
        const int failed = errno;
        if (failed == EINVAL && ::access(to.c_str(), F_OK) != 0) {  // a file system without RENAME_NOREPLACE
            if (::rename(path.c_str(), to.c_str()) == 0) return to;
            return std::unexpected(errno);
        }
        if (failed != EEXIST && failed != EINVAL) return std::unexpected(failed);
    }
    return std::unexpected(EEXIST);
}

std::vector<std::string> rotated_files(const std::string& path) {
    std::vector<std::string> files;
    for (Rotated& file : list(path)) files.push_back(std::move(file.path));
    return files;
}

void remove_oldest(const std::string& path, size_t keep) {
    const auto files = rotated_files(path);
    for (size_t i = 0; i + keep < files.size(); ++i) ::unlink(files[i].c_str());
}

}  // namespace cvf::sink
