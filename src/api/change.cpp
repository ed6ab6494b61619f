#include "api/change.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "http/header.h"

namespace cvf::api {
namespace {

constexpr uint64_t audited_refusals = 10;
constexpr auto audited_in = std::chrono::minutes(1);

}  // namespace

void note_refusal(State& state, const controller::Who& who, controller::Role needed, std::string_view action,
                  std::string_view object) {
    state.refused(403, "role");
    controller::Audit* audit = state.services().audit;
    if (!audit || action.empty()) return;
    {
        const std::lock_guard lock(state.mutex);
        const auto now = std::chrono::steady_clock::now();
        if (now - state.audited_since > audited_in) {
            state.audited_since = now;
            state.audited = 0;
        }
        if (state.audited == audited_refusals) return;
        ++state.audited;
    }
    audit->note({0, who, std::string(action), std::string(object.substr(0, controller::audit_text_bytes)), 0, "refused",
                 fmt::format("needs the role {}", controller::name_of(needed))});
}

std::optional<std::string> refusal_for(State& state, const controller::Who& who, controller::Role role, directive::Kind kind,
                                       std::string_view action, std::string_view object) {
    const auto needed = kind == directive::Kind::plaintext ? controller::Role::plaintext_operator : controller::Role::operator_;
    if (role >= needed) return std::nullopt;
    note_refusal(state, who, needed, action, object);
    return fmt::format("needs the role {}", controller::name_of(needed));
}

std::expected<std::vector<controller::Applied>, controller::Refusal> apply_all(controller::Directives& directives,
                                                                               std::span<const directive::Directive> all,
                                                                               const controller::Who& who, bool dry_run) {
    std::vector<controller::Applied> out;
    for (const bool trial : {true, false}) {
        if (!trial && dry_run) break;
        out.clear();
        for (const directive::Directive& one : all) {
            auto applied = directives.apply(one, who, trial, {});
            if (!applied) {
                controller::Refusal refusal = std::move(applied.error());
                refusal.text = fmt::format("{}: {}", directive::identity(one), refusal.text);
                if (!trial && !out.empty()) refusal.text += fmt::format("; {} before it are stored", out.size());
                return std::unexpected(std::move(refusal));
            }
            out.push_back(std::move(*applied));
        }
    }
    return out;
}

Problem problem_of(const controller::Refusal& refusal, bool conditional) {
    // What the controller calls a conflict is, to who named a revision, a condition that does not hold.
    const unsigned status = refusal.status == 409 && conditional ? 412 : refusal.status;
    const char* title = status == 404   ? "Not found"
                        : status == 409 ? "Conflict"
                        : status == 412 ? "Precondition failed"
                        : status == 422 ? "Invalid directive"
                                        : "Not possible now";
    return {.status = status, .title = title, .detail = refusal.text, .problems = refusal.problems};
}

std::optional<directive::Kind> kind_of(std::string_view name) {
    for (size_t i = 0; i < std::size(directive::kind_names); ++i)
        if (http::same_word(directive::kind_names[i], name)) return static_cast<directive::Kind>(i);
    return std::nullopt;
}

std::string no_kind(std::string_view name) {
    return fmt::format("there is no kind '{}': {} there are", name, fmt::join(directive::kind_names, ", "));
}

}  // namespace cvf::api
