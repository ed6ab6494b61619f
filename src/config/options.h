// The table of options: one row makes a flag of the command line, an environment variable and a key of the file.
//
//     key            output.keep            in YAML, nested or with the dot
//     flag           --output-keep          the key with '-' for '.'
//     environment    CVF_OUTPUT_KEEP        the key in capitals with '_' for '.' and '-'
//
// Thread rule: the table is constant.
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>

#include "config/settings.h"

namespace cvf::config {

// Verbs an option has a flag for. In the file and the environment every option is known to every verb.
enum Command : uint16_t {
    command_up = 1,
    command_read = 2,
    command_watch = 4,
    command_doctor = 8,
    command_agent = 16,
    command_controller = 32,
    command_query = 64,
    command_manage = 128,  // apply, get, describe, edit, delete
    command_all = 255,
};

enum class OptionType : uint8_t { text, list, size, duration, count, choice, toggle };

struct Option {
    std::string_view key;
    OptionType type;
    uint16_t commands;
    std::string_view metavar;   // "SIZE"; empty for a toggle, which takes no value on the command line
    std::string_view fallback;  // the default, for people
    std::string_view help;      // one line, no full stop
    // Puts a value in; the error says what is wrong with it, not where it came from.
    std::expected<void, std::string> (*set)(Settings& settings, std::string_view value);
};

std::span<const Option> options();

// Which part of the help it stands in: "Records", "API" …
std::string_view section_of(const Option& option);

// The option with this key, or with "output.file" for "output" ("bus.url", "clickhouse.url" likewise); null when there is none.
const Option* option_by_key(std::string_view key);

std::string flag_of(const Option& option);         // "--output-keep"
std::string environment_of(const Option& option);  // "CVF_OUTPUT_KEEP"

// For a list: the items, which stand between commas.
std::string join_list(std::span<const std::string> items);

}  // namespace cvf::config
