#include "config/load.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "record/nearest.h"

namespace cvf::config {

namespace {

constexpr size_t max_file_bytes = 1 << 20;
constexpr size_t max_depth = 8;

Loaded set(Settings& settings, const Option& option, std::string_view value, std::string where) {
    const std::expected<void, std::string> done = option.set(settings, value);
    if (!done) return std::unexpected(fmt::format("{}: {}", where, done.error()));
    settings.origins.insert_or_assign(std::string(option.key), std::move(where));
    return {};
}

class Document {
 public:
    Document(Settings& settings, std::string_view name) : settings_(settings), name_(name) {}

    Loaded read(const YAML::Node& map, const std::string& prefix, size_t depth) {
        if (depth > max_depth) return fail(map, "this is nested too deep");
        std::vector<std::string> seen;
        for (const auto& entry : map) {
            if (!entry.first.IsScalar()) return fail(entry.first, "a key must be a word");
            const std::string key = prefix + entry.first.Scalar();
            if (std::ranges::find(seen, key) != seen.end())
                return fail(entry.first, fmt::format("'{}' stands here a second time", key));
            seen.push_back(key);
            if (Loaded done = read_entry(entry.first, key, entry.second, depth); !done) return done;
        }
        return {};
    }

    std::unexpected<std::string> fail(const YAML::Node& node, std::string_view what) const {
        return std::unexpected(fmt::format("{}: {}", where(node), what));
    }

 private:
    std::string where(const YAML::Node& node) const { return fmt::format("{}:{}", name_, node.Mark().line + 1); }

    Loaded read_entry(const YAML::Node& key_node, const std::string& key, const YAML::Node& value, size_t depth) {
        const std::string group = key + ".";
        const bool is_group = std::ranges::any_of(options(), [&](const Option& o) { return o.key.starts_with(group); });
        if (value.IsMap() && is_group) return read(value, group, depth + 1);
        const Option* option = option_by_key(key);
        if (!option)
            return fail(key_node,
                        is_group ? fmt::format("'{}' is a group of options; a mapping must follow it", key) : unknown(key));
        if (option->key == "config")
            return fail(key_node, "'config' names this file; it can stand only on the command line or in CVF_CONFIG");
        if (value.IsNull()) return fail(key_node, fmt::format("'{}' has no value", key));
        if (value.IsScalar()) return set(settings_, *option, value.Scalar(), where(value));
        if (value.IsSequence() && option->type == OptionType::list) {
            std::vector<std::string> items;
            for (const YAML::Node& item : value) {
                if (!item.IsScalar()) return fail(item, fmt::format("'{}' is a list of words", key));
                items.push_back(item.Scalar());
            }
            return set(settings_, *option, join_list(items), where(value));
        }
        return fail(value, fmt::format("'{}' takes {}", key, option->type == OptionType::list ? "a list of words" : "one value"));
    }

    static std::string unknown(const std::string& key) {
        std::vector<std::string_view> keys;
        for (const Option& o : options())
            if (o.key != "config") keys.push_back(o.key);
        std::string_view near = record::nearest(key, keys);
        // A key said as the flag says it, or without its group.
        for (const Option& o : options())
            if (flag_of(o) == "--" + key || o.key.ends_with("." + key)) near = o.key;
        if (near.empty()) return fmt::format("there is no option '{}'", key);
        return fmt::format("there is no option '{}'; did you mean {}?", key, near);
    }

