// `cvf apply`, `edit` and `delete`: directives changed, as with kubectl.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "cli/commands.h"
#include "cli/management.h"
#include "cli/say.h"
#include "cli/serve.h"
#include "cli/signals.h"
#include "cli/targets.h"
#include "config/quantity.h"
#include "directive/parse.h"
#include "directive/write.h"

namespace cvf::cli {

namespace {

std::string shown(std::string_view kind, std::string_view name) {
    std::string out(kind);
    std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return out + "/" + std::string(name);
}

// A text in a file for the user's editor. What he wrote stays there unless it was taken.
class Draft {
 public:
    ~Draft() {
        if (!keep_ && !name_.empty()) std::filesystem::remove(name_, ignored_);
    }
    Draft() = default;
    Draft(const Draft&) = delete;
    Draft& operator=(const Draft&) = delete;

    // What $VISUAL or $EDITOR makes of it. Nothing: the editor failed, or nothing was changed.
    std::optional<std::string> edit(const std::string& text) {
        const char* editor = std::getenv("VISUAL");
        if (!editor || !*editor) editor = std::getenv("EDITOR");
        if (!editor || !*editor) editor = "vi";
        if (name_.empty()) {
            char name[] = "/tmp/cvf-edit-XXXXXX.yaml";
            const int fd = ::mkstemps(name, 5);
            if (fd < 0) return std::nullopt;
            ::close(fd);
            name_ = name;
        }
        {
            std::ofstream file(name_, std::ios::trunc);
            file << text;
        }
        const int status = std::system(fmt::format("{} {}", editor, name_).c_str());
        std::ifstream file(name_);
        std::string after((std::istreambuf_iterator<char>(file)), {});
        if (status != 0 || after == text) return std::nullopt;
        return after;
    }
    void keep() {
        keep_ = true;
        say("cvf edit: what you wrote is in {}\n", name_);
    }

 private:
    std::string name_;
    std::error_code ignored_;
    bool keep_ = false;
};

}  // namespace

int run_apply(const config::Settings& settings, const Management& what) {
    stop_on_signals();
    std::chrono::nanoseconds most = std::chrono::seconds(30);
    if (!what.timeout.empty()) {
        const auto parsed = config::parse_duration(what.timeout);
        if (!parsed) return complain_use("apply", "--timeout: " + parsed.error());
        most = *parsed;
    }
    const bool on_client = what.dry_run == "client", on_server = what.dry_run == "server";
    if (!on_client && !on_server && !what.dry_run.empty() && what.dry_run != "none")
        return complain_use("apply", fmt::format("--dry-run={}: there are none, server and client", what.dry_run));
    auto documents = read_documents(what, "apply");
    if (!documents) return complain_use("apply", documents.error());
    if (on_client) {
        // Whether it would be created or changed only a server knows.
        for (const directive::Directive& d : *documents)
            fmt::print("{} is valid (client dry run)\n", shown(directive::name_of(d.kind), d.metadata.name));
        return exit_done;
    }
    const api::Client client(client_options(settings));
    auto applied = client.apply(*documents, on_server);
    if (!applied) return complain("apply", applied.error());
    for (const api::RemoteApplied& one : *applied)
        fmt::print("{} {}{}\n", shown(one.kind, one.name), directive::change_names[static_cast<size_t>(one.change)],
                   on_server ? " (server dry run)" : "");
    if (!what.wait || on_server) return exit_done;
    return wait_for(client, *applied, most);
}

int run_delete(const config::Settings& settings, const Management& what) {
    stop_on_signals();
    const api::Client client(client_options(settings));
    std::vector<std::pair<std::string, std::string>> names;
    if (!what.files.empty() && !what.kind.empty()) return complain_use("delete", "-f FILE or KIND NAME, not both");
    if (!what.files.empty()) {
        auto documents = read_documents(what, "delete");
        if (!documents) return complain_use("delete", documents.error());
        for (const directive::Directive& d : *documents) names.emplace_back(directive::name_of(d.kind), d.metadata.name);
    } else {
        const auto targets = targets_of(what);
        if (!targets) return complain_use("delete", targets.error());
        for (const Target& target : *targets) {
            if (target.thing != Thing::directives || target.name.empty())
                return complain_use("delete", "which? `cvf delete KIND NAME`, as `cvf delete metadata shop-errors`, or -f FILE");
            names.emplace_back(target.kind, target.name);
        }
    }
    int status = exit_done;
    for (const auto& [kind, name] : names) {
        if (auto removed = client.remove(kind, name); !removed)
            status = complain("delete", removed.error());
        else
            fmt::print("{} deleted\n", shown(kind, name));
    }
    return status;
}

int run_edit(const config::Settings& settings, const Management& what) {
    const auto targets = targets_of(what);
    if (!targets) return complain_use("edit", targets.error());
    const auto& [thing, kind, edited] = targets->front();
    if (targets->size() != 1 || thing != Thing::directives || edited.empty())
        return complain_use("edit", "which one? `cvf edit KIND NAME`, as `cvf edit metadata shop-errors`");
    const api::Client client(client_options(settings));
    auto there = client.directive(kind, edited);
    if (!there) return complain("edit", there.error());
    std::string text = directive::to_yaml(there->directive);
    Draft draft;
    for (;;) {
        const auto after = draft.edit(text);
        if (!after) {
            fmt::print("{} unchanged\n", shown(kind, edited));
            return exit_done;
        }
        auto parsed = directive::parse_one(*after, parse_options());
        if (parsed && directive::identity(*parsed) != directive::identity(there->directive)) {
            draft.keep();
            return complain_use("edit", "kind and name can't be edited; `cvf apply` makes another directive");
        }
        if (parsed) {
            if (auto done = sign_with(*parsed, what.sign_with); !done) {
                draft.keep();
                return complain_use("edit", done.error());
            }
            auto replaced = client.replace(*parsed, there->revision);
            if (!replaced) {
                draft.keep();
                return complain("edit", replaced.error());
            }
            fmt::print("{} {}\n", shown(kind, edited), directive::change_names[static_cast<size_t>(replaced->change)]);
            return exit_done;
        }
        for (const directive::Problem& problem : parsed.error()) say("cvf edit: {}\n", problem.show());
        if (!isatty(STDIN_FILENO)) {
            draft.keep();
            return exit_wrong_use;
        }
        text.clear();
        for (const directive::Problem& problem : parsed.error()) text += "# " + problem.show() + "\n";
        text += *after;
    }
}

}  // namespace cvf::cli
