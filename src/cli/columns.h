// Small tables for people: columns as wide as they need to be, a header, nothing else; and numbers as people read them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cvf::cli {

// For a terminal: what comes from elsewhere, with its control characters taken out.
std::string printable(std::string_view text);

class Columns {
 public:
    explicit Columns(std::vector<std::string> header) : rows_{std::move(header)} {}
    void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
    // Control characters are taken out: what stands here came from elsewhere.
    void print() const;

 private:
    std::vector<std::vector<std::string>> rows_;
};

std::string human_bytes(uint64_t bytes);  // "17MiB"
std::string human_duration(int64_t ns);   // "12s", "3ms", "4m"
std::string human_count(uint64_t count);  // "12,345"
std::string human_time(int64_t unix_ns);  // RFC 3339 in whole seconds

}  // namespace cvf::cli
