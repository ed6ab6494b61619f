// GET /api/v1/records: live records.
#include "api/record_stream.h"
#include "api/routes.h"
#include "api/watchers.h"

namespace cvf::api {
namespace {

http::OutgoingResponse live(const Call& call) {
    if (!call.services().hub) return not_here("no live records");
    Following following{std::string(call.parameter("filter").value_or("")), split_commas(call.parameter("types").value_or("")),
                        split_commas(call.parameter("fields").value_or("")), call.who};
    auto subscription = subscription_of(*call.state.options, following);
    if (!subscription) return to_response(subscription.error());
    const std::string_view media = call.preferred({"text/event-stream", "application/x-ndjson"});
    const Framing framing = media == "application/x-ndjson" ? Framing::lines : Framing::events;
    http::OutgoingResponse response;
    response.content_type = media;
    response.headers.push_back({"Cache-Control", "no-store"});
    response.headers.push_back({"Vary", "Accept"});
    if (call.method == "HEAD") return response;
    frame(*subscription, framing);
    auto reader = call.state.streams->open(call.services(), following, std::move(*subscription));
    if (!reader) return to_response(reader.error());
    response.source = make_record_source(std::move(*reader), framing, still_let(call));
    return response;
}

constexpr Parameter parameters[] = {
    {"filter", R"({"type": "string", "maxLength": 16384})", "http.response.status_code >= 500", "Expression: docs/filter.md."},
    {"types", R"({"type": "string"})", "http,dns", "Record types; none: all.", true},
    {"fields", R"({"type": "string"})", "source.*,http.*",
     "Keys, or prefixes with `.*`; none: all. @timestamp, record.type and the join keys are always there.", true},
};
constexpr Content content[] = {
    {"text/event-stream",
     R"({"type": "string", "description": "Server-sent events: `data:` is one Record; `lost` is {\"lost\": N}, where N records were left out, for the client reads too slowly; a comment each 5 s of silence."})",
     "record-events"},
    {"application/x-ndjson",
     R"({"type": "string", "description": "A Record a line; {\"lost\": N} where N were left out; an empty line each 5 s of silence."})",
     ""},
};
constexpr Answer answers[] = {{200, "Records as they are made, without end.", content, "Vary"}};
constexpr unsigned problems[] = {400, 501, 503};

}  // namespace

std::span<const Route> record_routes() {
    static constexpr Route table[] = {
        {"GET",
         "/api/v1/records",
         controller::Role::viewer,
         false,
         live,
         "followRecords",
         "records",
         "Live records",
         "Accept says how they are framed. A stream can't be taken up again where it broke off: what was meanwhile is in the "
         "history.",
         parameters,
         "Accept",
         {},
         answers,
         problems},
    };
    return table;
}

}  // namespace cvf::api
