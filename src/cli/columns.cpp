#include "cli/columns.h"

#include <algorithm>
#include <cstdio>
#include <ctime>

#include "sink/terminal_text.h"
#include "sink/units.h"

namespace cvf::cli {

std::string printable(std::string_view text) {
    std::string out;
    sink::append_safe(out, text, SIZE_MAX);
    return out;
}

void Columns::print() const {
    std::vector<size_t> widths;
    for (const auto& row : rows_) {
        widths.resize(std::max(widths.size(), row.size()));
        for (size_t i = 0; i < row.size(); i++) widths[i] = std::max(widths[i], sink::safe_width(row[i]));
    }
    std::string out;
    for (const auto& row : rows_) {
        for (size_t i = 0; i < row.size(); i++) {
            const size_t used = sink::append_safe(out, row[i], SIZE_MAX);
            if (i + 1 < row.size()) out.append(widths[i] + 3 - used, ' ');
        }
        out += '\n';
    }
    std::fwrite(out.data(), 1, out.size(), stdout);
    std::fflush(stdout);
}

std::string show_difference(int64_t ns) {
    return ns < 0 ? "-" + sink::show_duration(-static_cast<uint64_t>(ns)) : sink::show_duration(static_cast<uint64_t>(ns));
}

std::string show_time(int64_t unix_ns) {
    const time_t seconds = unix_ns / 1'000'000'000;
    tm utc{};
    gmtime_r(&seconds, &utc);
    char text[32];
    return {text, strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

}  // namespace cvf::cli
