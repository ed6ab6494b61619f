// GET /api/v1/query: what the history has.
#include <fmt/format.h>

#include <memory>

#include "api/change.h"
#include "api/paging.h"
#include "api/queries.h"
#include "api/routes.h"
#include "host/clock.h"

namespace cvf::api {
namespace {

// Nothing: `format` is none of them.
std::optional<Form> form_of(const Call& call) {
    if (const auto name = call.parameter("format")) return form_by_name(*name);
    const auto media = call.preferred({"application/json", "text/event-stream", "application/x-ndjson", "text/csv"});
    return media == "text/event-stream"      ? Form::events
           : media == "application/x-ndjson" ? Form::ndjson
           : media == "text/csv"             ? Form::csv
                                             : Form::json;
}

http::OutgoingResponse query(const Call& call) {
    const history::History* history = call.services().history;
    if (!history) return not_here(no_history);
    const auto form = form_of(call);
    if (!form) return bad_parameter("format", "format is json, ndjson, csv or events");
    std::vector<std::pair<std::string, std::string>> asked;
    for (const auto& [name, value] : call.target.query) {
        if (name == "format") continue;
        if (name != "continue") {
            asked.emplace_back(name, value);
            continue;
        }
        auto position = key_of_token(value);
        if (!position) return bad_parameter("continue", "this is no token of ours: give metadata.continue of the last answer");
        asked.emplace_back("after", std::move(*position));
    }
    const auto text = history::query_text(asked);
    auto parsed = text ? history::parse_query(*text, host::utc_now()) : std::unexpected(text.error());
    if (!parsed) {
        history::QueryError error = parsed.error();
        if (error.parameter == "after") error.parameter = "continue";
        return to_response(problem_of(error));
    }
    http::OutgoingResponse response;
    if (call.method == "HEAD") {
        response.content_type = media_type(*form);
        return response;
    }
    // A function must be copyable, a query is copied cheaply.
    response.later = [queries = call.state.queries, history, query = std::move(*parsed), form = *form](const http::Reply& reply) {
        if (!queries->begin(*history, query, form, reply))
            reply(too_many("as many queries as may be are under way; try again when one has ended"));
    };
    return response;
}

constexpr std::string_view text_schema = R"({"type": "string"})";
constexpr std::string_view field_schema = R"({"type": "string", "examples": ["event.duration"]})";
constexpr Parameter parameters[] = {
    {"filter", R"({"type": "string", "maxLength": 16384})", "http.response.status_code >= 500", "Expression: docs/filter.md."},
    {"since", text_schema, "10m", "RFC 3339, or how long ago; none: from the first record kept."},
    {"until", text_schema, "", "Likewise; none: now. The moment itself is not in."},
    {"types", text_schema, "", "Record types; none: all.", true},
    {"fields", text_schema, "", "Of records: keys, or prefixes with `.*`; none: all.", true},
    {"limit", R"({"type": "integer", "minimum": 0, "maximum": 1000000})", "20",
     "Records (100 unless said; 0: all that match) or groups (1000 unless said) in the answer."},
    {"order", R"({"type": "string", "enum": ["newest", "oldest"], "default": "newest"})", "", "Which records come first."},
    continue_parameter,
    {"by", text_schema, "", "Groups: the keys whose values make them, at most four.", true},
    {"count", R"({"type": "boolean"})", "", "Of each group: how many records."},
    {"sum", field_schema, "", "Of each group: the sum of a field. As all that follow it may be given several times.", true},
    {"min", field_schema, "", "The least value of a field.", true},
    {"max", field_schema, "", "The greatest.", true},
    {"avg", field_schema, "", "The mean.", true},
    {"p50", field_schema, "", "The median.", true},
    {"p95", field_schema, "", "The 95th percentile.", true},
    {"p99", field_schema, "", "The 99th percentile.", true},
    {"measures", text_schema, "", "The same as a list: `count`, `p99(event.duration)`.", true},
    {"top", R"({"type": "integer", "minimum": 1})", "", "Only so many groups, those whose first measure is largest."},
    {"every", text_schema, "", "A group's numbers for each stretch of time: `1m`."},
    {"format", R"({"type": "string", "enum": ["json", "ndjson", "csv", "events"]})", "", "Instead of Accept."},
};
constexpr Content content[] = {
    {"application/json", R"({"oneOf": [{"$ref": "#/components/schemas/RecordList"}, {"$ref": "#/components/schemas/Table"}]})",
     "table"},
    {"application/x-ndjson", R"({"type": "string", "description": "A Record, or a group, a line."})", ""},
    {"text/csv", R"({"type": "string", "description": "RFC 4180, with a header line. Lists and maps are JSON."})", ""},
    {"text/event-stream",
     R"({"type": "string", "description": "Server-sent events: `row` (a Record or a group), `progress`, `partial` (groups so far), `error` (a Problem), `end` (the metadata)."})",
     ""},
};
constexpr Answer answers[] = {{200, "The answer, sent while it is found.", content, ""}};
constexpr unsigned problems[] = {400, 501, 503};

}  // namespace

std::span<const Route> query_routes() {
    static constexpr Route table[] = {
        {"GET",
         "/api/v1/query",
         controller::Role::viewer,
         false,
         query,
         "query",
         "records",
         "Records of the past, or numbers over them",
         "With a measure (`count`, `sum` … `p99`) or `by` the answer is a table of groups, else records. An answer that breaks "
         "off is cut "
         "short: its connection ends without an end of the body.",
         parameters,
         "Accept",
         {},
         answers,
         problems},
    };
    return table;
}

}  // namespace cvf::api
