// From options to outlets: what --types, --filter, --fields, --format and --output mean, alike for up, read and watch.
#pragma once

#include <expected>
#include <memory>
#include <string>

#include "config/settings.h"
#include "pipeline/outlet.h"

namespace cvf::cli {

// What the options select. The error is for people and names the option; a wrong filter is shown with its column.
std::expected<pipeline::Selection, std::string> make_selection(const config::Settings& settings);

// True when records are to be written as a table: asked for, or nothing asked and standard output is a terminal.
bool wants_table(const config::Settings& settings);

// Writes records as table lines for standard output; on a terminal at most some hundred a second, the rest counted. Without
// `every_flow`, only conversations in which no protocol was found have a line of their own.
pipeline::Outlet::Encoder table_encoder(bool every_flow);

// The outlet of --output, or standard output. `live`: behind a thread, so that a slow reader does not stall the tap.
std::expected<std::unique_ptr<pipeline::Outlet>, std::string> make_outlet(const config::Settings& settings, bool live);

}  // namespace cvf::cli
