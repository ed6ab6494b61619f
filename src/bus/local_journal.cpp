#include "bus/local_journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <utility>

namespace cvf::bus {

namespace {

namespace fs = std::filesystem;

struct Entry {
    uint64_t revision = 0;
    std::string_view key;
    std::optional<std::string_view> value;
};

void write_entry(std::string& out, const Entry& e) {
    out += fmt::format("{} {} {}\n", e.revision, e.key.size(), e.value ? std::to_string(e.value->size()) : "-");
    out += e.key;
    if (e.value) out += *e.value;
    out += '\n';
}

// The next entry, taken off `text`; nothing when there is no whole one.
std::optional<Entry> read_entry(std::string_view& text) {
    const size_t line = text.find('\n');
    if (line == std::string_view::npos) return std::nullopt;
    const char* at = text.data();
    const char* const end = at + line;
    Entry e;
    uint64_t key = 0, value = 0;
    auto got = std::from_chars(at, end, e.revision);
    if (got.ec != std::errc() || got.ptr == end || *got.ptr != ' ') return std::nullopt;
    got = std::from_chars(got.ptr + 1, end, key);
    if (got.ec != std::errc() || got.ptr == end || *got.ptr != ' ') return std::nullopt;
    const bool removed = std::string_view(got.ptr + 1, end) == "-";
    if (!removed) {
        got = std::from_chars(got.ptr + 1, end, value);
        if (got.ec != std::errc() || got.ptr != end) return std::nullopt;
    }
    std::string_view rest = text.substr(line + 1);
    if (key >= rest.size() || value >= rest.size() - key || rest[key + value] != '\n') return std::nullopt;
    e.key = rest.substr(0, key);
    if (!removed) e.value = rest.substr(key, value);
    text = rest.substr(key + value + 1);
    return e;
}

bool write_whole(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t n = ::write(fd, text.data(), text.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        text.remove_prefix(static_cast<size_t>(n));
    }
    return true;
}

}  // namespace

LocalJournal::~LocalJournal() {
    for (const auto& [bucket, fd] : files_) ::close(fd);
}

std::expected<void, std::string> LocalJournal::load(std::string_view bucket, size_t most, const Each& each) {
    if (files_.contains(bucket)) return {};
    std::error_code error;
    fs::create_directories(directory_, error);
    const std::string path = fmt::format("{}/{}", directory_, bucket), beside = path + ".new";
    std::string all;
    if (std::ifstream file(path); file) {
        std::ostringstream content;
        content << file.rdbuf();
        all = std::move(content).str();
    }
    std::map<std::string_view, Entry> last;
    std::string_view text = all;
    while (const auto entry = read_entry(text)) last[entry->key] = *entry;
    std::map<uint64_t, Entry> by_revision;
    for (const auto& [key, entry] : last)
        if (entry.value) by_revision.emplace(entry.revision, entry);
    while (by_revision.size() > most) by_revision.erase(by_revision.begin());
    std::string anew;
    for (const auto& [revision, entry] : by_revision) write_entry(anew, entry);
    const auto failed = [&] { return std::unexpected(fmt::format("{}: {}", path, std::strerror(errno))); };
    const int fd = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) return failed();
    if (!write_whole(fd, anew) || ::fsync(fd) != 0 || std::rename(beside.c_str(), path.c_str()) != 0) {
        auto why = failed();
        ::close(fd);
        return why;
    }
    files_.emplace(bucket, fd);
    for (const auto& [revision, entry] : by_revision) each(entry.key, *entry.value, revision);
    return {};
}

void LocalJournal::note(std::string_view bucket, std::string_view key, uint64_t revision, const std::string_view* value) {
    const auto file = files_.find(bucket);
    if (file == files_.end()) return;
    Entry entry{revision, key, {}};
    if (value) entry.value = *value;
    std::string text;
    write_entry(text, entry);
    const off_t before = ::lseek(file->second, 0, SEEK_END);
    if (write_whole(file->second, text) && ::fdatasync(file->second) == 0) {
        complained_ = false;
        return;
    }
    const int why = errno;
    // Half an entry would hide what comes after it: if it can't be taken back, nothing more is written.
    if (before < 0 || ::ftruncate(file->second, before) != 0) {
        ::close(file->second);
        files_.erase(file);
    }
    if (!std::exchange(complained_, true))
        std::fputs(fmt::format("cvf: {}/{} can't be written: {}; changes of it are lost with this process\n", directory_, bucket,
                               std::strerror(why))
                       .c_str(),
                   stderr);
}

}  // namespace cvf::bus
