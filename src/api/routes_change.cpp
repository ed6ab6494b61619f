// Changing directives: PUT, POST and DELETE.
#include <fmt/format.h>

#include <boost/json.hpp>

#include "api/change.h"
#include "api/condition.h"
#include "api/documents.h"
#include "api/routes.h"
#include "http/header.h"

namespace cvf::api {

namespace json = boost::json;

namespace {

// Nothing: this role may change this kind.
std::optional<http::OutgoingResponse> forbidden(const Call& call, directive::Kind kind, std::string_view action,
                                                std::string_view object) {
    if (!refusal_for(call.state, call.who, call.role.value_or(controller::Role::viewer), kind, action, object))
        return std::nullopt;
    return to_response({.status = 403, .title = "Forbidden"});
}

// Only what a page of another site can't send without asking first: where a browser has a client certificate, such a page would
// act for its user.
std::optional<http::OutgoingResponse> unwanted_type(const Call& call) {
    const std::string_view type = http::media_type_of(call.header("Content-Type"));
    for (const std::string_view good : {"application/json", "application/yaml", "application/x-yaml"})
        if (http::same_word(type, good)) return std::nullopt;
    return to_response(
        {.status = 415, .title = "Unsupported media type", .detail = "Content-Type is application/yaml or application/json"});
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

}  // namespace

http::OutgoingResponse apply_one(const Call& call) {
    controller::Directives* directives = call.services().directives;
    if (!directives) return not_here(no_directives);
    const auto kind = kind_of(call.names[0]);
    if (!kind) return to_response({.status = 404, .title = "Not found", .detail = no_kind(call.names[0])});
    const auto dry_run = flag_of(call.parameter("dryRun").value_or("false"));
    if (!dry_run) return bad_parameter("dryRun", "dryRun is true or false");
    const std::string object = fmt::format("{}/{}", directive::name_of(*kind), call.names[1]);
    if (auto no = forbidden(call, *kind, "apply", object)) return std::move(*no);
    if (auto no = unwanted_type(call)) return std::move(*no);
    auto parsed = read_documents(call.body, call.header("Content-Type"), options_of(call));
    if (!parsed) return to_response(invalid_problem(std::move(parsed.error())));
    if (parsed->size() != 1)
        return to_response(invalid_problem(
            {{.path = {}, .message = fmt::format("one directive is wanted, not {}", parsed->size()), .nearest = {}}}));
    if (directive::identity(parsed->front()) != object)
        return to_response(invalid_problem(
            {{.path = {},
              .message = fmt::format("the document is {}, the path says {}", directive::identity(parsed->front()), object),
              .nearest = object}}));
    const auto expected = expected_revision(call, *kind, call.names[1]);
    if (!expected) return to_response({.status = 412, .title = "Precondition failed", .detail = expected.error()});
    const auto applied = directives->apply(parsed->front(), call.who, *dry_run, *expected);
    if (!applied) return to_response(problem_of(applied.error(), expected->has_value()));
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
    if (!directives) return not_here(no_directives);
    const auto dry_run = flag_of(call.parameter("dryRun").value_or("false"));
    if (!dry_run) return bad_parameter("dryRun", "dryRun is true or false");
    if (auto no = unwanted_type(call)) return std::move(*no);
    auto parsed = read_documents(call.body, call.header("Content-Type"), options_of(call));
    if (!parsed) return to_response(invalid_problem(std::move(parsed.error())));
    if (parsed->empty())
        return to_response(invalid_problem({{.path = {}, .message = "there is no directive in it", .nearest = {}}}));
    for (const auto& one : *parsed)
        if (auto no = forbidden(call, one.kind, "apply", directive::identity(one))) return std::move(*no);
    const auto applied = apply_all(*directives, *parsed, call.who, *dry_run);
    if (!applied) return to_response(problem_of(applied.error(), false));
    json::array items;
    for (const auto& [change, stored] : *applied)
        items.emplace_back(json::object{{"kind", directive::name_of(stored.directive.kind)},
                                        {"name", stored.directive.metadata.name},
                                        {"change", change_name(change)},
                                        {"generation", stored.directive.metadata.generation},
                                        {"revision", stored.revision}});
    return json_response(json::object{{"kind", "ApplyResult"}, {"dryRun", *dry_run}, {"items", std::move(items)}});
}

http::OutgoingResponse remove_one(const Call& call) {
    controller::Directives* directives = call.services().directives;
    if (!directives) return not_here(no_directives);
    const auto kind = kind_of(call.names[0]);
    if (!kind) return to_response({.status = 404, .title = "Not found", .detail = no_kind(call.names[0])});
    if (auto no = forbidden(call, *kind, "delete", fmt::format("{}/{}", directive::name_of(*kind), call.names[1])))
        return std::move(*no);
    const auto expected = expected_revision(call, *kind, call.names[1]);
    if (!expected) return to_response({.status = 412, .title = "Precondition failed", .detail = expected.error()});
    const auto removed = directives->remove(*kind, call.names[1], call.who, *expected);
    if (!removed) return to_response(problem_of(removed.error(), expected->has_value()));
    return json_response(document_of(call, *removed));
}

}  // namespace cvf::api
