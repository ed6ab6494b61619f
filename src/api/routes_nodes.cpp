// /api/v1/nodes: the agents of the fabric.
#include <fmt/format.h>

#include <boost/json.hpp>

#include "api/documents.h"
#include "api/paging.h"
#include "api/routes.h"
#include "api/watch_source.h"
#include "api/watchers.h"

namespace cvf::api {
namespace {

constexpr std::string_view missing = "no view of nodes: only a controller has one";

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
    WatchSource::Subject subject;
    subject.list = [&nodes, choice = std::make_shared<const Choice>(std::move(choice))] {
        std::vector<WatchSource::Item> out;
        for (controller::Node& node : nodes.list()) {
            if (!choice->labels.matches(node.status.labels)) continue;
            std::string key = node.status.name, mark = fmt::format("{} {}", node.status.sent, node.lost);
            out.push_back({std::move(key), std::move(mark), [choice, node = std::move(node)] {
                               return boost::json::serialize(choice->fields.cut(node_document(node)));
                           }});
        }
        return out;
    };
    subject.subscribe = [&nodes](http::Waker waker) {
        return std::vector{nodes.listen([waker = std::move(waker)](const controller::Node&) { waker(); })};
    };
    subject.ready = [&nodes] { return nodes.ready(); };
    return watch_response(call, std::move(subject));
}

http::OutgoingResponse list(const Call& call) {
    const controller::Nodes* nodes = call.services().nodes;
    if (!nodes) return not_here(missing);
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
    if (!nodes) return not_here(missing);
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
constexpr Parameter fields_parameter{"fields", R"({"type": "string"})", "name,numbers.records_lost,lost",
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
