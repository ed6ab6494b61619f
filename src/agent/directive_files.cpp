#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "agent/pcap_filter.h"
#include "agent/steering.h"
#include "directive/parse.h"

namespace cvf::agent {

namespace fs = std::filesystem;

std::expected<std::vector<directive::Directive>, std::string> read_directives(const std::vector<std::string>& paths) {
    std::vector<fs::path> files;
    for (const std::string& path : paths) {
        std::error_code error;
        if (!fs::is_directory(path, error)) {
            files.emplace_back(path);
            continue;
        }
        std::vector<fs::path> inside;
        for (const auto& entry : fs::directory_iterator(path, error))
            if (const auto kind = entry.path().extension(); kind == ".yaml" || kind == ".yml" || kind == ".json")
                inside.push_back(entry.path());
        if (error) return std::unexpected(fmt::format("{}: {}", path, error.message()));
        std::ranges::sort(inside);
        files.insert(files.end(), inside.begin(), inside.end());
    }
    std::vector<directive::Directive> out;
    for (const fs::path& file : files) {
        std::ifstream stream(file);
        if (!stream) return std::unexpected(fmt::format("{}: it can't be read", file.string()));
        std::ostringstream text;
        text << stream.rdbuf();
        auto parsed = directive::parse(std::move(text).str(), {directive::Syntax::automatic, wrong_with_pcap_filter});
        if (!parsed) {
            std::string all;
            for (const directive::Problem& problem : parsed.error())
                all += (all.empty() ? "" : "\n") + problem.show(file.string());
            return std::unexpected(std::move(all));
        }
        for (directive::Directive& d : *parsed) {
            const auto same = std::ranges::find(out, directive::identity(d), directive::identity);
            if (same != out.end())
                return std::unexpected(
                    fmt::format("{}: {} stands in another file already", file.string(), directive::identity(d)));
            out.push_back(std::move(d));
        }
    }
    return out;
}

}  // namespace cvf::agent
