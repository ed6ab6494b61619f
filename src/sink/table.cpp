#include "sink/table.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>

#include "sink/summary.h"
#include "sink/terminal_text.h"
#include "sink/units.h"

namespace cvf::sink {
namespace {

constexpr std::string_view dim = "\x1b[2m", cyan = "\x1b[36m", yellow = "\x1b[33m", red = "\x1b[31m", normal = "\x1b[0m";
constexpr size_t time_width = 12;     // 15:04:05.123
constexpr size_t latency_width = 7;   // "12.3 ms"
constexpr size_t protocol_width = 7;  // "process"
constexpr size_t gap = 2;
constexpr auto measure_interval = std::chrono::milliseconds(250);

// One cell, filled with blanks to its width.
void cell(std::string_view text, size_t width, std::string_view colour, std::string& out) {
    out += colour;
    const size_t used = append_safe(out, text, width);
    if (!colour.empty()) out += normal;
    out.append(width - used, ' ');
}

void right_cell(std::string_view text, size_t width, std::string_view colour, std::string& out) {
    const size_t used = std::min(width, safe_width(text));
    out.append(width - used, ' ');
    out += colour;
    append_safe(out, text, width);
    if (!colour.empty()) out += normal;
}

// The protocol column: what kind of record it is; a flow is known by its transport.
std::string_view protocol_of(const record::Record& record) {
    if (record.type() == record::RecordType::flow) {
        const auto* transport = record.lookup(record::Field::network_transport);
        if (transport && transport->size > 0) return transport->as_text();
    }
    return record::info(record.type()).name;
}

void trim_line(std::string& out, size_t from) {
    while (out.size() > from && out.back() == ' ') out.pop_back();
    out += '\n';
}

}  // namespace

bool colour_wanted(int fd) {
    const char* no = std::getenv("NO_COLOR");
    const char* term = std::getenv("TERM");
    return ::isatty(fd) && !(no && *no) && !(term && std::string_view(term) == "dumb");
}

std::optional<size_t> terminal_width(int fd) {
    winsize size{};
    if (fd < 0 || ::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return std::nullopt;
    return size.ws_col;
}

Table::Table(TableOptions options) : options_(options) {}

Table Table::on(int fd) {
    TableOptions options;
    options.terminal = ::isatty(fd) ? fd : -1;
    options.colour = colour_wanted(fd);
    return Table(options);
}

Table::Layout Table::layout() {
    if (options_.terminal >= 0) {
        const auto now = std::chrono::steady_clock::now();
        if (now - measured_ >= measure_interval) {
            measured_ = now;
            if (const auto width = terminal_width(options_.terminal)) options_.width = *width;
        }
    }
    const size_t width = std::max<size_t>(40, options_.width);
    Layout layout{};
    layout.protocol = protocol_width;
    // A narrow window gives up the latency first; then the ends and the summary share what there is.
    layout.latency = width >= 72 ? latency_width : 0;
    const size_t fixed =
        time_width + gap + 3 /* " → " */ + gap + layout.protocol + gap + (layout.latency ? layout.latency + gap : 0);
    const size_t left = width > fixed ? width - fixed : 3;
    layout.end = std::clamp<size_t>(left * 27 / 100, 4, 32);
    layout.summary = left > 2 * layout.end ? left - 2 * layout.end : 1;
    return layout;
}

void Table::time(int64_t unix_ns, std::string& out) {
    constexpr int64_t second = 1'000'000'000;
    int64_t seconds = unix_ns / second;
    int64_t rest = unix_ns % second;
    if (rest < 0) rest += second, --seconds;
    int64_t minute = seconds / 60;
    if (seconds % 60 < 0) --minute;
    if (minute != minute_) {
        minute_ = minute;
        const time_t when = static_cast<time_t>(minute) * 60;
        tm parts{};
        options_.local_time ? ::localtime_r(&when, &parts) : ::gmtime_r(&when, &parts);
        // Zones whose offset has seconds are history; the seconds of the record stand for those of the clock.
        std::strftime(clock_, sizeof clock_, "%H:%M:", &parts);
    }
    fmt::format_to(std::back_inserter(out), "{}{:02}.{:03}", clock_, seconds - minute * 60, rest / 1'000'000);
}

void Table::header(std::string& out) {
    const Layout l = layout();
    const size_t from = out.size();
    const std::string_view colour = options_.colour ? dim : std::string_view{};
    cell("TIME", time_width + gap, colour, out);
    cell("SOURCE", l.end + 3, colour, out);
    cell("DESTINATION", l.end + gap, colour, out);
    cell("TYPE", l.protocol + gap, colour, out);
    cell("SUMMARY", l.summary + (l.latency ? gap : 0), colour, out);
    if (l.latency) right_cell("LATENCY", l.latency, colour, out);
    trim_line(out, from);
}

void Table::row(const record::Record& record, std::string& out) {
    const Layout l = layout();
    const size_t from = out.size();
    const auto tint = [&](std::string_view colour) { return options_.colour ? colour : std::string_view{}; };
    out += tint(dim);
    time(record.timestamp(), out);
    out += tint(normal);
    out.append(gap, ' ');

    const std::string source = source_label(record), destination = destination_label(record);
    if (source.empty() && destination.empty()) {
        out.append(2 * l.end + 3, ' ');
    } else {
        cell(source, l.end, {}, out);
        out += tint(dim);
        out += destination.empty() ? "   " : " → ";
        out += tint(normal);
        cell(destination, l.end, {}, out);
    }
    out.append(gap, ' ');
    cell(protocol_of(record), l.protocol, tint(cyan), out);
    out.append(gap, ' ');
    const Summary summary = summarize(record);
    cell(summary.text, l.summary,
         summary.tone == Tone::error     ? tint(red)
         : summary.tone == Tone::warning ? tint(yellow)
                                         : std::string_view{},
         out);
    const auto* duration = l.latency ? record.lookup(record::Field::event_duration) : nullptr;
    if (duration && duration->uint > 0) {  // a single packet takes no time
        out.append(gap, ' ');
        right_cell(show_duration(duration->uint), l.latency, tint(dim), out);
    }
    trim_line(out, from);
}

}  // namespace cvf::sink
