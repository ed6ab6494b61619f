// `cvf read`: captures in, records out, at full speed.
#include "cli/commands.h"

#include <fmt/format.h>

#include "cli/output.h"
#include "pipeline/shard.h"
#include "sink/progress.h"
#include "tap/file.h"

namespace cvf::cli {

namespace {

// Frames between two looks at the progress and the output's health.
constexpr int batch = 4096;

// All packets of one file. False: the file was damaged or could not be read; said on standard error.
bool read_file(const std::string& path, pipeline::Shard& shard, sink::Progress& progress, int64_t& last_time) {
    auto tap = tap::FileTap::open(path);
    if (!tap) {
        progress.clear();
        fmt::print(stderr, "cvf: {}\n", tap.error().text());
        return false;
    }
    progress.begin_file(path == "-" ? "standard input" : path, tap->progress().bytes_total);
    decode::Packet packet;
    for (bool more = true; more && !shard.closed();) {
        for (int i = 0; i < batch && (more = tap->next(packet)); i++) {
            shard.frame(packet);
            last_time = std::max(last_time, packet.time);
        }
        progress.update(tap->progress().bytes_read, shard.records_made());
    }
    if (const auto& fault = tap->fault()) {
        progress.clear();
        fmt::print(stderr, "cvf: {}\n", fault->text());
        return false;
    }
    return true;
}

}  // namespace

int run_read(const config::Settings& settings, const std::vector<std::string>& files) {
    auto outlet = make_outlet(settings, false);
    if (!outlet) {
        fmt::print(stderr, "cvf read: {}\n", outlet.error());
        return exit_wrong_use;
    }
    pipeline::ShardOptions options;
    options.flow = flow_options(settings);
    std::vector<std::unique_ptr<pipeline::Outlet>> outlets;
    outlets.push_back(std::move(*outlet));
    pipeline::Shard shard(options, std::move(outlets));

    sink::Progress progress(!settings.quiet);
    bool good = true;
    int64_t last_time = 0;
    for (const std::string& file : files) {
        if (shard.closed()) break;  // nobody reads any more: a quiet end
        good &= read_file(file, shard, progress, last_time);
    }
    shard.finish();
    shard.health(last_time, "file", {}, true);
    shard.flush();
    sink::Sink& sink = shard.outlets().front()->sink();
    sink.finish();
    progress.clear();
    const sink::SinkStats stats = sink.stats();
    if (stats.records_lost && !sink.closed()) {
        fmt::print(stderr, "cvf: {} records could not be written: {}\n", stats.records_lost, stats.last_error);
        return exit_failed;
    }
    return good ? exit_done : exit_failed;
}

}  // namespace cvf::cli
