// Small tables for people: columns as wide as they need to be, a header, nothing else. For numbers see sink/units.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cvf::cli {

// For a terminal: what comes from elsewhere, made safe as sink/terminal_text.h says.
std::string printable(std::string_view text);

class Columns {
 public:
    explicit Columns(std::vector<std::string> header) : rows_{std::move(header)} {}
    void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
    // What stands in them is made safe for a terminal: it came from elsewhere.
    void print() const;

 private:
    std::vector<std::vector<std::string>> rows_;
};

std::string show_difference(int64_t ns);  // of two clocks: "12.3 ms", "-845 ns"
std::string show_time(int64_t unix_ns);   // RFC 3339 in whole seconds

}  // namespace cvf::cli
