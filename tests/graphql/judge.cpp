// What our GraphQL says of requests, for judges that are not ours: a JSON request a line in, a JSON answer a line out.
//
//   {"do": "sdl"}  {"do": "data"}  {"do": "validate", "query": …}  {"do": "execute", "query": …, "variables": …}
//   {"do": "http", "method": …, "headers": {…}, "parameters": [[name, value]…], "body": …}
//   {"do": "ws", "message": …}: messages sent since, and how the connection was closed; {"do": "ws", "open": true} begins a new
//   one
#include <iostream>

#include "fake_source.h"
#include "graphql/over_http.h"
#include "graphql/parse.h"
#include "graphql/transport_ws.h"
#include "graphql/validate.h"

namespace {

using namespace cvf::graphql;
namespace json = boost::json;

std::string text(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

json::value validated(const json::object& asked) {
    json::array errors;
    const auto document = parse(text(asked, "query"));
    if (!document)
        errors.push_back(document.error().json());
    else
        for (const auto& error : validate(fabric_schema(), *document)) errors.push_back(error.json());
    return errors;
}

json::value executed(const json::object& asked, FakeSource& source) {
    const auto request = request_text(asked);
    if (!request) return json::object{{"errors", {{{"message", request.error()}}}}};
    const auto prepared = prepare(fabric_schema(), *request, {});
    if (!prepared) return prepared.error().json();
    return execute((*prepared)->request(), source);
}

json::value over_http(const json::object& asked, FakeSource& source) {
    const auto* headers = asked.if_contains("headers");
    const std::string content = headers ? text(headers->as_object(), "content-type") : "",
                      accept = headers ? text(headers->as_object(), "accept") : "";
    const std::string method = text(asked, "method"), body = text(asked, "body");
    HttpRequest request{method, content, accept, body, {}};
    if (const auto* parameters = asked.if_contains("parameters"))
        for (const auto& one : parameters->as_array())
            request.parameters.emplace_back(one.at(0).as_string(), one.at(1).as_string());
    const HttpResponse response = answer_http(fabric_schema(), request, source, {});
    return json::object{
        {"status", response.status}, {"type", response.content_type}, {"allow", response.allow}, {"body", response.body}};
}

json::value over_ws(const json::object& asked, FakeSource& source) {
    static std::unique_ptr<Transport> transport;
    if (asked.contains("open"))
        transport = std::make_unique<Transport>(Transport::Owner{.source = [&]() -> Source& { return source; }}, Limits{}, [] {});
    if (asked.contains("message")) transport->receive(text(asked, "message"), true);
    json::array sent;
    for (;;) {
        if (auto message = transport->next()) {
            sent.emplace_back(*message);
        } else if (auto job = transport->take_job()) {
            transport->finish(job->run(fabric_schema(), Limits{}, source));
        } else {
            break;
        }
    }
    json::object out{{"sent", sent}};
    if (const auto& closed = transport->closed()) out["closed"] = {{"code", closed->code}, {"reason", closed->reason}};
    return out;
}

}  // namespace

int main() {
    FakeSource source;
    for (std::string line; std::getline(std::cin, line);) {
        const json::value parsed = json::parse(line);
        const json::object& asked = parsed.as_object();
        const std::string what = text(asked, "do");
        json::value out;
        if (what == "sdl")
            out = json::string(print_schema(fabric_schema()));
        else if (what == "data")
            out = json::object{{"records", fake::records()}, {"directives", fake::directives()}, {"nodes", fake::nodes()}};
        else if (what == "validate")
            out = validated(asked);
        else if (what == "execute")
            out = executed(asked, source);
        else if (what == "http")
            out = over_http(asked, source);
        else if (what == "ws")
            out = over_ws(asked, source);
        std::cout << json::serialize(out) << std::endl;
    }
    return 0;
}
