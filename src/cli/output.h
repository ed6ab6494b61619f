// From options to outlets: what --types, --filter, --fields, --format and --output mean, alike for up, read and watch.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>

#include "config/settings.h"
#include "pipeline/outlet.h"

namespace cvf::cli {

// The settings with the expression that `watch` and `query` take by itself: it has the last word over a filter of the file or the
// environment. An error beside --filter.
std::expected<config::Settings, std::string> with_expression(const config::Settings& settings, const std::string& expression);

// What the options select. The error is for people and names the option; a wrong filter is shown with its column.
std::expected<pipeline::Selection, std::string> make_selection(const config::Settings& settings);

// True when records are to be written as a table: asked for, or nothing asked and standard output is a terminal.
bool wants_table(const config::Settings& settings);

// Writes records as table lines for standard output, at most so many a second; the rest is counted, and said when the second is
// over. Without `every_flow`, only conversations in which no protocol was found have a line of their own.
std::unique_ptr<pipeline::Encoder> table_encoder(bool every_flow, size_t rows_per_second = SIZE_MAX);

// Where the records come from, and so what a way out may do when it is slower.
enum class From : uint8_t {
    capture,  // it waits; an --output is begun anew, but for one that the file or the environment names: an agent may write it
    tap,      // it must not wait: behind a thread, what finds no room is lost; an --output is gone on with
    agent,    // it waits, and interrupt() ends that; an --output is gone on with
};

// The outlet of --output, or standard output.
std::expected<std::unique_ptr<pipeline::Outlet>, std::string> make_outlet(const config::Settings& settings, From from);

}  // namespace cvf::cli
