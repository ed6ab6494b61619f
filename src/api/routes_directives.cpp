// Reading directives: GET /api/v1/directives and one of them. Changing them: routes_change.cpp.
#include <fmt/format.h>

#include <boost/json.hpp>

#include "api/change.h"
#include "api/condition.h"
#include "api/documents.h"
#include "api/looks.h"
#include "api/paging.h"
#include "api/routes.h"
#include "api/watchers.h"
#include "directive/write.h"

namespace cvf::api {
namespace {

struct Choice {
    std::optional<directive::Kind> kind;
    LabelSelector labels;
    DocumentFields fields;

    bool chosen(const directive::Directive& d) const { return (!kind || d.kind == *kind) && labels.matches(d.metadata.labels); }
    boost::json::object document(const controller::Stored& stored, const controller::Nodes* nodes) const {
        return fields.cut(directive_document(stored, nodes, fields.want({"status", "nodes"})));
    }
};

std::expected<Choice, Problem> choice_of(const Call& call) {
    Choice choice;
    if (const auto kind = call.parameter("kind")) {
        choice.kind = kind_of(*kind);
        if (!choice.kind) return std::unexpected(Problem{.detail = no_kind(*kind), .parameter = "kind"});
    }
    auto labels = LabelSelector::parse(call.parameter("labelSelector").value_or(""));
    if (!labels) return std::unexpected(Problem{.detail = labels.error(), .parameter = "labelSelector"});
    auto fields = DocumentFields::parse(call.parameter("fields").value_or(""), directive_roots);
    if (!fields) return std::unexpected(Problem{.detail = fields.error(), .parameter = "fields"});
    choice.labels = std::move(*labels);
    choice.fields = std::move(*fields);
    return choice;
}

// What a watcher is told of: the document, and how it fares but for the counters, which change all the time.
std::string mark_of(const controller::Stored& stored, const controller::Nodes* nodes) {
    std::string mark = fmt::format("{}", stored.revision);
    if (!nodes) return mark;
    const directive::Summary summary = nodes->standing(stored.directive).summary;
    fmt::format_to(std::back_inserter(mark), " {} {}", summary.agents, summary.behind);
    for (const auto& [state, count] : summary.states)
        fmt::format_to(std::back_inserter(mark), " {}:{}", static_cast<int>(state), count);
    for (const auto& [reason, names] : summary.reasons) {
        fmt::format_to(std::back_inserter(mark), " {}", reason);
        for (const std::string& name : names) mark += ',' + name;
    }
    return mark;
}

http::OutgoingResponse watch(const Call& call, Choice choice) {
    controller::Directives& directives = *call.services().directives;
    controller::Nodes* nodes = call.services().nodes;
    using Shared = Look<controller::Stored>;
    const auto chosen = std::make_shared<const Choice>(std::move(choice));
    WatchSource::Subject subject;
    subject.look = [&directives, nodes, chosen, looks = &call.state.watches->directives](WatchSource::Clock::time_point now) {
        const uint64_t version = directives.version() + (nodes ? nodes->version() : 0);
        const auto look = looks->at(now, version, [&] {
            Shared made;
            made.complete = directives.ready();
            for (controller::Stored& stored : directives.list()) {
                std::string key = directive::identity(stored.directive), mark = mark_of(stored, nodes);
                made.items.push_back({std::move(key), std::move(mark), std::move(stored)});
            }
            return made;
        });
        WatchSource::Seen seen{look, {}, look->complete, look->version == version, look->next};
        for (size_t i = 0; i < look->items.size(); ++i)
            if (const auto& item = look->items[i]; chosen->chosen(item.thing.directive))
                seen.items.push_back({item.key, item.mark, i});
        return seen;
    };
    subject.data = [nodes, chosen](const WatchSource::Seen& seen, size_t number) {
        const auto& stored = static_cast<const Shared*>(seen.look.get())->items[number].thing;
        return boost::json::serialize(chosen->document(stored, nodes));
    };
    subject.subscribe = [&directives, nodes](const http::Waker& waker) {
        std::vector handles{directives.listen([waker](const controller::Event&) { waker(); })};
        if (nodes) handles.push_back(nodes->listen([waker](const controller::Node&) { waker(); }));
        return handles;
    };
    return watch_response(call, std::move(subject));
}

http::OutgoingResponse list(const Call& call) {
    const controller::Directives* directives = call.services().directives;
    if (!directives) return not_here(no_directives);
    auto choice = choice_of(call);
    if (!choice) return bad_parameter(choice.error().parameter, choice.error().detail);
    const auto watching = flag_of(call.parameter("watch").value_or("false"));
    if (!watching) return bad_parameter("watch", "watch is true or false");
    if (*watching) return watch(call, std::move(*choice));
    const auto page = page_of(call);
    if (!page) return bad_parameter(page.error().parameter, page.error().detail);
    const uint64_t version = directives->version();
    const std::string tag = weak_tag(call.state.instance, version);
    const auto tagged = [&](http::OutgoingResponse response) {
        response.headers.push_back({"ETag", tag});
        // A cache that kept it would show the status as it was then for as long as the documents are the same.
        response.headers.push_back({"Cache-Control", "no-store"});
        return response;
    };
    if (lists_tag(call.header("If-None-Match"), tag, true)) {
        http::OutgoingResponse unchanged;
        unchanged.status = 304;
        return tagged(std::move(unchanged));
    }
    boost::json::array items;
    boost::json::object metadata{{"version", fmt::format("{}", version)}};
    std::string last;
    size_t states = 0;
    for (const controller::Stored& stored : directives->list()) {
        std::string key = directive::identity(stored.directive);
        if (key <= page->after || !choice->chosen(stored.directive)) continue;
        if (items.size() == page->limit || states > max_page_states) {
            metadata["continue"] = continue_token(last);
            break;
        }
        auto document = directive_document(stored, call.services().nodes, choice->fields.want({"status", "nodes"}));
        states += states_in(document);
        items.emplace_back(choice->fields.cut(document));
        last = std::move(key);
    }
    return tagged(
        json_response(boost::json::object{{"kind", "DirectiveList"}, {"metadata", metadata}, {"items", std::move(items)}}));
}

http::OutgoingResponse one(const Call& call) {
    const controller::Directives* directives = call.services().directives;
    if (!directives) return not_here(no_directives);
    const auto kind = kind_of(call.names[0]);
    if (!kind) return to_response({.status = 404, .title = "Not found", .detail = no_kind(call.names[0])});
    const auto fields = DocumentFields::parse(call.parameter("fields").value_or(""), directive_roots);
    if (!fields) return bad_parameter("fields", fields.error());
    const auto stored = directives->find(*kind, call.names[1]);
    if (!stored)
        return to_response({.status = 404,
                            .title = "Not found",
                            .detail = fmt::format("there is no {}/{}", directive::name_of(*kind), call.names[1])});
    http::OutgoingResponse response;
    const std::string tag = strong_tag(stored->revision);
    if (lists_tag(call.header("If-None-Match"), tag, true)) {
        response.status = 304;
    } else if (call.preferred({"application/json", "application/yaml"}) == "application/yaml") {
        response.content_type = "application/yaml";
        response.body = directive::to_yaml(stored->directive);
    } else {
        response = json_response(fields->cut(directive_document(*stored, call.services().nodes)));
    }
    response.headers.push_back({"ETag", tag});
    response.headers.push_back({"Cache-Control", "no-store"});  // see list()
    response.headers.push_back({"Vary", "Accept"});
    return response;
}

constexpr Parameter kind_parameter{"kind", R"({"type": "string", "examples": ["Metadata"]})", "",
                                   "Metadata, Flow, Capture, Plaintext or Topology, in any letter case; none: all."};
constexpr Parameter labels_parameter{"labelSelector", R"({"type": "string"})", "team=shop",
                                     "Labels it must have: `KEY=VALUE`, `KEY!=VALUE`, `KEY`, `!KEY`; all of them.", true};
constexpr Parameter fields_parameter{"fields", R"({"type": "string"})", "kind,metadata.name,status.summary",
                                     "Parts of the document, as paths; none: all.", true};
constexpr Parameter dry_run{"dryRun", R"({"type": "boolean", "default": false})", "",
                            "Check it and say what would happen; change nothing."};
constexpr Parameter list_parameters[] = {kind_parameter,  labels_parameter,   fields_parameter,
                                         limit_parameter, continue_parameter, watch_parameter};
constexpr Parameter one_parameters[] = {fields_parameter};
constexpr Parameter change_parameters[] = {dry_run};

constexpr std::string_view directive_ref = R"({"$ref": "#/components/schemas/StandingDirective"})";
constexpr Content list_content[] = {
    {"application/json", R"({"$ref": "#/components/schemas/DirectiveList"})", "directives"},
    {"text/event-stream",
     R"({"type": "string", "description": "With watch=true: events whose data is a directive with its status; `modified` also when its state on an agent, or the reason, has changed."})",
     ""}};
constexpr Content one_content[] = {{"application/json", directive_ref, ""},
                                   {"application/yaml", R"({"$ref": "directive.schema.json"})", ""}};
constexpr Content changed_content[] = {{"application/json", directive_ref, ""}};
constexpr Content several_content[] = {{"application/json", R"({"$ref": "#/components/schemas/ApplyResult"})", "applied"}};
constexpr Content document[] = {{"application/json", R"({"$ref": "directive.schema.json"})", "directive"},
                                {"application/yaml", R"({"$ref": "directive.schema.json"})", ""}};
constexpr Content documents[] = {
    {"application/json",
     R"({"oneOf": [{"$ref": "directive.schema.json"}, {"type": "array", "maxItems": 256, "items": {"$ref": "directive.schema.json"}}]})",
     "directive"},
    {"application/yaml", R"({"type": "string", "description": "Directives, with `---` between them."})", ""}};
constexpr Answer list_answers[] = {
    {200, "By kind and name. The ETag is that of the documents, not of their status.", list_content, "ETag"},
    {304, "No document has changed.", {}, "ETag"}};
constexpr Answer one_answers[] = {{200, "The directive.", one_content, "ETag"},
                                  {304, "The document has not changed.", {}, "ETag"}};
constexpr Answer put_answers[] = {{200, "It was there: configured, or unchanged.", changed_content, "ETag Cvf-Change"},
                                  {201, "It is new.", changed_content, "ETag Cvf-Change"}};
constexpr Answer post_answers[] = {{200, "What became of each, in order.", several_content, ""}};
constexpr Answer delete_answers[] = {{200, "What was there.", changed_content, ""}};
constexpr unsigned list_problems[] = {400, 501, 503};
constexpr unsigned one_problems[] = {400, 404, 501};
constexpr unsigned put_problems[] = {400, 404, 409, 412, 413, 415, 422, 501, 503};
constexpr unsigned post_problems[] = {400, 409, 413, 415, 422, 501, 503};
constexpr unsigned delete_problems[] = {404, 409, 412, 501, 503};

}  // namespace

std::span<const Route> directive_routes() {
    using controller::Role;
    static constexpr Route table[] = {
        {"GET",
         "/api/v1/directives",
         Role::viewer,
         true,
         list,
         "listDirectives",
         "directives",
         "Directives and how they fare",
         "",
         list_parameters,
         "If-None-Match",
         {},
         list_answers,
         list_problems},
        {"POST", "/api/v1/directives", Role::operator_, true, apply_several, "applyDirectives", "directives",
         "Apply one directive or several", "All are checked before any is stored.", change_parameters, "", documents,
         post_answers, post_problems},
        {"GET",
         "/api/v1/directives/{kind}/{name}",
         Role::viewer,
         true,
         one,
         "getDirective",
         "directives",
         "One directive",
         "",
         one_parameters,
         "If-None-Match Accept",
         {},
         one_answers,
         one_problems},
        {"PUT", "/api/v1/directives/{kind}/{name}", Role::operator_, true, apply_one, "applyDirective", "directives",
         "Create or change a directive", "Applying the same document twice changes nothing the second time.", change_parameters,
         "If-Match If-None-Match", document, put_answers, put_problems},
        {"DELETE",
         "/api/v1/directives/{kind}/{name}",
         Role::operator_,
         true,
         remove_one,
         "deleteDirective",
         "directives",
         "End a directive",
         "",
         {},
         "If-Match",
         {},
         delete_answers,
         delete_problems},
    };
    return table;
}

}  // namespace cvf::api