    Settings& settings_;
    std::string_view name_;
};

}  // namespace

Loaded load_yaml(Settings& settings, std::string_view text, std::string_view name) {
    try {
        const std::vector<YAML::Node> documents = YAML::LoadAll(std::string(text));
        if (documents.empty() || (documents.size() == 1 && documents[0].IsNull())) return {};
        Document document(settings, name);
        if (documents.size() > 1) return document.fail(documents[1], "a second document begins here; one is read");
        if (!documents[0].IsMap()) return document.fail(documents[0], "options are written as 'key: value', one a line");
        return document.read(documents[0], "", 0);
    } catch (const YAML::Exception& e) {
        if (e.mark.is_null()) return std::unexpected(fmt::format("{}: this is not YAML: {}", name, e.msg));
        return std::unexpected(fmt::format("{}:{}: this is not YAML: {}", name, e.mark.line + 1, e.msg));
    }
}

Loaded load_file(Settings& settings, const std::string& path) {
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    std::string text;
    if (file) {
        text.resize(max_file_bytes + 1);
        file.read(text.data(), static_cast<std::streamsize>(text.size()));
        text.resize(static_cast<size_t>(file.gcount()));
    }
    // A directory opens, and fails at the first read.
    if (!file.is_open() || file.bad())
        return std::unexpected(fmt::format("{}: cannot be read: {}", path, errno != 0 ? std::strerror(errno) : "input error"));
    if (text.size() > max_file_bytes)
        return std::unexpected(fmt::format("{}: is larger than 1 MiB; that is no file of options", path));
    if (Loaded done = load_yaml(settings, text, path); !done) return done;
    settings.config = path;
    return {};
}

Loaded load_environment(Settings& settings, const char* const* environment) {
    std::vector<std::string> names;
    for (const Option& o : options()) names.push_back(environment_of(o));
    for (; environment && *environment; ++environment) {
        const std::string_view line = *environment;
        const size_t equal = line.find('=');
        if (!line.starts_with("CVF_") || equal == std::string_view::npos) continue;
        const std::string_view name = line.substr(0, equal), value = line.substr(equal + 1);
        const auto at = std::ranges::find(names, name);
        if (at != names.end()) {
            const Option& option = options()[static_cast<size_t>(at - names.begin())];
            if (option.key == "config") continue;  // load() has used it
            // An empty variable is one that is not set: so a default is kept where a script passes nothing on.
            if (value.empty()) continue;
            if (Loaded done = set(settings, option, value, std::string(name)); !done) return done;
            continue;
        }
        std::vector<std::string_view> tails;
        for (const std::string& n : names) tails.push_back(std::string_view(n).substr(4));
        if (const std::string_view near = record::nearest(name.substr(4), tails); !near.empty())
            return std::unexpected(fmt::format("{}: there is no such variable; did you mean CVF_{}?", name, near));
    }
    return {};
}

Loaded load_command_line(Settings& settings, std::span<const Given> given) {
    for (const Given& g : given)
        if (Loaded done = set(settings, *g.option, g.value, flag_of(*g.option)); !done) return done;
    return {};
}

Loaded complete(Settings& settings) {
    const auto where = [&](std::string_view key) {
        const std::string_view origin = settings.origin(key);
        return origin.empty() ? std::string(key) : std::string(origin);
    };
    // Which of two sources has the last word.
    const auto layer = [&](std::string_view key) {
        const std::string_view origin = settings.origin(key);
        return origin.empty() ? 0 : origin.starts_with("--") ? 3 : origin.starts_with("CVF_") ? 2 : 1;
    };
    const auto fail = [&](std::string_view key, std::string_view what) {
        return std::unexpected(fmt::format("{}: {}", where(key), what));
    };

    if (settings.output == "-") settings.output.clear();
    if (settings.output.ends_with(".zst")) settings.compress = true;
    if (settings.output.empty()) {
        // Said for a file that a stronger source has taken away, they mean nothing; else they are a mistake.
        const auto lost = [&](std::string_view key) { return layer(key) < layer("output"); };
        constexpr std::string_view why = "only a file can be rotated; name it with --output";
        if (settings.rotate_size != 0 && !lost("output.rotate-size")) return fail("output.rotate-size", why);
        if (settings.rotate_age.count() != 0 && !lost("output.rotate-age")) return fail("output.rotate-age", why);
        if (settings.keep != 0 && !lost("output.keep")) return fail("output.keep", why);
        if (settings.compress && !lost("output.compress"))
            return fail("output.compress", "only a file is compressed; name it with --output");
        settings.rotate_size = settings.keep = 0;
        settings.rotate_age = {};
        settings.compress = false;
    }
    if (settings.keep != 0 && settings.rotate_size == 0 && settings.rotate_age.count() == 0)
        return fail("output.keep",
                    "files are kept where they are rotated; say when with --output-rotate-size or --output-rotate-age");
    if (settings.format == Format::table && settings.compress)
        return fail("format", "a table is for reading; a compressed file takes json");
    if (settings.quiet && settings.verbose) {
        if (layer("quiet") == layer("verbose")) return fail("quiet", "quiet and verbose exclude each other");
        (layer("quiet") > layer("verbose") ? settings.verbose : settings.quiet) = false;
    }
    return {};
}

std::expected<Settings, std::string> load(std::span<const Given> command_line, const char* const* environment,
                                          std::string_view default_path) {
    Settings settings;
    std::string path;
    for (const char* const* line = environment; line && *line; ++line)
        if (const std::string_view text = *line; text.starts_with("CVF_CONFIG=")) path = text.substr(11);
    for (const Given& g : command_line)
        if (g.option->key == "config") path = g.value;
    const bool asked = !path.empty();
    if (!asked) path = default_path;
    // A default file that is there but cannot be read is an error, not an absent one.
    std::error_code unknown;
    if (asked || (!path.empty() && (std::filesystem::exists(path, unknown) || unknown)))
        if (Loaded done = load_file(settings, path); !done) return std::unexpected(done.error());
    if (Loaded done = load_environment(settings, environment); !done) return std::unexpected(done.error());
    if (Loaded done = load_command_line(settings, command_line); !done) return std::unexpected(done.error());
    if (Loaded done = complete(settings); !done) return std::unexpected(done.error());
    return settings;
}

}  // namespace cvf::config
