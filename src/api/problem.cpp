#include "api/problem.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "record/utf8.h"

namespace cvf::api {
namespace {

constexpr size_t longest = 500;

std::string plain(std::string_view text) {
    std::string out(text.substr(0, longest));
    // Not to cut a character in two.
    if (out.size() == longest)
        while (!out.empty() && (static_cast<unsigned char>(out.back()) & 0x80) != 0) out.pop_back();
    std::erase_if(out, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; });
    return out;
}

std::string text_of(const boost::json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    const auto* text = value ? value->if_string() : nullptr;
    return text ? plain({text->data(), text->size()}) : std::string{};
}

size_t number_of(const boost::json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    return value && value->is_int64() && value->get_int64() > 0 ? static_cast<size_t>(value->get_int64()) : 0;
}

}  // namespace

Problem not_here_problem(std::string_view what) {
    return {.status = 501, .title = "Not here", .detail = fmt::format("this process has {}", what)};
}

Problem parameter_problem(std::string_view name, std::string detail, size_t column) {
    return {.status = 400,
            .title = name == "filter" ? "Bad filter" : "Bad parameter",
            .detail = std::move(detail),
            .parameter = std::string(name),
            .column = column};
}

Problem too_many_problem(std::string detail) {
    return {.status = 503, .title = "Too many", .detail = std::move(detail), .retry_after = 5};
}

Problem invalid_problem(directive::Problems problems) {
    std::string detail = problems.empty() ? "this is no directive" : problems.front().show();
    return {.status = 422, .title = "Invalid directive", .detail = std::move(detail), .problems = std::move(problems)};
}

Problem problem_of(const history::QueryError& error) {
    return parameter_problem(error.parameter, error.message, error.column);
}

boost::json::array problems_json(const directive::Problems& problems) {
    boost::json::array out;
    for (const directive::Problem& p : problems) {
        boost::json::object one{
            {"path", record::valid_utf8(p.path)}, {"message", record::valid_utf8(p.message)}, {"document", p.document}};
        if (!p.nearest.empty()) one["nearest"] = p.nearest;
        if (p.line != 0) one["line"] = p.line;
        if (p.column != 0) one["column"] = p.column;
        if (p.expression_column != 0) one["expressionColumn"] = p.expression_column;
        out.emplace_back(std::move(one));
    }
    return out;
}

http::OutgoingResponse to_response(const Problem& problem) {
    boost::json::object body;
    body["type"] = "about:blank";
    body["title"] = problem.title;
    body["status"] = problem.status;
    if (!problem.detail.empty()) body["detail"] = record::valid_utf8(problem.detail);
    if (!problem.parameter.empty()) body["parameter"] = record::valid_utf8(problem.parameter);
    if (problem.column != 0) body["column"] = problem.column;
    if (!problem.problems.empty()) body["problems"] = problems_json(problem.problems);
    http::OutgoingResponse response;
    response.status = problem.status;
    response.content_type = "application/problem+json";
    response.headers.push_back({"Cache-Control", "no-store"});
    if (problem.retry_after != 0) response.headers.push_back({"Retry-After", std::to_string(problem.retry_after)});
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
    problem.column = number_of(*object, "column");
    const auto* list = object->if_contains("problems");
    if (!list || !list->is_array()) return problem;
    for (const auto& one : list->get_array()) {
        const auto* p = one.if_object();
        if (!p || problem.problems.size() == directive::max_problems) continue;
        problem.problems.push_back({text_of(*p, "path"), text_of(*p, "message"), text_of(*p, "nearest"), number_of(*p, "line"),
                                    number_of(*p, "column"), number_of(*p, "expressionColumn"), number_of(*p, "document")});
    }
    return problem;
}

}  // namespace cvf::api
