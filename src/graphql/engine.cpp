#include "graphql/engine.h"

#include <fmt/format.h>

#include "graphql/coerce.h"
#include "graphql/parse.h"
#include "graphql/validate.h"

namespace cvf::graphql {

namespace json = boost::json;

std::expected<RequestText, std::string> request_text(const json::value& body) {
    const json::object* object = body.if_object();
    if (!object) return std::unexpected("a request is a JSON object");
    RequestText out;
    const json::value* query = object->if_contains("query");
    if (!query || !query->is_string()) return std::unexpected("a request has the text of a document in \"query\"");
    out.query.assign(query->get_string().data(), query->get_string().size());
    if (const json::value* name = object->if_contains("operationName"); name && !name->is_null()) {
        if (!name->is_string()) return std::unexpected("\"operationName\" is a text or null");
        out.operation_name.assign(name->get_string().data(), name->get_string().size());
    }
    if (const json::value* variables = object->if_contains("variables"); variables && !variables->is_null()) {
        if (!variables->is_object()) return std::unexpected("\"variables\" is an object or null");
        out.variables = variables->get_object();
    }
    if (const json::value* extensions = object->if_contains("extensions");
        extensions && !extensions->is_null() && !extensions->is_object())
        return std::unexpected("\"extensions\" is an object or null");
    return out;
}

json::array Rejected::list() const {
    json::array out;
    for (const Error& error : errors) out.push_back(error.json());
    return out;
}

json::object Rejected::json() const {
    return {{"errors", list()}};
}

std::expected<std::shared_ptr<const Prepared>, Rejected> prepare(const Schema& schema, const RequestText& text,
                                                                 const Limits& limits) {
    const auto rejected = [](Error error) { return std::unexpected(Rejected{{std::move(error)}}); };
    auto document = parse(text.query, limits.bytes);
    if (!document) return rejected(std::move(document.error()));
    auto out = std::make_shared<Prepared>();
    out->schema_ = &schema;
    out->document_ = std::move(*document);
    out->limits_ = limits;
    if (auto errors = validate(schema, out->document_); !errors.empty()) return std::unexpected(Rejected{std::move(errors)});
    const auto& operations = out->document_.operations;
    for (const Operation& operation : operations)
        if (text.operation_name.empty() ? operations.size() == 1 : operation.name == text.operation_name)
            out->operation_ = &operation;
    if (!out->operation_) {
        const std::string message = text.operation_name.empty()
                                        ? operations.empty() ? "the document has no operation"
                                                             : "the document has several operations: say which by operationName"
                                        : fmt::format("there is no operation \"{}\" in the document", text.operation_name);
        return rejected({message, {}, {}, {{"code", "OPERATION_RESOLUTION_FAILURE"}}});
    }
    auto variables = coerce_variables(schema, out->document_, *out->operation_, text.variables);
    if (!variables) return std::unexpected(Rejected{std::move(variables.error())});
    out->variables_ = std::move(*variables);
    auto no_condition = null_condition(out->operation_->selections, out->variables_);
    for (const Fragment& fragment : out->document_.fragments)
        if (!no_condition) no_condition = null_condition(fragment.selections, out->variables_);
    if (no_condition)
        return rejected({"The condition of @skip or @include must not be null",
                         {out->document_.place(*no_condition)},
                         {},
                         {{"code", "BAD_USER_INPUT"}}});
    if (auto over = check_limits(schema, out->document_, *out->operation_, out->variables_, limits))
        return rejected(std::move(*over));
    return out;
}

}  // namespace cvf::graphql
