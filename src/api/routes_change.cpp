#include <fmt/format.h>
#include <fmt/ranges.h>
#include <strings.h>

#include <boost/json.hpp>

#include "api/change.h"
#include "api/condition.h"
#include "api/documents.h"

namespace cvf::api {

namespace json = boost::json;

std::optional<directive::Kind> kind_of(std::string_view name) {
    for (size_t i = 0; i < std::size(directive::kind_names); ++i) {
        const std::string_view kind = directive::kind_names[i];
        if (kind.size() == name.size() && ::strncasecmp(kind.data(), name.data(), kind.size()) == 0)
            return static_cast<directive::Kind>(i);
    }
    return std::nullopt;
}

std::string no_kind(std::string_view name) {
    return fmt::format("there is no kind '{}': {} there are", name, fmt::join(directive::kind_names, ", "));
}

http::OutgoingResponse no_directives() {
    return not_here("no directives: only a controller has them");
}

namespace {

http::OutgoingResponse refused(const controller::Refusal& refusal, bool conditional) {
    // What the controller calls a conflict is, to who named a revision, a condition that does not hold.
    const unsigned status = refusal.status == 409 && conditional ? 412 : refusal.status;
    const char* title = status == 404   ? "Not found"
                        : status == 409 ? "Conflict"
                        : status == 412 ? "Precondition failed"
                        : status == 422 ? "Invalid directive"
                                        : "Not possible now";
    return to_response({.status = status, .title = title, .detail = refusal.text, .problems = refusal.problems});
}

http::OutgoingResponse invalid(directive::Problems problems) {
    const std::string detail = problems.empty() ? "this is no directive" : problems.front().show();
    return to_response({.status = 422, .title = "Invalid directive", .detail = detail, .problems = std::move(problems)});
}

// Nothing: this role may change this kind.
std::optional<http::OutgoingResponse> forbidden(const Call& call, directive::Kind kind, std::string_view action,
                                                const std::string& object) {
    if (kind != directive::Kind::plaintext || call.role == controller::Role::plaintext_operator) return std::nullopt;
    if (controller::Audit* audit = call.services().audit)
        audit->note({0, call.who, std::string(action), object, 0, "refused", "needs the role plaintext-operator"});
    return to_response({.status = 403, .title = "Forbidden"});
}

// The revision that If-Match and If-None-Match ask for; nothing when they ask for none. An error is 412's sentence.
std::expected<std::optional<uint64_t>, std::string> expected_revision(const Call& call, directive::Kind kind,
                                                                      std::string_view name) {
    const std::string_view match = call.header("If-Match"), none_match = call.header("If-None-Match");
    if (match.empty() && none_match.empty()) return std::nullopt;
    const auto there = call.services().directives->find(kind, name);
    const std::string tag = there ? strong_tag(there->revision) : std::string();
    if (!none_match.empty() && there && lists_tag(none_match, tag, true))
        return std::unexpected(fmt::format("{}/{} is there already", directive::name_of(kind), name));
    if (!match.empty() && (!there || !lists_tag(match, tag, false)))
        return std::unexpected(
            there ? fmt::format("{}/{} has changed since you read it; get it again", directive::name_of(kind), name)
                  : fmt::format("there is no {}/{}", directive::name_of(kind), name));
    return there ? there->revision : 0;
}

directive::ParseOptions options_of(const Call& call) {
    return {directive::Syntax::automatic, call.services().check_pcap_filter};
}

json::object document_of(const Call& call, const controller::Stored& stored) {
    return directive_document(stored, call.services().nodes);
}

std::string_view change_name(directive::Change change) {
    return directive::change_names[static_cast<size_t>(change)];
}

}  // namespace

http::OutgoingResponse apply_one(const Call& call) {
    controller::Directives* directives = call.services().directives;
    if (!directives) return no_directives();
    const auto kind = kind_of(call.names[0]);
    if (!kind) return to_response({.status = 404, .title = "Not found", .detail = no_kind(call.names[0])});
    const auto dry_run = flag_of(call.parameter("dryRun").value_or("false"));
    if (!dry_run) return bad_parameter("dryRun", "dryRun is true or false");
    const std::string object = fmt::format("{}/{}", directive::name_of(*kind), call.names[1]);
    if (auto no = forbidden(call, *kind, "apply", object)) return std::move(*no);
    auto parsed = read_documents(call.body, call.header("Content-Type"), options_of(call));
    if (!parsed) return invalid(std::move(parsed.error()));
    if (parsed->size() != 1)
        return invalid({{.path = {}, .message = fmt::format("one directive is wanted, not {}", parsed->size()), .nearest = {}}});
    if (directive::identity(parsed->front()) != object)
        return invalid(
            {{.path = {},
              .message = fmt::format("the document is {}, the path says {}", directive::identity(parsed->front()), object),
              .nearest = object}});
    const auto expected = expected_revision(call, *kind, call.names[1]);
    if (!expected) return to_response({.status = 412, .title = "Precondition failed", .detail = expected.error()});
    const auto applied = directives->apply(parsed->front(), call.who, *dry_run, *expected);
    if (!applied) return refused(applied.error(), expected->has_value());
    auto response = json_response(document_of(call, applied->stored));
    response.status = applied->change == directive::Change::created && !*dry_run ? 201 : 200;
    if (applied->stored.revision != 0) response.headers.push_back({"ETag", strong_tag(applied->stored.revision)});
    response.headers.push_back({"Cvf-Change", std::string(change_name(applied->change))});
    if (response.status == 201)
        response.headers.push_back(
            {"Location", fmt::format("/api/v1/directives/{}/{}", directive::name_of(*kind), call.names[1])});
    return response;
}

http::OutgoingResponse apply_several(const Call& call) {
    controller::Directives* directives = call.services().directives;
    if (!directives) return no_directives();
    const auto dry_run = flag_of(call.parameter("dryRun").value_or("false"));
    if (!dry_run) return bad_parameter("dryRun", "dryRun is true or false");
    auto parsed = read_documents(call.body, call.header("Content-Type"), options_of(call));
    if (!parsed) return invalid(std::move(parsed.error()));
    if (parsed->empty()) return invalid({{.path = {}, .message = "there is no directive in it", .nearest = {}}});
    for (const auto& one : *parsed)
        if (auto no = forbidden(call, one.kind, "apply", directive::identity(one))) return std::move(*no);
    // First all as a trial: nothing is stored unless all would be.
    json::array items;
    for (const bool trial : {true, false}) {
        if (!trial && *dry_run) break;
        items.clear();
        for (const auto& one : *parsed) {
            const auto applied = directives->apply(one, call.who, trial, {});
            if (!applied) {
                controller::Refusal refusal = applied.error();
                refusal.text = fmt::format("{}: {}", directive::identity(one), refusal.text);
                if (!trial && !items.empty()) refusal.text += fmt::format("; {} before it are stored", items.size());
                return refused(refusal, false);
            }
            items.emplace_back(json::object{{"kind", directive::name_of(one.kind)},
                                            {"name", one.metadata.name},
                                            {"change", change_name(applied->change)},
                                            {"generation", applied->stored.directive.metadata.generation},
                                            {"revision", applied->stored.revision}});
        }
    }
    return json_response(json::object{{"kind", "ApplyResult"}, {"dryRun", *dry_run}, {"items", std::move(items)}});
}

http::OutgoingResponse remove_one(const Call& call) {
    controller::Directives* directives = call.services().directives;
    if (!directives) return no_directives();
    const auto kind = kind_of(call.names[0]);
    if (!kind) return to_response({.status = 404, .title = "Not found", .detail = no_kind(call.names[0])});
    if (auto no = forbidden(call, *kind, "delete", fmt::format("{}/{}", directive::name_of(*kind), call.names[1])))
        return std::move(*no);
    const auto expected = expected_revision(call, *kind, call.names[1]);
    if (!expected) return to_response({.status = 412, .title = "Precondition failed", .detail = expected.error()});
    const auto removed = directives->remove(*kind, call.names[1], call.who, *expected);
    if (!removed) return refused(removed.error(), expected->has_value());
    return json_response(document_of(call, *removed));
}

}  // namespace cvf::api
