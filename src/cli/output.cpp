#include "cli/output.h"

#include <fmt/format.h>
#include <unistd.h>

#include "sink/descriptor.h"
#include "sink/file.h"
#include "sink/table.h"
#include "sink/threaded.h"

namespace cvf::cli {

using record::Field;
using record::RecordType;

bool wants_table(const config::Settings& settings) {
    if (settings.format == config::Format::automatic) return settings.output.empty() && isatty(STDOUT_FILENO);
    return settings.format == config::Format::table;
}

std::expected<pipeline::Selection, std::string> make_selection(const config::Settings& settings) {
    pipeline::Selection selection;
    if (!settings.types.empty()) {
        selection.types.reset();
        for (const std::string& name : settings.types)
            if (auto type = record::type_by_name(name)) selection.types.set(static_cast<size_t>(*type));
    } else if (wants_table(settings)) {
        // A table is for looking at what is said to whom; the rest is there for the asking.
        for (RecordType type : {RecordType::process, RecordType::event, RecordType::health})
            selection.types.reset(static_cast<size_t>(type));
    }
    if (!settings.filter.empty()) {
        auto filter = filter::Filter::compile(settings.filter);
        if (!filter) return std::unexpected("the filter is wrong\n" + filter.error().show(settings.filter));
        selection.filter = std::move(*filter);
    }
    if (!settings.fields.empty()) {
        auto fields = record::Projection::parse(settings.fields);
        if (!fields) return std::unexpected("--fields: " + fields.error());
        selection.fields = *fields;
    }
    return selection;
}

pipeline::Outlet::Encoder table_encoder(bool every_flow) {
    struct State {
        sink::Table table = sink::Table::on(STDOUT_FILENO);
        sink::RowLimit limit{isatty(STDOUT_FILENO) ? size_t{400} : SIZE_MAX};
        std::string line;
        bool headed = false;
    };
    auto state = std::make_shared<State>();
    return [state, every_flow](const record::Record& r, record::Buffer& out) {
        // A conversation that goes on is not news, nor the end of one whose messages have been shown.
        if (r.type() == RecordType::flow && !every_flow) {
            const record::Value* what = r.find(Field::flow_state);
            if ((what && what->as_text() == "interim") || r.find(Field::network_protocol_name)) return;
        }
        if (!state->limit.allow(std::chrono::steady_clock::now())) return;
        state->line.clear();
        if (!state->headed) {
            state->table.header(state->line);
            state->headed = true;
        }
        if (uint64_t skipped = state->limit.take_skipped())
            state->line += fmt::format("… {} more records in that second; a filter or --format json shows them all\n", skipped);
        state->table.row(r, state->line);
        out.append(state->line);
    };
}

std::expected<std::unique_ptr<pipeline::Outlet>, std::string> make_outlet(const config::Settings& settings, bool live) {
    auto selection = make_selection(settings);
    if (!selection) return std::unexpected(selection.error());
    std::unique_ptr<sink::Sink> sink;
    if (settings.output.empty()) {
        sink = sink::make_descriptor_sink({.interruptible = live});
    } else {
        sink::FileOptions options;
        options.path = settings.output;
        if (settings.compress && !options.path.ends_with(".zst")) options.path += ".zst";
        options.start = live ? sink::FileOptions::Start::append : sink::FileOptions::Start::truncate;
        options.rotate_bytes = settings.rotate_size;
        options.rotate_age = std::chrono::duration_cast<std::chrono::seconds>(settings.rotate_age);
        options.keep = settings.keep;
        auto file = sink::make_file_sink(std::move(options));
        if (!file) return std::unexpected(file.error());
        sink = std::move(*file);
    }
    if (live) sink = sink::make_threaded_sink(std::move(sink));
    return std::make_unique<pipeline::Outlet>(
        std::move(*selection), std::move(sink),
        wants_table(settings) ? table_encoder(!settings.types.empty()) : pipeline::Outlet::Encoder());
}

}  // namespace cvf::cli
