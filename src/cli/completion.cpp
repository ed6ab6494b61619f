// Completion scripts, and what they ask: `cvf complete WORD...` prints what may stand in the last word's place.
#include "cli/completion.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>

#include "cli/commands.h"
#include "cli/management.h"
#include "cli/say.h"
#include "record/fields.h"

namespace cvf::cli {

namespace {

struct Shell {
    std::string_view name, script;
};

// A line for each possibility: the word, a tab, what it is. No line: the shell offers files.
constexpr Shell shells[] = {
    {"bash", R"(_cvf() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do COMPREPLY+=("${line%%$'\t'*}"); done \
        < <("${COMP_WORDS[0]/#\~/$HOME}" complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _cvf cvf
)"},
    {"zsh", R"(#compdef cvf
_cvf() {
    local line
    local -a found
    for line in "${(@f)$("${(e)words[1]}" complete "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
        [[ -z $line ]] || found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    done
    if (( $#found )); then _describe cvf found; else _files; fi
}
if [[ ${funcstack[1]} == _cvf ]]; then _cvf "$@"; else compdef _cvf cvf; fi
)"},
    {"fish", R"(function __cvf_complete
    set -l before (commandline -opc)
    set -l typed (commandline -ct)
    set -l found ($before[1] complete $before[2..-1] "$typed" 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\n' $found
    else
        __fish_complete_path "$typed"
    end
end
complete -c cvf -f -a '(__cvf_complete)'
)"},
};

class Answer {
 public:
    // `before` stands in front of every word of the answer: what has been typed and stays.
    Answer(std::string before, std::string typed) : before_(std::move(before)), typed_(std::move(typed)) {}

    void offer(std::string_view word, std::string_view help = {}) {
        if (word.starts_with(typed_)) found_.push_back({before_ + std::string(word), std::string(help)});
    }
    // From now on it is about the last of several words with commas between them.
    void among_several() {
        const size_t comma = typed_.rfind(',');
        if (comma == std::string::npos) return;
        before_ += typed_.substr(0, comma + 1);
        typed_.erase(0, comma + 1);
    }
    std::vector<Completion> take() { return std::move(found_); }

 private:
    std::string before_, typed_;
    std::vector<Completion> found_;
};

// What may stand for a value, by what the help calls it: "table|json", FIELD, KIND. A FILE is the shell's own affair.
void offer_values(const CLI::Option& option, Answer& answer) {
    const std::string& name = option.get_single_name();
    const std::string form = option.get_positional() ? name : option.get_type_name();
    if (name == "types") {
        answer.among_several();
        for (size_t i = 0; i < record::type_count; i++) {
            const record::TypeInfo& type = record::info(static_cast<record::RecordType>(i));
            answer.offer(type.name, type.doc);
        }
    }
    if (name == "fields" || name == "by" || form == "FIELD") {
        if (form != "FIELD") answer.among_several();
        for (size_t i = 0; i < record::field_count; i++) {
            const record::FieldInfo& field = record::info(static_cast<record::Field>(i));
            answer.offer(field.key, field.doc);
        }
    }
    if (form == "KIND")
        for (const std::string_view thing : thing_names) answer.offer(thing);
    if (form == "SHELL")
        for (const Shell& shell : shells) answer.offer(shell.name);
    if (form.contains('|'))
        for (size_t from = 0, bar = 0; from <= form.size(); from = bar + 1) {
            bar = std::min(form.find('|', from), form.size());
            answer.offer(std::string_view(form).substr(from, bar - from));
        }
}

void offer_flags(const CLI::App& verb, Answer& answer) {
    for (const CLI::Option* option : verb.get_options()) {
        if (!option->get_lnames().empty())
            answer.offer("--" + option->get_lnames().front(), option->get_description());
        else if (!option->get_snames().empty())
            answer.offer("-" + option->get_snames().front(), option->get_description());
    }
}

// The option of this name that takes a value, be it only behind "=" (--dry-run=client); null when there is none.
const CLI::Option* option_with_value(const CLI::App& verb, const std::string& word, bool equals = false) {
    for (const CLI::Option* option : verb.get_options())
        if (word.starts_with('-') && option->check_name(word))
            return option->get_items_expected_max() > 0 || (equals && option->get_type_name().contains('|')) ? option : nullptr;
    return nullptr;
}

// The argument without a name that comes after these words; null when there is none any more.
const CLI::Option* next_argument(const CLI::App& verb, std::span<const std::string> before) {
    size_t given = 0;
    for (size_t i = 0; i < before.size(); i++) {
        if (option_with_value(verb, before[i]))
            i++;
        else if (!before[i].starts_with('-'))
            given++;
    }
    for (const CLI::Option* option : verb.get_options())
        if (option->get_positional() && (given-- == 0 || option->get_items_expected_max() > 1)) return option;
    return nullptr;
}

}  // namespace

std::vector<Completion> completions(const CLI::App& app, std::span<const std::string> words) {
    if (words.empty()) return {};
    const auto verbs = app.get_subcommands([](const CLI::App* verb) { return !verb->get_group().empty(); });
    const std::string& last = words.back();
    if (words.size() == 1) {
        Answer answer("", last);
        for (const CLI::App* verb : verbs) answer.offer(verb->get_name(), verb->get_description());
        if (last.starts_with('-')) offer_flags(app, answer);
        return answer.take();
    }
    const auto found = std::ranges::find(verbs, words.front(), [](const CLI::App* verb) { return verb->get_name(); });
    if (found == verbs.end()) return {};
    const CLI::App& verb = **found;

    // "--types dns" and "--types=dns", which bash takes apart into "--types", "=", "dns".
    const size_t equal = last.starts_with("--") ? last.find('=') : std::string::npos;
    const bool apart = last == "=" || words[words.size() - 2] == "=";
    const size_t owner = words.size() - (apart && last != "=" ? 3 : 2);
    const std::string before = equal == std::string::npos ? "" : last.substr(0, equal + 1);
    Answer answer(before, last == "=" ? "" : last.substr(before.size()));
    if (const CLI::Option* option =
            option_with_value(verb, before.empty() ? words[owner] : last.substr(0, equal), apart || !before.empty()))
        offer_values(*option, answer);
    else if (const CLI::Option* argument = next_argument(verb, words.subspan(1, words.size() - 2));
             last.starts_with('-') || !argument)
        offer_flags(verb, answer);
    else
        offer_values(*argument, answer);
    return answer.take();
}

int run_completion(const std::string& shell) {
    const auto found = std::ranges::find(shells, shell, &Shell::name);
    if (found == std::end(shells)) {
        say("cvf completion: no script for \"{}\"; there are bash, zsh and fish\n", shell);
        return exit_wrong_use;
    }
    fmt::print("{}", found->script);
    return exit_done;
}

}  // namespace cvf::cli
