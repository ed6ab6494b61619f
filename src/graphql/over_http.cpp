#include "graphql/over_http.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "http/header.h"

namespace cvf::graphql {
namespace {

namespace json = boost::json;
using http::quality;

constexpr std::string_view modern = "application/graphql-response+json", classic = "application/json";

struct Form {
    bool modern = false;
    std::string content_type() const { return fmt::format("{}; charset=utf-8", modern ? graphql::modern : classic); }
};

// Nothing: the client takes neither.
std::optional<Form> form_of(std::string_view accept) {
    if (http::trimmed(accept).empty()) return Form{};
    const int as_modern = quality(accept, modern), as_classic = quality(accept, classic);
    if (as_modern == 0 && as_classic == 0) return std::nullopt;
    // Where both are as welcome, the one that was named: */* alone is from clients that know nothing of the new one.
    const bool named = accept.find("graphql-response+json") != std::string_view::npos;
    return Form{as_modern > as_classic || (as_modern == as_classic && named)};
}

HttpResponse respond(Form form, unsigned status, const json::object& body) {
    return {status, form.content_type(), json::serialize(body), {}};
}

HttpResponse refuse(Form form, unsigned status, std::string message) {
    return respond(form, status, {{"errors", json::array{json::object{{"message", std::move(message)}}}}});
}

std::expected<json::value, std::string> parse_json(std::string_view text) {
    boost::system::error_code error;
    json::parse_options options;
    options.max_depth = 64;
    json::value out = json::parse({text.data(), text.size()}, error, {}, options);
    if (error) return std::unexpected("this is no JSON");
    return out;
}

std::expected<json::value, std::string> body_of(const HttpRequest& request) {
    if (request.method == "POST") return parse_json(request.body);
    json::object out;
    for (const auto& [name, value] : request.parameters) {
        if (name == "query" || name == "operationName") {
            if (name == "operationName" && value.empty()) continue;
            out[name] = value;
        } else if ((name == "variables" || name == "extensions") && !value.empty()) {
            auto parsed = parse_json(value);
            if (!parsed) return std::unexpected(fmt::format("{}: {}", name, parsed.error()));
            out[name] = std::move(*parsed);
        }
    }
    return json::value(std::move(out));
}

}  // namespace

bool wants_page(const HttpRequest& request) {
    if (request.method != "GET" && request.method != "HEAD") return false;
    const bool asks = std::ranges::any_of(request.parameters, [](const auto& p) { return p.first == "query"; });
    return !asks &&
           quality(request.accept, "text/html") > std::max(quality(request.accept, classic), quality(request.accept, modern));
}

HttpResponse answer_http(const Schema& schema, const HttpRequest& request, Source& source, const Limits& limits) {
    const auto form = form_of(request.accept);
    if (!form) return refuse({}, 406, fmt::format("answers are {} or {}", modern, classic));
    if (request.method != "GET" && request.method != "POST") {
        HttpResponse out = refuse(*form, 405, "requests are GET or POST");
        out.allow = "GET, POST";
        return out;
    }
    if (request.method == "POST") {
        const std::string_view charset = http::parameter_of(request.content_type, "charset");
        if (!http::same_word(http::media_type_of(request.content_type), classic) ||
            (!charset.empty() && !http::same_word(charset, "utf-8")))
            return refuse(*form, 415, "a request's body is application/json in UTF-8");
    }
    const auto body = body_of(request);
    if (!body) return refuse(*form, 400, body.error());
    const auto text = request_text(*body);
    if (!text) return refuse(*form, 400, text.error());
    const auto prepared = prepare(schema, *text, limits);
    if (!prepared) return respond(*form, form->modern ? 400 : 200, prepared.error().json());
    const OperationKind kind = (*prepared)->operation().kind;
    if (kind == OperationKind::mutation && request.method != "POST") {
        HttpResponse out = refuse(*form, 405, "a mutation needs POST");
        out.allow = "POST";
        return out;
    }
    if (kind == OperationKind::subscription)
        return refuse(*form, form->modern ? 400 : 200, "a subscription needs a WebSocket that speaks graphql-transport-ws");
    return respond(*form, 200, execute((*prepared)->request(), source));
}

}  // namespace cvf::graphql
