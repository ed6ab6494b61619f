// From options to outlets: what --types, --filter, --fields, --format and --output mean, alike for up, read and watch.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "config/settings.h"
#include "pipeline/outlet.h"

namespace cvf::cli {

// What the options select. The error is for people and names the option; a wrong filter is shown with its column.
std::expected<pipeline::Selection, std::string> make_selection(const config::Settings& settings);

// The sink of --output, or standard output. `live`: behind a thread, so that a slow reader does not stall the tap.
std::expected<std::unique_ptr<sink::Sink>, std::string> make_sink(const config::Settings& settings, bool live);

// Both, in the format asked for.
std::expected<std::unique_ptr<pipeline::Outlet>, std::string> make_outlet(const config::Settings& settings, bool live);

// True when records are to be written as a table: asked for, or nothing asked and standard output is a terminal.
bool wants_table(const config::Settings& settings);

}  // namespace cvf::cli
