#include "api/metrics.h"

#include <fmt/format.h>

#include <cmath>
#include <string_view>

namespace cvf::api {
namespace {

void escape(std::string_view text, bool quotes, std::string& out) {
    for (char c : text) {
        if (c == '\\')
            out += "\\\\";
        else if (c == '\n')
            out += "\\n";
        else if (c == '"' && quotes)
            out += "\\\"";
        else
            out += c;
    }
}

void write_value(const std::variant<uint64_t, double>& value, std::string& out) {
    if (const auto* whole = std::get_if<uint64_t>(&value)) {
        fmt::format_to(std::back_inserter(out), " {}\n", *whole);
        return;
    }
    const double real = std::get<double>(value);
    if (std::isnan(real))
        out += " NaN\n";
    else if (std::isinf(real))
        out += real > 0 ? " +Inf\n" : " -Inf\n";
    else
        fmt::format_to(std::back_inserter(out), " {}\n", real);
}

}  // namespace

std::string write_metrics(const std::vector<Metric>& metrics) {
    std::string out;
    for (const Metric& metric : metrics) {
        if (metric.samples.empty()) continue;
        out += "# HELP " + metric.name + " ";
        escape(metric.help, false, out);
        fmt::format_to(std::back_inserter(out), "\n# TYPE {} {}\n", metric.name,
                       metric.type == Metric::Type::counter ? "counter" : "gauge");
        for (const Sample& sample : metric.samples) {
            out += metric.name;
            const char* separator = "{";
            for (const auto& [name, value] : sample.labels) {
                out += separator + name + "=\"";
                escape(value, true, out);
                out += '"';
                separator = ",";
            }
            if (!sample.labels.empty()) out += '}';
            write_value(sample.value, out);
        }
    }
    return out;
}

}  // namespace cvf::api
