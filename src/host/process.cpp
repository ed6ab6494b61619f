#include "host/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <climits>
#include <memory>
#include <string_view>

namespace cvf::host {

namespace {

constexpr int64_t second_ns = 1'000'000'000;

// Reads up to `limit` bytes; `whole` asks that there be no more.
std::optional<std::string> read_up_to(const std::string& path, size_t limit, bool whole) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return std::nullopt;
    struct stat about{};
    if (::fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) {
        ::close(fd);
        return std::nullopt;
    }
    std::string text;
    size_t used = 0;
    ssize_t n = 0;
    for (;;) {
        // Files of /proc have no size: grow as they are read.
        text.resize(std::min(std::max<size_t>(used * 2, 1024), limit + 1));
        n = ::read(fd, text.data() + used, text.size() - used);
        if (n <= 0) break;
        used += static_cast<size_t>(n);
        if (used > limit) break;
    }
    ::close(fd);
    if (n < 0 || (whole && used > limit)) return std::nullopt;
    text.resize(std::min(used, limit));
    return text;
}

template <typename Number>
bool parse(std::string_view text, Number& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc() && end == text.data() + text.size();
}

// The next word, which is taken off `text`.
std::string_view word(std::string_view& text) {
    const size_t start = std::min(text.find_first_not_of(" \t"), text.size());
    text.remove_prefix(start);
    const size_t end = std::min(text.find_first_of(" \t\n"), text.size());
    const std::string_view found = text.substr(0, end);
    text.remove_prefix(end);
    return found;
}

std::string read_link(const std::string& path) {
    char target[PATH_MAX];
    const ssize_t n = ::readlink(path.c_str(), target, sizeof target);
    return n > 0 ? std::string(target, static_cast<size_t>(n)) : std::string();
}

}  // namespace

std::optional<std::string> read_file(const std::string& path, size_t limit) {
    return read_up_to(path, limit, true);
}

bool numbers_as_the_kernel(const std::string& root) {
    constexpr std::string_view first = "pid:[4026531836]";  // linux/proc_ns.h: PROC_PID_INIT_INO
    return read_link(root + "/self/ns/pid") == first || read_link(root + "/1/ns/pid") == first;
}

int64_t boot_to_utc_ns() {
    timespec utc{}, boot{};
    ::clock_gettime(CLOCK_REALTIME, &utc);
    ::clock_gettime(CLOCK_BOOTTIME, &boot);
    return (utc.tv_sec - boot.tv_sec) * second_ns + (utc.tv_nsec - boot.tv_nsec);
}

Proc::Proc(std::string root) : root_(std::move(root)) {
    const long ticks = ::sysconf(_SC_CLK_TCK);
    tick_ns_ = second_ns / (ticks > 0 ? ticks : 100);
}

std::string Proc::path(uint32_t pid, const char* file) const {
    if (root_.empty()) return {};
    return root_ + '/' + std::to_string(pid) + '/' + file;
}

std::optional<ProcessStat> Proc::stat(uint32_t pid) const {
    const auto text = read_up_to(path(pid, "stat"), 4096, true);
    if (!text) return std::nullopt;
    // comm may itself hold spaces and parentheses: it ends at the last ')'.
    const size_t open = text->find('('), close = text->rfind(')');
    if (open == std::string::npos || close == std::string::npos || close < open) return std::nullopt;
    ProcessStat found;
    found.comm = text->substr(open + 1, std::min<size_t>(close - open - 1, 64));
    std::string_view rest = std::string_view(*text).substr(close + 1);
    word(rest);  // field 3, state
    if (!parse(word(rest), found.parent_pid)) return std::nullopt;
    for (int field = 5; field < 22; ++field) word(rest);
    if (!parse(word(rest), found.start_ticks) || found.start_ticks > static_cast<uint64_t>(INT64_MAX / tick_ns_))
        return std::nullopt;
    found.start_ns = static_cast<int64_t>(found.start_ticks) * tick_ns_ + boot_to_utc_ns();
    return found;
}

std::string Proc::executable(uint32_t pid) const {
    std::string target = read_link(path(pid, "exe"));
    constexpr std::string_view deleted = " (deleted)";
    if (target.ends_with(deleted)) target.resize(target.size() - deleted.size());
    return target;
}

std::string Proc::command_line(uint32_t pid, size_t limit) const {
    auto text = read_up_to(path(pid, "cmdline"), limit, false);
    if (!text) return {};
    while (text->ends_with('\0')) text->pop_back();
    std::replace(text->begin(), text->end(), '\0', ' ');
    return std::move(*text);
}

std::string Proc::cgroup(uint32_t pid) const {
    const auto text = read_up_to(path(pid, "cgroup"), 16384, false);
    if (!text) return {};
    // "0::/path" is the v2 line; a path may hold any byte but a line feed.
    size_t at = text->starts_with("0::") ? 0 : text->find("\n0::");
    if (at == std::string::npos) return {};
    at = text->find(':', at) + 2;
    return text->substr(at, text->find('\n', at) - at);
}

uint32_t Proc::netns(uint32_t pid) const {
    // "net:[4026531840]"
    const std::string target = read_link(path(pid, "ns/net"));
    uint32_t inode = 0;
    if (!target.starts_with("net:[") || !target.ends_with(']')) return 0;
    return parse(std::string_view(target).substr(5, target.size() - 6), inode) ? inode : 0;
}

std::vector<uint32_t> Proc::list() const {
    std::vector<uint32_t> pids;
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(root_.c_str()), ::closedir);
    if (!directory) return pids;
    while (const dirent* entry = ::readdir(directory.get())) {
        uint32_t pid = 0;
        if (parse(std::string_view(entry->d_name), pid)) pids.push_back(pid);
    }
    return pids;
}

}  // namespace cvf::host
