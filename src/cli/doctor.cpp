// `cvf doctor`: what this kernel and these privileges allow, what is lost without each, and how to mend it.
#include <fmt/color.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "cli/commands.h"
#include "record/json.h"
#include "sink/table.h"
#include "tap/doctor.h"

namespace cvf::cli {

int run_doctor(const config::Settings& settings) {
    const auto findings = tap::examine();
    bool essential = findings.size() >= 2 && findings[0].ok && findings[1].ok;
    if (settings.format == config::Format::json) {
        record::Buffer out;
        for (const auto& f : findings) {
            out.append("{\"name\":");
            record::write_json_string(f.name, out);
            out.append(f.ok ? ",\"ok\":true,\"effect\":" : ",\"ok\":false,\"effect\":");
            record::write_json_string(f.what_is_lost, out);
            out.append(",\"mend\":");
            record::write_json_string(f.how_to_mend, out);
            out.append(",\"detail\":");
            record::write_json_string(f.detail, out);
            out.append("}\n");
        }
        fmt::print("{}", out.view());
        return essential ? exit_done : exit_failed;
    }
    size_t width = 0;
    for (const auto& f : findings) width = std::max(width, f.name.size());
    const bool colour = sink::colour_wanted(STDOUT_FILENO);
    for (const auto& f : findings) {
        std::string mark = f.ok ? "ok  " : "no  ";
        if (colour) mark = fmt::format(fg(f.ok ? fmt::terminal_color::green : fmt::terminal_color::red), "{}", mark);
        fmt::print("{} {:<{}}  {}\n", mark, f.name, width, f.what_is_lost);
        if (!f.ok && !f.how_to_mend.empty()) fmt::print("     {:<{}}  → {}\n", "", width, f.how_to_mend);
        if (!f.detail.empty() && settings.verbose) fmt::print("     {:<{}}    {}\n", "", width, f.detail);
    }
    fmt::print("\nOut of reach of an endpoint tap, whatever the kernel:\n");
    for (const auto& line : tap::out_of_reach()) fmt::print("     {}\n", line);
    fmt::print("\n{}\n", essential ? "`cvf up` can watch this machine."
                                   : "`cvf up` cannot watch this machine as things are; `cvf read FILE` works all the same.");
    return essential ? exit_done : exit_failed;
}

}  // namespace cvf::cli
