// /api/v1/nodes: the agents of the fabric.
#include <fmt/format.h>

#include <boost/json.hpp>

#include "api/change.h"
#include "api/documents.h"
#include "api/looks.h"
#include "api/paging.h"
#include "api/routes.h"
#include "api/watch_source.h"
#include "api/watchers.h"

namespace cvf::api {
namespace {

struct Choice {
    LabelSelector labels;
    DocumentFields fields;
};

std::expected<Choice, Problem> choice_of(const Call& call) {
    auto labels = LabelSelector::parse(call.parameter("labelSelector").value_or(""));
    if (!labels) return std::unexpected(Problem{.detail = labels.error(), .parameter = "labelSelector"});
    auto fields = DocumentFields::parse(call.parameter("fields").value_or(""), node_roots);
    if (!fields) return std::unexpected(Problem{.detail = fields.error(), .parameter = "fields"});
    return Choice{std::move(*labels), std::move(*fields)};
}

http::OutgoingResponse watch(const Call& call, Choice choice) {
    controller::Nodes& nodes = *call.services().nodes;
    using Shared = Look<controller::Node>;
    const auto chosen = std::make_shared<const Choice>(std::move(choice));
    WatchSource::Subject subject;
    subject.look = [&nodes, chosen, looks = &call.state.watches->nodes](WatchSource::Clock::time_point now) {
        const uint64_t version = nodes.version();
        const auto look = looks->at(now, version, [&] {
            Shared made;
            made.complete = nodes.ready();
            for (controller::Node& node : nodes.list()) {
                std::string key = node.status.name,
                            mark = fmt::format("{} {} {}", node.status.sent, node.lost, node.namesakes.size());
                made.items.push_back({std::move(key), std::move(mark), std::move(node)});
            }
            return made;
        });
        WatchSource::Seen seen{look, {}, look->complete, look->version == version, look->next};
        for (size_t i = 0; i < look->items.size(); ++i)
            if (const auto& item = look->items[i]; chosen->labels.matches(item.thing.status.labels))
                seen.items.push_back({item.key, item.mark, i});
        return seen;
    };
    subject.data = [chosen](const WatchSource::Seen& seen, size_t number) {
        return boost::json::serialize(
            chosen->fields.cut(node_document(static_cast<const Shared*>(seen.look.get())->items[number].thing)));
    };
    subject.subscribe = [&nodes](http::Waker waker) {
        return std::vector{nodes.listen([waker = std::move(waker)](const controller::Node&) { waker(); })};
    };
    return watch_response(call, std::move(subject));
}

http::OutgoingResponse list(const Call& call) {
    const controller::Nodes* nodes = call.services().nodes;
    if (!nodes) return not_here(no_nodes);
    auto choice = choice_of(call);
    if (!choice) return bad_parameter(choice.error().parameter, choice.error().detail);
    const auto watching = flag_of(call.parameter("watch").value_or("false"));
    if (!watching) return bad_parameter("watch", "watch is true or false");
    if (*watching) return watch(call, std::move(*choice));
    const auto page = page_of(call);
    if (!page) return bad_parameter(page.error().parameter, page.error().detail);
    boost::json::array items;
    boost::json::object metadata{{"version", fmt::format("{}", nodes->version())}};
    std::string last;
    for (const controller::Node& node : nodes->list()) {
        if (node.status.name <= page->after || !choice->labels.matches(node.status.labels)) continue;
        if (items.size() == page->limit) {
            metadata["continue"] = continue_token(last);
            break;
        }
        items.emplace_back(choice->fields.cut(node_document(node)));
        last = node.status.name;
    }
    auto response = json_response(boost::json::object{{"kind", "NodeList"}, {"metadata", metadata}, {"items", std::move(items)}});
    response.headers.push_back({"Cache-Control", "no-store"});
    return response;
}

http::OutgoingResponse one(const Call& call) {
    const controller::Nodes* nodes = call.services().nodes;
    if (!nodes) return not_here(no_nodes);
    const auto fields = DocumentFields::parse(call.parameter("fields").value_or(""), node_roots);
    if (!fields) return bad_parameter("fields", fields.error());
    const auto node = nodes->find(call.names[0]);
    if (!node)
        return to_response({.status = 404, .title = "Not found", .detail = fmt::format("there is no node {}", call.names[0])});
    auto response = json_response(fields->cut(node_document(*node)));
    response.headers.push_back({"Cache-Control", "no-store"});
    return response;
}

constexpr Parameter labels_parameter{"labelSelector", R"({"type": "string"})", "zone=a,!old",
                                     "Labels it must have: `KEY=VALUE`, `KEY!=VALUE`, `KEY`, `!KEY`; all of them.", true};
constexpr Parameter fields_parameter{"fields", R"({"type": "string"})", "name,numbers.recordsLost,lost",
                                     "Parts of the document, as paths; none: all.", true};
constexpr Parameter list_parameters[] = {labels_parameter, fields_parameter, limit_parameter, continue_parameter,
                                         watch_parameter};
constexpr Parameter one_parameters[] = {fields_parameter};
constexpr Content list_content[] = {
    {"application/json", R"({"$ref": "#/components/schemas/NodeList"})", "nodes"},
    {"text/event-stream", R"({"type": "string", "description": "With watch=true: events whose data is a Node."})", ""}};
constexpr Content one_content[] = {{"application/json", R"({"$ref": "#/components/schemas/Node"})", ""}};
constexpr Answer list_answers[] = {{200, "By name; those that have gone for a day at most.", list_content, ""}};
constexpr Answer one_answers[] = {{200, "The node.", one_content, ""}};
constexpr unsigned list_problems[] = {400, 501, 503};
constexpr unsigned one_problems[] = {400, 404, 501};

}  // namespace

std::span<const Route> node_routes() {
    static constexpr Route table[] = {
        {"GET",
         "/api/v1/nodes",
         controller::Role::viewer,
         true,
         list,
         "listNodes",
         "nodes",
         "Every agent",
         "",
         list_parameters,
         "",
         {},
         list_answers,
         list_problems},
        {"GET",
         "/api/v1/nodes/{name}",
         controller::Role::viewer,
         true,
         one,
         "getNode",
         "nodes",
         "One agent",
         "",
         one_parameters,
         "",
         {},
         one_answers,
         one_problems},
    };
    return table;
}

}  // namespace cvf::api
