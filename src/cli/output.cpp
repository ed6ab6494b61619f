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

std::expected<config::Settings, std::string> with_expression(const config::Settings& settings, const std::string& expression) {
    config::Settings with = settings;
    if (expression.empty()) return with;
    if (settings.origin("filter").starts_with("--"))
        return std::unexpected("an expression and --filter mean the same; give one of them");
    with.filter = expression;
    with.origins.erase("filter");
    return with;
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
        if (!filter) {
            const std::string_view origin = settings.origin("filter");
            return std::unexpected(
                fmt::format("{}{}{}", origin, origin.empty() ? "" : ": ", filter.error().show(settings.filter)));
        }
        selection.filter = std::move(*filter);
    }
    if (!settings.fields.empty()) {
        auto fields = record::Projection::parse(settings.fields);
        if (!fields) return std::unexpected(fmt::format("{}: {}", settings.origin("fields"), fields.error()));
        selection.fields = *fields;
    }
    return selection;
}

namespace {

// On a terminal more rows a second than this are no use to anyone who follows what happens.
constexpr size_t live_rows_per_second = 400;

class TableEncoder final : public pipeline::Encoder {
 public:
    TableEncoder(bool every_flow, size_t rows_per_second) : every_flow_(every_flow), limit_(rows_per_second) {}

    bool encode(const record::Record& r, record::Buffer& out) override {
        // A conversation that goes on is not news, nor the end of one whose messages have been shown.
        if (r.type() == RecordType::flow && !every_flow_) {
            const record::Value* what = r.find(Field::flow_state);
            if ((what && what->as_text() == "interim") || r.find(Field::network_protocol_name)) return false;
        }
        if (!limit_.allow(std::chrono::steady_clock::now())) return false;
        line_.clear();
        if (!headed_) {
            table_.header(line_);
            headed_ = true;
        }
        tell_skipped(limit_.take_skipped());
        table_.row(r, line_);
        out.append(line_);
        return true;
    }

    void note(record::Buffer& out, bool last) override {
        if (!limit_.any_skipped()) return;
        line_.clear();
        tell_skipped(last ? limit_.take_skipped() : limit_.take_due(std::chrono::steady_clock::now()));
        out.append(line_);
    }

 private:
    void tell_skipped(uint64_t rows) {
        if (rows) line_ += fmt::format("… {} more records in that second; a filter or --format json shows them all\n", rows);
    }

    const bool every_flow_;
    sink::Table table_ = sink::Table::on(STDOUT_FILENO);
    sink::RowLimit limit_;
    std::string line_;
    bool headed_ = false;
};

}  // namespace

std::unique_ptr<pipeline::Encoder> table_encoder(bool every_flow, size_t rows_per_second) {
    return std::make_unique<TableEncoder>(every_flow, rows_per_second);
}

std::expected<std::unique_ptr<pipeline::Outlet>, std::string> make_outlet(const config::Settings& settings, From from) {
    auto selection = make_selection(settings);
    if (!selection) return std::unexpected(selection.error());
    std::unique_ptr<sink::Sink> sink;
    if (settings.output.empty()) {
        sink = sink::make_descriptor_sink({.interruptible = true});
    } else {
        sink::FileOptions options;
        options.path = settings.output;
        if (settings.compress && !options.path.ends_with(".zst")) options.path += ".zst";
        const bool anew = from == From::capture && settings.origin("output").starts_with("--");
        options.start = anew ? sink::FileOptions::Start::truncate : sink::FileOptions::Start::append;
        options.rotate_bytes = settings.rotate_size;
        options.rotate_age = std::chrono::duration_cast<std::chrono::seconds>(settings.rotate_age);
        options.keep = settings.keep;
        auto file = sink::make_file_sink(std::move(options));
        if (!file) return std::unexpected(file.error());
        sink = std::move(*file);
    }
    if (from == From::tap) sink = sink::make_threaded_sink(std::move(sink));
    std::unique_ptr<pipeline::Encoder> encoder;
    if (wants_table(settings)) {
        const bool followed = from != From::capture && settings.output.empty() && isatty(STDOUT_FILENO);
        encoder = table_encoder(!settings.types.empty(), followed ? live_rows_per_second : SIZE_MAX);
    }
    return std::make_unique<pipeline::Outlet>(std::move(*selection), std::move(sink), std::move(encoder));
}

}  // namespace cvf::cli
