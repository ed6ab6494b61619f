// Fills the Settings: file, then environment, then command line, each over what was there.
//
// Errors are one line for people and say where: "/etc/cvf/cvf.yaml:3: …", "CVF_FORMAT: …", "--format: …". All are wrong use (exit
// 2). Reads the one file, and nothing else of the system; single-threaded, at the start.
#pragma once

#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "config/options.h"
#include "config/settings.h"

namespace cvf::config {

using Loaded = std::expected<void, std::string>;

// An option as given on the command line; a toggle has the value "true".
struct Given {
    const Option* option;
    std::string value;
};

// All of it. `environment` ends in a null pointer, as environ does. The file is --config, else CVF_CONFIG, else `default_path`,
// which need not exist (empty: none).
std::expected<Settings, std::string> load(std::span<const Given> command_line, const char* const* environment,
                                          std::string_view default_path = default_file);

// The steps. A YAML document is a mapping of keys, nested or dotted; an unknown key is an error with the nearest known one.
Loaded load_yaml(Settings& settings, std::string_view text, std::string_view name);
Loaded load_file(Settings& settings, const std::string& path);
// Variables that begin with CVF_ and are no option are an error when an option has nearly that name, and left alone otherwise:
// the prefix is not ours alone.
Loaded load_environment(Settings& settings, const char* const* environment);
Loaded load_command_line(Settings& settings, std::span<const Given> given);
// What no single option shows: options that need or exclude each other.
Loaded complete(Settings& settings);

}  // namespace cvf::config
