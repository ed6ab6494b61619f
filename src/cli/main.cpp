// The program: verbs and options (docs/architecture.md has the list), bound from the option table.
#include <fmt/format.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <algorithm>

#include "cli/commands.h"
#include "cli/version.h"
#include "config/load.h"
#include "record/nearest.h"

using namespace cvf;

namespace {

struct Verb {
    const char* name;
    config::Command command;
    const char* help;
    const char* examples;
};

constexpr Verb verbs[] = {
    {"up", config::command_up, "Watch this machine: every network namespace and container",
     "Examples:\n"
     "  cvf up                                          a table of who says what to whom\n"
     "  cvf up --format json | jq .                     every record as one JSON line\n"
     "  cvf up --types http,dns --filter 'http.response.status_code >= 500'\n"
     "  cvf up --output records.jsonl.zst --output-rotate-size 64MiB --output-keep 10\n"
     "  cvf up --cgroup /sys/fs/cgroup/system.slice     only what runs below this cgroup\n"},
    {"read", config::command_read, "Turn captures into records",
     "Examples:\n"
     "  cvf read trace.pcapng                           records as JSON lines, a health record last\n"
     "  cvf read a.pcap b.pcap.gz c.pcapng.zst --types tls\n"
     "  tcpdump -w - -i any | cvf read -                from standard input\n"
     "  cvf read trace.pcap --format table              for the eye\n"
     "  cvf read trace.pcap --fields '@timestamp,source.*,dns.*' --output dns.jsonl\n"},
    {"watch", config::command_watch, "Follow the records of a running `cvf up`",
     "Examples:\n"
     "  cvf watch\n"
     "  cvf watch 'dns.question.name.endsWith(\".svc.cluster.local\") && source.port > 1024'\n"
     "  cvf watch 'source.process.executable.name == \"curl\"' --format json\n"},
    {"doctor", config::command_doctor, "Say what this kernel and these privileges allow",
     "Examples:\n"
     "  cvf doctor\n"
     "  cvf doctor --verbose                            with what the kernel said\n"},
};

void bind_options(CLI::App& app, config::Command command, std::vector<config::Given>& given) {
    for (const config::Option& option : config::options()) {
        if (!(option.commands & command)) continue;
        std::string help(option.help);
        if (!option.fallback.empty()) help += fmt::format(" [{}]", option.fallback);
        const config::Option* row = &option;
        if (option.type == config::OptionType::toggle)
            app.add_flag_callback(config::flag_of(option), [&given, row] { given.push_back({row, "true"}); }, help);
        else
            app.add_option_function<std::string>(
                   config::flag_of(option), [&given, row](const std::string& v) { given.push_back({row, v}); }, help)
                ->type_name(std::string(option.metavar));
    }
}

// "--fliter" was meant to be something: the nearest option or verb.
std::string suggestion(const CLI::App& app, int argc, char** argv) {
    std::vector<std::string> names;
    for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
        names.push_back(sub->get_name());
        if (sub->parsed())
            for (const CLI::Option* o : sub->get_options()) names.push_back(o->get_name());
    }
    std::vector<std::string_view> views(names.begin(), names.end());
    for (int i = 1; i < argc; i++) {
        std::string_view word = argv[i];
        word = word.substr(0, word.find('='));
        if (std::ranges::find(views, word) != views.end()) continue;
        if (!word.starts_with("--") && i != 1) continue;
        if (auto near = record::nearest(word, views); !near.empty()) return fmt::format("; did you mean {}?", near);
    }
    return {};
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("CVF sees every conversation on this machine, in every network namespace, and tells who said what to whom.\n");
    app.require_subcommand(1);
    app.failure_message(CLI::FailureMessage::simple);
    app.footer(
        "Examples:\n"
        "  cvf up                          watch this machine\n"
        "  cvf read trace.pcapng           turn a capture into records\n"
        "  cvf watch 'source.port > 1024'  follow a running `cvf up`, filtered\n"
        "  cvf doctor                      what this kernel allows\n\n"
        "`cvf VERB --help` shows the options of a verb. Options can stand in /etc/cvf/cvf.yaml and in CVF_* variables too.");
    std::vector<config::Given> given;
    std::vector<CLI::App*> bound;
    for (const Verb& verb : verbs) {
        CLI::App* sub = app.add_subcommand(verb.name, verb.help);
        sub->footer(verb.examples);
        bind_options(*sub, verb.command, given);
        bound.push_back(sub);
    }
    std::vector<std::string> files;
    bound[1]->add_option("FILE", files, "pcap or pcapng, also .gz or .zst; - is standard input")->required();
    std::string expression;
    bound[2]->add_option("EXPR", expression, "Filter expression (docs/filter.md)");
    std::string shell;
    CLI::App* completion = app.add_subcommand("completion", "Print a completion script for bash, zsh or fish");
    completion->add_option("SHELL", shell, "bash, zsh or fish")->required();
    completion->footer("Example:\n  source <(cvf completion bash)\n");
    CLI::App* version = app.add_subcommand("version", "Print the version");
    std::string what, directory = ".";
    CLI::App* schema = app.add_subcommand("schema", "Write the JSON Schema and the reference page of records")->group("");
    schema->add_option("WHAT", what)->required();
    schema->add_option("DIRECTORY", directory);

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        if (e.get_exit_code() == 0) return app.exit(e);
        std::string text = e.what();
        fmt::print(stderr, "cvf: {}{}\n", text, suggestion(app, argc, argv));
        fmt::print(stderr, "`cvf --help` shows how it is used\n");
        return cli::exit_wrong_use;
    }
    if (version->parsed()) {
        fmt::print("cvf {}\n", cli::version);
        return cli::exit_done;
    }
    if (completion->parsed()) return cli::run_completion(shell);
    if (schema->parsed()) return cli::run_schema(what, directory);
    auto settings = config::load(given, environ);
    if (!settings) {
        fmt::print(stderr, "cvf: {}\n", settings.error());
        return cli::exit_wrong_use;
    }
    if (bound[0]->parsed()) return cli::run_up(*settings);
    if (bound[1]->parsed()) return cli::run_read(*settings, files);
    if (bound[2]->parsed()) return cli::run_watch(*settings, expression);
    return cli::run_doctor(*settings);
}
