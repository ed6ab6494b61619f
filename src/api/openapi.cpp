#include "api/openapi.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <map>
#include <set>
#include <stdexcept>

#include "api/route.h"
#include "api/schemas.h"

namespace cvf::api {
namespace {

namespace json = boost::json;

json::value parsed(std::string_view text) {
    boost::system::error_code error;
    auto value = json::parse({text.data(), text.size()}, error);
    if (error) throw std::logic_error(fmt::format("the table of routes holds no JSON: {}", text));
    return value;
}

json::object reference(std::string_view where, std::string_view name) {
    return {{"$ref", fmt::format("#/components/{}/{}", where, name)}};
}

std::vector<std::string_view> words(std::string_view text) {
    std::vector<std::string_view> out;
    while (!text.empty()) {
        const std::string_view word = text.substr(0, text.find(' '));
        text.remove_prefix(std::min(word.size() + 1, text.size()));
        if (!word.empty()) out.push_back(word);
    }
    return out;
}

constexpr std::pair<unsigned, std::string_view> problem_docs[] = {
    {400, "A parameter is wrong; `parameter` and `column` say which and where."},
    {401, "There is no token, or it is a wrong one."},
    {403, "The token's role is too small."},
    {404, "There is none."},
    {409, "It is being changed by others."},
    {412, "If-Match or If-None-Match does not hold."},
    {413, "The body is too large."},
    {415, "The body's Content-Type is none that is taken here."},
    {422, "The document is invalid; `problems` has everything that is wrong with it."},
    {501, "This process does not have what it takes."},
    {503, "Not now: too much is under way, or what it stands on is gone."},
};

json::object contents(std::span<const Content> all) {
    json::object out;
    for (const Content& content : all) {
        json::object media{{"schema", parsed(content.schema)}};
        if (!content.example.empty()) media["examples"] = json::object{{content.example, reference("examples", content.example)}};
        out[content.media] = std::move(media);
    }
    return out;
}

json::array parameters_of(const Route& route) {
    json::array out;
    for (std::string_view rest = route.path; rest.find('{') != std::string_view::npos; rest.remove_prefix(rest.find('}') + 1)) {
        const size_t begin = rest.find('{');
        out.push_back(json::object{{"name", rest.substr(begin + 1, rest.find('}') - begin - 1)},
                                   {"in", "path"},
                                   {"required", true},
                                   {"schema", json::object{{"type", "string"}}}});
    }
    for (const Parameter& p : route.parameters) {
        json::object one{{"name", p.name}, {"in", "query"}, {"description", p.doc}};
        if (p.list) {
            one["schema"] = json::object{{"type", "array"}, {"items", parsed(p.schema)}};
            one["style"] = "form";
            one["explode"] = false;
        } else {
            one["schema"] = parsed(p.schema);
        }
        if (!p.example.empty()) {
            json::value example(p.example);
            if (p.list) {
                json::array items;
                for (std::string& item : split_commas(p.example)) items.emplace_back(std::move(item));
                example = std::move(items);
            } else if (p.schema.find("\"integer\"") != std::string_view::npos) {
                example = parsed(p.example);
            }
            one["example"] = std::move(example);
        }
        out.push_back(std::move(one));
    }
    for (const std::string_view header : words(route.request_headers))
        if (header != "Accept") out.push_back(reference("parameters", header));  // that one is `content` to OpenAPI
    return out;
}

json::object operation(const Route& route) {
    json::object out{{"operationId", route.id}, {"tags", json::array{route.tag}}, {"summary", route.summary}};
    std::string doc(route.doc);
    if (route.role) doc += fmt::format("{}Role: {} or more.", doc.empty() ? "" : " ", controller::name_of(*route.role));
    if (!doc.empty()) out["description"] = doc;
    if (!route.role) out["security"] = json::array{};
    if (auto parameters = parameters_of(route); !parameters.empty()) out["parameters"] = std::move(parameters);
    if (!route.request.empty()) out["requestBody"] = json::object{{"required", true}, {"content", contents(route.request)}};
    json::object answers;
    for (const Answer& answer : route.answers) {
        json::object one{{"description", answer.doc}};
        json::object headers;
        for (const std::string_view header : words(answer.headers)) headers[header] = reference("headers", header);
        if (!headers.empty()) one["headers"] = std::move(headers);
        if (!answer.content.empty()) one["content"] = contents(answer.content);
        answers[std::to_string(answer.status)] = std::move(one);
    }
    std::set<unsigned> problems(route.problems.begin(), route.problems.end());
    if (route.role) problems.insert({401, 403});
    for (const unsigned status : problems)
        answers[std::to_string(status)] = reference("responses", fmt::format("Problem{}", status));
    out["responses"] = std::move(answers);
    return out;
}

void write_pretty(const json::value& value, size_t depth, std::string& out) {
    const std::string indent(2 * (depth + 1), ' ');
    const auto list = [&](const auto& items, char open, char close, auto&& write) {
        out += open;
        bool first = true;
        for (const auto& item : items) {
            out += std::exchange(first, false) ? "\n" : ",\n";
            out += indent;
            write(item);
        }
        if (!first) out += "\n" + std::string(2 * depth, ' ');
        out += close;
    };
    if (const auto* object = value.if_object()) {
        list(*object, '{', '}', [&](const json::key_value_pair& member) {
            out += json::serialize(json::value(member.key())) + ": ";
            write_pretty(member.value(), depth + 1, out);
        });
    } else if (const auto* array = value.if_array()) {
        list(*array, '[', ']', [&](const json::value& item) { write_pretty(item, depth + 1, out); });
    } else {
        out += json::serialize(value);
    }
}

}  // namespace

std::string openapi() {
    json::object root{{"openapi", "3.1.0"}};
    root["info"] = json::object{
        {"title", "CVF"},
        {"version", "v1"},
        {"summary", "Directives, nodes and records of a Containerized Visibility Fabric"},
        {"description",
         "Made from the table of routes by `cvf schema`. Errors are RFC 9457 problem documents. docs/api.md says more."},
        {"license", json::object{{"name", "See the repository"}, {"identifier", "LicenseRef-CVF"}}}};
    root["servers"] = json::array{json::object{{"url", "/"}, {"description", "The server this document comes from"}}};
    root["security"] = json::array{json::object{{"token", json::array{}}}, json::object{{"certificate", json::array{}}}};
    root["tags"] = json::array{json::object{{"name", "directives"}, {"description", "What agents are to do"}},
                               json::object{{"name", "nodes"}, {"description", "The agents"}},
                               json::object{{"name", "records"}, {"description", "What they have seen"}},
                               json::object{{"name", "graphql"}, {"description", "The same, asked in GraphQL"}},
                               json::object{{"name", "audit"}, {"description", "Who changed what"}},
                               json::object{{"name", "service"}, {"description", "This process"}}};
    json::object paths;
    std::set<unsigned> statuses;
    for (const Route& route : routes()) {
        if (!paths.contains(route.path)) paths[route.path] = json::object{};
        std::string method;
        for (char c : route.method) method += static_cast<char>(c - 'A' + 'a');
        paths[route.path].get_object()[method] = operation(route);
        statuses.insert(route.problems.begin(), route.problems.end());
        if (route.role) statuses.insert({401, 403});
    }
    root["paths"] = std::move(paths);

    json::object schemas, examples, headers, parameters, responses;
    for (const Named& one : answer_schemas()) schemas[one.name] = parsed(one.json);
    for (const Named& one : answer_examples()) examples[one.name] = json::object{{"value", parsed(one.json)}};
    for (const Named& one : answer_headers()) headers[one.name] = parsed(one.json);
    for (const Named& one : request_headers()) {
        json::object parameter{{"name", one.name}, {"in", "header"}};
        for (auto& [key, value] : parsed(one.json).as_object()) parameter[key] = value;
        parameters[one.name] = std::move(parameter);
    }
    for (const auto& [status, doc] : problem_docs) {
        if (!statuses.contains(status)) continue;
        responses[fmt::format("Problem{}", status)] = json::object{
            {"description", doc},
            {"content", json::object{{"application/problem+json", json::object{{"schema", reference("schemas", "Problem")}}}}}};
    }
    root["components"] = json::object{
        {"schemas", std::move(schemas)},
        {"responses", std::move(responses)},
        {"parameters", std::move(parameters)},
        {"headers", std::move(headers)},
        {"examples", std::move(examples)},
        {"securitySchemes",
         json::object{{"token", json::object{{"type", "http"},
                                             {"scheme", "bearer"},
                                             {"description", "The local token (/run/cvf/token), or one of `cvf token`"}}},
                      {"certificate", json::object{{"type", "mutualTLS"},
                                                   {"description", "A client certificate whose common name has a role"}}}}}};
    std::string out;
    write_pretty(root, 0, out);
    return out + "\n";
}

}  // namespace cvf::api
