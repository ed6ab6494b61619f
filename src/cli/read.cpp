// `cvf read`: captures in, records out, at full speed.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <span>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/publisher.h"
#include "cli/say.h"
#include "cli/signals.h"
#include "host/clock.h"
#include "pipeline/shard.h"
#include "sink/progress.h"
#include "sink/units.h"
#include "tap/file.h"

namespace cvf::cli {

namespace {

// Frames between two looks at the progress and the output's health.
constexpr int batch = 4096;

// Sizes of all files together; 0 when one is not known (a pipe).
uint64_t total_size(const std::vector<std::string>& files) {
    uint64_t total = 0;
    for (const std::string& file : files) {
        struct stat st;
        if (file == "-" || stat(file.c_str(), &st) != 0 || !S_ISREG(st.st_mode)) return 0;
        total += static_cast<uint64_t>(st.st_size);
    }
    return total;
}

// What a capture says beside its packets: the names of its interfaces, and what people have written into it.
class Described {
 public:
    Described(const pcapng::Reader& reader, flow::Tracker& tracker, std::vector<std::string>& about)
        : reader_(reader), tracker_(tracker), about_(about) {
        learn();
    }

    // Gives the packet last read the number that the tracker has for its interface. Returns the comments on it, borrowed until
    // the next one is read.
    std::span<const std::string_view> look(decode::Packet& packet) {
        if (reader_.interfaces().size() != numbers_.size()) [[unlikely]]
            learn();
        packet.interface = numbers_[packet.interface];
        return {comments_, reader_.comments(comments_)};
    }

 private:
    // A new section begins, or more of this one is described.
    void learn() {
        const std::string_view said = reader_.section_comment();
        if (!said.empty() && about_.size() < flow::Extras::most_comments && std::ranges::find(about_, said) == about_.end())
            about_.emplace_back(said);
        for (size_t i = numbers_.size(); i < reader_.interfaces().size(); i++) {
            const pcapng::Interface& one = reader_.interfaces()[i];
            numbers_.push_back(tracker_.interface(one.name.empty() ? one.description : one.name));
        }
    }

    const pcapng::Reader& reader_;
    flow::Tracker& tracker_;
    std::vector<std::string>& about_;
    std::vector<uint32_t> numbers_;  // by the file's own
    std::string_view comments_[flow::Extras::most_comments];
};

struct Reading {
    pipeline::Shard& shard;
    sink::Progress* progress;  // null: not shown
    bool publishes;            // in a fabric
    uint64_t bytes_before = 0;
    int64_t last_time = 0;
    std::vector<std::string> about = {};  // comments on the captures themselves

    void complain(const std::string& text) {
        if (progress) progress->clear();
        say("cvf: {}\n", text);
    }

