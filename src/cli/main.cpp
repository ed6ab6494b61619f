// The program: verbs (verbs.cpp) and options (config/options.cpp), bound to the command line.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <map>
#include <system_error>

#include "cli/commands.h"
#include "cli/completion.h"
#include "cli/say.h"
#include "cli/verbs.h"
#include "cli/version.h"
#include "config/load.h"
#include "record/nearest.h"

using namespace cvf;

namespace {

void bind_options(CLI::App& app, config::Command command, std::vector<config::Given>& given) {
    for (const config::Option& option : config::options()) {
        if (!(option.commands & command)) continue;
        std::string help(option.help);
        if (!option.fallback.empty()) help += fmt::format(" [{}]", option.fallback);
        const config::Option* row = &option;
        if (option.type == config::OptionType::toggle) {
            app.add_flag_callback(
                   config::flag_of(option), [&given, row] { given.push_back({row, "true"}); }, help)
                ->group(std::string(config::section_of(option)));
        } else {
            CLI::Option* bound = app.add_option_function<std::string>(
                config::flag_of(option), [&given, row](const std::string& v) { given.push_back({row, v}); }, help);
            bound->type_name(std::string(option.metavar))->group(std::string(config::section_of(option)));
            if (option.type == config::OptionType::list) bound->join(',');  // --types dns --types http
        }
    }
}

void bind_question(CLI::App& app, cli::Question& q) {
    app.add_option("--since", q.since, "From when on: 10m (ago), or 2026-01-31T12:00:00Z")->type_name("TIME");
    app.add_option("--until", q.until, "Until when [now]")->type_name("TIME");
    app.add_option("--limit", q.limit, "Records, or groups, at most")->type_name("N");
    app.add_option("--by", q.by, "Group by these fields")->delimiter(',')->type_name("A,B")->allow_extra_args(false);
    app.add_option("--top", q.top, "Only the N largest groups")->type_name("N");
    app.add_flag("--count", q.count, "How many records");
    static constexpr std::pair<const char*, const char*> functions[] = {
        {"sum", "Sum"},    {"min", "Least"},           {"max", "Greatest"},       {"avg", "Mean"},
        {"p50", "Median"}, {"p95", "95th percentile"}, {"p99", "99th percentile"}};
    for (const auto& [function, what] : functions)
        app.add_option_function<std::string>(
               fmt::format("--{}", function),
               [&q, function](const std::string& field) { q.functions.emplace_back(function, field); },
               fmt::format("{} of this field", what))
            ->type_name("FIELD");
    app.add_option("--every", q.every, "A row for each span of time: 5m")->type_name("DURATION");
}

void bind_management(const std::map<std::string_view, CLI::App*>& verbs, cli::Management& m) {
    const auto what = [&](const char* verb) {
        verbs.at(verb)
            ->add_option("KIND", m.kind, "directives, metadata, flow, capture, plaintext, topology, nodes or audit; or KIND/NAME")
            ->type_name("");
        verbs.at(verb)->add_option("NAME", m.names, "Of one of them, or of several")->type_name("");
    };
    const auto file = [&](const char* verb) {
        verbs.at(verb)
            ->add_option("-f,--file", m.files,
                         "YAML or JSON; several documents are separated by ---; - is standard input; of a folder its *.yaml, "
                         "*.yml and *.json")
            ->type_name("FILE");
    };
    for (const char* verb : {"get", "describe", "edit", "delete"}) what(verb);
    for (const char* verb : {"apply", "delete"}) file(verb);
    verbs.at("get")->add_option("-o", m.form, "How to print [table]")->type_name("table|yaml|json|name");
    verbs.at("get")->add_flag("-w,--watch-changes", m.follow, "Go on, and print each change");
    verbs.at("get")
        ->add_option("-l,--selector", m.labels, "Only those with such labels: team=shop,tier!=test,owner,!old")
        ->type_name("LABELS");
    CLI::App* apply = verbs.at("apply");
    apply->add_flag("--wait", m.wait, "Until every agent that it selects reports it");
    apply->add_option("--timeout", m.timeout, "How long --wait waits [30s]")->type_name("DURATION");
    apply
        ->add_flag("--dry-run{server}", m.dry_run,
                   "Change nothing, and say what would change; =client: check the documents alone, and ask no server")
        ->type_name("none|server|client");
    apply->add_option("--sign-with", m.sign_with, "Sign with this Ed25519 private key (PEM)")->type_name("FILE");
    verbs.at("edit")->add_option("--sign-with", m.sign_with, "Sign with this Ed25519 private key (PEM)")->type_name("FILE");
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

// One blank line between groups of options, not two.
class Help final : public CLI::Formatter {
 public:
    Help() { column_width(32); }
    std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override {
        std::string text = CLI::Formatter::make_help(app, std::move(name), mode);
        for (size_t at; (at = text.find("\n\n\n")) != std::string::npos;) text.erase(at, 1);
        return text;
    }
};

int run(int argc, char** argv) {
    CLI::App app("CVF sees every conversation on this machine, in every network namespace, and tells who said what to whom.\n",
                 "cvf");
    app.formatter(std::make_shared<Help>());
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
    std::map<std::string_view, CLI::App*> bound;
    for (const cli::Verb& verb : cli::verbs()) {
        CLI::App* sub = app.add_subcommand(verb.name, verb.help);
        sub->footer(verb.examples);
        bind_options(*sub, verb.command, given);
        bound[verb.name] = sub;
    }
    std::vector<std::string> files;
    bound["read"]->add_option("FILE", files, "pcap or pcapng, also .gz or .zst; - is standard input")->required()->type_name("");
    std::string expression;
    for (const char* verb : {"watch", "query"})
        bound[verb]->add_option("EXPR", expression, "Filter expression (docs/filter.md)")->type_name("");
    cli::Question question;
    bind_question(*bound["query"], question);
    cli::Management management;
    bind_management(bound, management);
    std::string shell;
    CLI::App* completion = app.add_subcommand("completion", "Print a completion script for bash, zsh or fish");
    completion->add_option("SHELL", shell, "bash, zsh or fish")->required()->type_name("");
    completion->footer(
        "Examples:\n"
        "  source <(cvf completion bash)                   in ~/.bashrc; zsh alike, in ~/.zshrc behind compinit\n"
        "  cvf completion fish | source                    in ~/.config/fish/config.fish\n");
    std::string token_name, token_role = "viewer";
    CLI::App* token = app.add_subcommand("token", "Make a token for someone who may ask the API");
    token->add_option("--name", token_name, "Whose it is")->required()->type_name("NAME");
    token->add_option("--role", token_role, "What he may do [viewer]")->type_name("viewer|operator|plaintext-operator");
    token->footer(
        "The token goes to standard output, once; the line for the file of --tokens, which holds its hash, to standard error.\n\n"
        "Example:\n"
        "  cvf token --name grafana --role viewer 2>>/etc/cvf/tokens >grafana.token\n");
    CLI::App* version = app.add_subcommand("version", "Print the version");
    std::string what, directory = ".";
    CLI::App* schema = app.add_subcommand("schema", "Write the JSON Schema and the reference page of records")->group("");
    schema->add_option("WHAT", what)->required();
    schema->add_option("DIRECTORY", directory);

    // `cvf complete WORD...` is for the scripts of `cvf completion`, and no verb: its words are other verbs' options.
    if (argc > 2 && std::string_view(argv[1]) == "complete") {
        const std::vector<std::string> words(argv + 2, argv + argc);
        for (const cli::Completion& one : cli::completions(app, words)) fmt::print("{}\t{}\n", one.word, one.help);
        return cli::exit_done;
    }
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        if (e.get_exit_code() == 0) return app.exit(e);
        const auto verbs = app.get_subcommands();  // as far as it was understood
        cli::say("cvf: {}{}\n", e.what(), suggestion(app, argc, argv));
        cli::say("`cvf {}--help` shows how it is used\n", verbs.empty() ? "" : verbs.front()->get_name() + " ");
        return cli::exit_wrong_use;
    }
    if (version->parsed()) {
        fmt::print("cvf {}\n", cli::version);
        return cli::exit_done;
    }
    if (token->parsed()) return cli::run_token(token_name, token_role);
    if (completion->parsed()) return cli::run_completion(shell);
    if (schema->parsed()) return cli::run_schema(what, directory);
    auto settings = config::load(given, environ);
    if (!settings) {
        cli::say("cvf: {}\n", settings.error());
        return cli::exit_wrong_use;
    }
    const auto parsed = [&](std::string_view verb) { return bound[verb]->parsed(); };
    if (parsed("up")) return cli::run_up(*settings);
    if (parsed("agent")) return cli::run_agent(*settings);
    if (parsed("controller")) return cli::run_controller(*settings);
    if (parsed("read")) return cli::run_read(*settings, files);
    if (parsed("watch")) return cli::run_watch(*settings, expression);
    if (parsed("query")) {
        question.expression = expression;
        return cli::run_query(*settings, question);
    }
    if (parsed("apply")) return cli::run_apply(*settings, management);
    if (parsed("get")) return cli::run_get(*settings, management);
    if (parsed("describe")) return cli::run_describe(*settings, management);
    if (parsed("edit")) return cli::run_edit(*settings, management);
    if (parsed("delete")) return cli::run_delete(*settings, management);
    return cli::run_doctor(*settings);
}

}  // namespace

int main(int argc, char** argv) {
    // A standard stream that is closed must not become the first file that is opened.
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (::fcntl(fd, F_GETFD) == -1) ::open("/dev/null", O_RDWR);
    int status = cli::exit_failed;
    try {
        status = run(argc, argv);
        if (std::fflush(stdout) == 0 || errno == EPIPE) return status;
        cli::say("cvf: standard output: {}\n", std::generic_category().message(errno));
    } catch (const std::system_error& e) {  // of fmt::print, whose output nobody takes
        if (e.code() == std::errc::broken_pipe) return status;
        cli::say("cvf: {}\n", e.what());
    }
    return cli::exit_failed;
}
