#include "cli/management.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <thread>

#include "agent/pcap_filter.h"
#include "cli/columns.h"
#include "cli/say.h"
#include "cli/signals.h"
#include "directive/parse.h"
#include "directive/signature.h"
#include "record/nearest.h"

namespace cvf::cli {

namespace {

// A server that has just begun, or whose agents just have, knows its agents within this time.
constexpr std::chrono::nanoseconds agents_known = std::chrono::seconds(2);
constexpr auto validity = std::chrono::hours(24 * 90);

std::string lower(std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

std::expected<std::string, std::string> contents(const std::string& file) {
    std::ostringstream text;
    if (file == "-") {
        text << std::cin.rdbuf();
    } else {
        std::ifstream stream(file);
        if (!stream) return std::unexpected(fmt::format("{}: it can't be read", file));
        text << stream.rdbuf();
    }
    return std::move(text).str();
}

// What -f names: a file, standard input, or of a folder (not of those in it) what may be directives, by name.
std::expected<std::vector<std::string>, std::string> files_of(const std::string& given) {
    std::error_code error;
    if (given == "-" || !std::filesystem::is_directory(given, error)) return std::vector{given};
    std::vector<std::string> files;
    std::filesystem::directory_iterator at(given, error);
    for (; !error && at != std::filesystem::directory_iterator(); at.increment(error)) {
        const std::string ending = at->path().extension();
        std::error_code ignored;
        if ((ending == ".yaml" || ending == ".yml" || ending == ".json") && at->is_regular_file(ignored))
            files.push_back(at->path());
    }
    if (error) return std::unexpected(fmt::format("{}: it can't be read: {}", given, error.message()));
    if (files.empty()) return std::unexpected(fmt::format("{}: there is no *.yaml, *.yml or *.json in it", given));
    std::ranges::sort(files);
    return files;
}

}  // namespace

directive::ParseOptions parse_options() {
    return {directive::Syntax::automatic, agent::wrong_with_pcap_filter};
}

std::expected<void, std::string> sign_with(directive::Directive& directive, const std::string& key_file) {
    if (key_file.empty()) return {};
    auto pem = contents(key_file);
    if (!pem) return std::unexpected(pem.error());
    auto key = directive::PrivateKey::from_pem(*pem);
    if (!key) return std::unexpected(fmt::format("{}: {}", key_file, key.error()));
    directive::sign(directive, *key, static_cast<int64_t>(::time(nullptr)) * 1'000'000'000, validity);
    return {};
}

std::expected<std::vector<directive::Directive>, std::string> read_documents(const Management& what, std::string_view verb) {
    if (what.files.empty()) return std::unexpected(fmt::format("which? `cvf {} -f FILE`; - is standard input", verb));
    std::vector<std::string> files;
    for (const std::string& given : what.files) {
        auto some = files_of(given);
        if (!some) return std::unexpected(std::move(some.error()));
        files.insert(files.end(), some->begin(), some->end());
    }
    std::vector<directive::Directive> all;
    std::map<std::string, std::string> places;  // of each directive: where it stands
    std::string wrong;
    for (const std::string& file : files) {
        const std::string name = file == "-" ? "standard input" : file;
        auto text = contents(file);
        if (!text) return std::unexpected(text.error());
        auto parsed = directive::parse(*text, parse_options());
        if (!parsed) {
            for (const directive::Problem& problem : parsed.error()) wrong += (wrong.empty() ? "" : "\n") + problem.show(name);
            continue;
        }
        if (parsed->empty()) return std::unexpected(fmt::format("{}: there is no directive in it", name));
        for (directive::Directive& d : *parsed) {
            // Twice in one text the parser has refused.
            if (const auto [place, fresh] = places.emplace(directive::identity(d), name); !fresh) {
                wrong +=
                    fmt::format("{}{}: {} stands in {} already", wrong.empty() ? "" : "\n", name, place->first, place->second);
                continue;
            }
            if (auto done = sign_with(d, what.sign_with); !done) return std::unexpected(done.error());
            all.push_back(std::move(d));
        }
    }
    if (!wrong.empty()) return std::unexpected(std::move(wrong));
    return all;
}

int complain(std::string_view verb, const api::ClientError& error) {
    if (error.problems.empty())
        say("cvf {}: {}\n", verb, error.text);
    else
        for (const directive::Problem& problem : error.problems) say("cvf {}: {}\n", verb, problem.show());
    return error.exit_status;
}

int complain_use(std::string_view verb, std::string_view text) {
    say("cvf {}: {}\n", verb, text);
    return exit_wrong_use;
}

std::expected<Thing, std::string> thing_of(const std::string& word, std::string& kind) {
    std::string name = lower(word);
    kind.clear();
    if (name.empty())
        return std::unexpected("of what? directives, nodes, or one kind: metadata, flow, capture, plaintext, topology");
    if (name == "directive" || name == "directives") return Thing::directives;
    if (name == "node" || name == "nodes" || name == "agents" || name == "agent") return Thing::nodes;
    if (name == "audit") return Thing::audit;
    for (const std::string_view known : directive::kind_names)
        if (name == lower(std::string(known)) || name == lower(std::string(known)) + "s") {
            kind = known;
            return Thing::directives;
        }
    const std::string_view near = record::nearest(name, thing_names);
    return std::unexpected(fmt::format("there is nothing called '{}'{}", word,
                                       near.empty() ? "; there are directives, nodes, audit and the kinds of directive"
                                                    : fmt::format("; did you mean {}?", near)));
}

int wait_for(const api::Client& client, const std::vector<api::RemoteApplied>& applied, std::chrono::nanoseconds most) {
    const auto began = std::chrono::steady_clock::now(), until = began + most;
    int status = exit_done;
    for (const api::RemoteApplied& one : applied) {
        for (;;) {
            auto now = client.directive(one.kind, one.name);
            if (!now) return complain("apply", now.error());
            const bool current = now->directive.metadata.generation >= one.generation;
            const bool settled = now->settled && now->summary.agents > 0 && current;
            if (settled) {
                fmt::print("{}/{}: {}\n", lower(one.kind), printable(one.name), printable(now->summary.show()));
                if (!now->good) {
                    for (const auto& [reason, nodes] : now->summary.reasons)
                        say("cvf apply: {}: {}\n", printable(fmt::format("{}", fmt::join(nodes, ", "))), printable(reason));
                    status = exit_failed;
                }
                break;
            }
            if (current && now->summary.agents == 0 && std::chrono::steady_clock::now() >= began + std::min(most, agents_known)) {
                fmt::print("{}/{}: it selects no agent now; it will be in force on those that come\n", lower(one.kind),
                           printable(one.name));
                break;
            }
            if (stopping || std::chrono::steady_clock::now() >= until) {
                say("cvf apply: {}/{} is not in force everywhere yet: {}\n", lower(one.kind), printable(one.name),
                    printable(now->summary.show()));
                status = exit_failed;
                break;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
        }
    }
    return status;
}

}  // namespace cvf::cli
