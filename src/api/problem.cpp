#include "api/problem.h"

#include <boost/json.hpp>

namespace cvf::api {
namespace {

std::string plain(std::string_view text) {
    std::string out(text.substr(0, 500));
    // Not to cut a character in two.
    if (out.size() == 500)
        while (!out.empty() && (static_cast<unsigned char>(out.back()) & 0x80) != 0) out.pop_back();
    std::erase_if(out, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; });
    return out;
}

std::string text_of(const boost::json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    const auto* text = value ? value->if_string() : nullptr;
    return text ? plain({text->data(), text->size()}) : std::string{};
}

}  // namespace

http::OutgoingResponse to_response(const Problem& problem) {
    boost::json::object body;
    body["type"] = "about:blank";
    body["title"] = problem.title;
    body["status"] = problem.status;
    if (!problem.detail.empty()) body["detail"] = problem.detail;
    if (!problem.parameter.empty()) body["parameter"] = problem.parameter;
    if (problem.column != 0) body["column"] = problem.column;
    http::OutgoingResponse response;
    response.status = problem.status;
    response.content_type = "application/problem+json";
    response.headers.push_back({"Cache-Control", "no-store"});
    response.body = boost::json::serialize(body) + "\n";
    return response;
}

Problem parse_problem(unsigned status, std::string_view body) {
    Problem problem;
    problem.status = status;
    boost::system::error_code error;
    boost::json::parse_options options;
    options.max_depth = 4;
    const auto value = boost::json::parse({body.data(), body.size()}, error, {}, options);
    const auto* object = error ? nullptr : value.if_object();
    if (!object) return problem;
    problem.title = text_of(*object, "title");
    problem.detail = text_of(*object, "detail");
    problem.parameter = text_of(*object, "parameter");
    if (const auto* column = object->if_contains("column"); column && column->is_int64() && column->get_int64() > 0)
        problem.column = static_cast<size_t>(column->get_int64());
    return problem;
}

}  // namespace cvf::api
