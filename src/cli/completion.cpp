// Completion scripts, made from the option table so that they know every flag there is.
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/verbs.h"
#include "config/options.h"
#include "record/fields.h"

namespace cvf::cli {

namespace {

std::string verb_names() {
    std::string out;
    for (const Verb& verb : verbs()) out += fmt::format("{} ", verb.name);
    return out + "token completion version";
}

std::string flags(uint16_t command) {
    std::string out = "--help";
    for (const config::Option& o : config::options())
        if (o.commands & command) out += " " + config::flag_of(o);
    return out;
}

std::string type_names() {
    std::string out;
    for (size_t i = 0; i < record::type_count; i++) {
        if (i) out += ' ';
        out += record::info(static_cast<record::RecordType>(i)).name;
    }
    return out;
}

std::string bash() {
    std::string out =
        "_cvf() {\n    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} verb=${COMP_WORDS[1]}\n"
        "    if [ \"$COMP_CWORD\" -eq 1 ]; then COMPREPLY=($(compgen -W '" +
        verb_names() +
        " --help' -- \"$current\")); return; fi\n"
        "    case $previous in\n";
    out += fmt::format("        --types) COMPREPLY=($(compgen -W '{}' -- \"$current\")); return ;;\n", type_names());
    out +=
        "        --format) COMPREPLY=($(compgen -W 'json table' -- \"$current\")); return ;;\n"
        "        --payload) COMPREPLY=($(compgen -W 'budget full none' -- \"$current\")); return ;;\n"
        "        --output|--config|--token-file|--cgroup) COMPREPLY=($(compgen -f -- \"$current\")); return ;;\n    esac\n"
        "    case $verb in\n";
    for (const Verb& v : verbs())
        out += fmt::format(
            "        {}) [[ $current == -* ]] && COMPREPLY=($(compgen -W '{}' -- \"$current\")) || COMPREPLY=($(compgen -f -- "
            "\"$current\")) ;;\n",
            v.name, flags(v.command));
    out +=
        "        completion) COMPREPLY=($(compgen -W 'bash zsh fish' -- \"$current\")) ;;\n    esac\n}\ncomplete -o filenames -F "
        "_cvf cvf\n";
    return out;
}

std::string fish() {
    std::string out = "complete -c cvf -n __fish_use_subcommand -f -a '" + verb_names() + "'\n";
    for (const Verb& v : verbs())
        for (const config::Option& o : config::options()) {
            if (!(o.commands & v.command)) continue;
            std::string help(o.help);
            std::erase(help, '\'');
            out += fmt::format("complete -c cvf -n '__fish_seen_subcommand_from {}' -l {} {}-d '{}'\n", v.name,
                               config::flag_of(o).substr(2), o.type == config::OptionType::toggle ? "" : "-r ", help);
        }
    out += "complete -c cvf -n '__fish_seen_subcommand_from completion' -f -a 'bash zsh fish'\n";
    return out;
}

}  // namespace

int run_completion(const std::string& shell) {
    if (shell == "bash") {
        fmt::print("{}", bash());
    } else if (shell == "zsh") {
        fmt::print("autoload -U +X bashcompinit && bashcompinit\n{}", bash());
    } else if (shell == "fish") {
        fmt::print("{}", fish());
    } else {
        fmt::print(stderr, "cvf completion: no script for \"{}\"; there are bash, zsh and fish\n", shell);
        return exit_wrong_use;
    }
    return exit_done;
}

}  // namespace cvf::cli