    // All packets of one file. False: it was damaged or could not be read; said on standard error.
    bool file(const std::string& path) {
        auto tap = tap::FileTap::open(path);
        if (!tap) {
            if (!stopping) complain(tap.error().text());
            return false;
        }
        decode::Packet packet;
        std::optional<Described> described;
        if (tap->reader().describes()) described.emplace(tap->reader(), shard.tracker(), about);
        for (bool more = true; more && !stopping && !shard.closed();) {
            if (described) {
                for (int i = 0; i < batch && (more = tap->next(packet)); i++) {
                    shard.frame(packet, described->look(packet));
                    last_time = std::max(last_time, packet.time);
                }
            } else {
                for (int i = 0; i < batch && (more = tap->next(packet)); i++) {
                    shard.frame(packet);
                    last_time = std::max(last_time, packet.time);
                }
            }
            if (progress) progress->update(bytes_before + tap->progress().bytes_read, shard.records_made());
            if (publishes) shard.flush();
        }
        bytes_before += tap->progress().bytes_read;
        if (const auto& fault = tap->fault()) {
            if (!stopping) complain(fault->text());  // else it was the signal that ended it
            return false;
        }
        return true;
    }
};

// What a table says instead of a health record.
std::string in_short(pipeline::Shard& shard) {
    std::string out = fmt::format("{} packets, {} conversations, {} records", sink::show_count(shard.counts().packets),
                                  sink::show_count(shard.tracker().counters().flows), sink::show_count(shard.records_made()));
    const auto add = [&](uint64_t n, std::string_view what) {
        if (n > 0) out += fmt::format(", {} {}", sink::show_count(n), what);
    };
    add(shard.counts().truncated, "packets cut short by the capture");
    add(shard.counts().undecoded, "packets of no known kind");
    add(shard.counts().faulty, "packets with faults");
    return out;
}

}  // namespace

flow::Options flow_options(const config::Settings& settings) {
    flow::Options options;
    options.max_flows = settings.flow_max;
    options.reassembly_bytes = settings.flow_memory;
    options.report_every = settings.flow_interim.count();
    return options;
}

int run_read(const config::Settings& settings, const std::vector<std::string>& files) {
    std::unique_ptr<Publisher> publisher;
    std::vector<std::unique_ptr<pipeline::Outlet>> outlets;
    if (!settings.bus.empty()) {
        auto selection = make_selection(settings);
        auto opened = selection ? Publisher::open(settings, std::move(*selection), stopping)
                                : std::expected<std::unique_ptr<Publisher>, std::string>(std::unexpected(selection.error()));
        if (!opened) {
            say("cvf read: {}\n", opened.error());
            return exit_wrong_use;
        }
        publisher = std::move(*opened);
    }
    // What is published is written too only where that is asked for.
    const bool writes = !publisher || !settings.output.empty() || !settings.origin("format").empty();
    if (writes) {
        auto outlet = make_outlet(settings, From::capture);
        if (!outlet) {
            say("cvf read: {}\n", outlet.error());
            return exit_wrong_use;
        }
        outlets.push_back(std::move(*outlet));
    }
    pipeline::ShardOptions options;
    options.flow = flow_options(settings);
    // Nobody waits for interim numbers of what is over already; asked for, they are there.
    if (settings.origin("flow.interim").empty()) options.flow.report_every = 0;
    if (!settings.origin("node").empty()) options.host_name = settings.node;
    pipeline::Shard shard(options, std::move(outlets), nullptr, publisher ? publisher->slot() : nullptr);
    shard.flush();  // what is to be published is known from the first packet

    // The first signal ends it in good order: what has been read is told in full. The second does not wait for a slow reader
    // either.
    std::optional<InterruptedBySignal> interrupted;
    if (writes) interrupted.emplace(shard.outlets().front()->sink(), InterruptedBySignal::Which::second);
    stop_on_signals(Calls::are_interrupted);
    // Records on the same terminal would be torn by a progress line.
    const bool show = !settings.quiet && !(writes && settings.output.empty() && isatty(STDOUT_FILENO));
    sink::Progress progress(total_size(files));
    Reading reading{shard, show ? &progress : nullptr, publisher != nullptr};
    bool good = true;
    for (const std::string& file : files) {
        if (stopping || shard.closed()) break;  // nobody reads any more: a quiet end
        good &= reading.file(file);
    }
    shard.finish();
    // Without a packet there is no time but the clock's.
    const int64_t end = reading.last_time ? reading.last_time : host::Clock().utc(static_cast<uint64_t>(host::monotonic_now()));
    if (!writes || !wants_table(settings)) {
        const std::vector<std::string_view> about(reading.about.begin(), reading.about.end());
        const auto more = [&](record::Record& r) {
            if (!about.empty()) r.texts(record::Field::capture_comments, about);
        };
        shard.health(end, "file", more, writes);
    }
    shard.flush();
    if (writes) shard.outlets().front()->finish();
    progress.clear();
    if (publisher) good &= publisher->finish(settings.quiet);
    if (writes) {
        sink::Sink& sink = shard.outlets().front()->sink();
        const sink::SinkStats stats = sink.stats();
        if (stats.records_lost && !sink.closed()) {
            say("cvf: {} records could not be written: {}\n", stats.records_lost,
                stats.last_error.empty() ? "nobody took them in time" : stats.last_error);
            return exit_failed;
        }
    }
    if (writes && wants_table(settings) && !settings.quiet) say("{}\n", in_short(shard));
    if (stopping) return exit_by_signal + stop_signal;
    return good ? exit_done : exit_failed;
}

}  // namespace cvf::cli
