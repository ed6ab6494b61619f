// GET /api/v1/records: live records.
#include <fmt/format.h>

#include "api/record_stream.h"
#include "api/routes.h"
#include "filter/filter.h"
#include "record/json.h"

namespace cvf::api {
namespace {

class FilterSelector final : public sink::Selector {
 public:
    explicit FilterSelector(filter::Filter filter) : filter_(std::move(filter)) {}
    bool matches(const record::Record& record) override { return filter_.matches(record); }

 private:
    filter::Filter filter_;
};

http::OutgoingResponse live(const Call& call) {
    if (!call.services().hub) return not_here("no live records");
    sink::SubscriptionOptions subscription;
    subscription.queue_bytes = call.state.options->subscriber_queue_bytes;
    Following following{{}, {}, {}, call.who};
    if (const auto types = call.parameter("types")) {
        subscription.types.reset();
        following.types = split_commas(*types);
        for (const std::string& name : following.types) {
            const auto type = record::type_by_name(name);
            if (!type) return bad_parameter("types", fmt::format("unknown record type '{}'", name));
            subscription.types.set(static_cast<size_t>(*type));
        }
        if (subscription.types.none()) subscription.types.set();
    }
    if (const auto fields = call.parameter("fields")) {
        following.fields = split_commas(*fields);
        if (!following.fields.empty()) {
            auto projection = record::Projection::parse(following.fields);
            if (!projection) return bad_parameter("fields", projection.error());
            subscription.projection = *projection;
        }
    }
    if (const auto text = call.parameter("filter")) {
        auto filter = filter::Filter::compile(*text);
        if (!filter) return bad_parameter("filter", filter.error().message, filter.error().column);
        following.filter = *text;
        subscription.types &= filter->possible_types();
        if (!filter->always_true()) subscription.selector = std::make_unique<FilterSelector>(std::move(*filter));
    }
    const Framing framing =
        call.accepts("application/x-ndjson") && !call.accepts("text/event-stream") ? Framing::lines : Framing::events;
    http::OutgoingResponse response;
    response.content_type = framing == Framing::lines ? "application/x-ndjson" : "text/event-stream";
    response.headers.push_back({"Cache-Control", "no-store"});
    response.headers.push_back({"Vary", "Accept"});
    if (call.method == "HEAD") return response;
    Streams& streams = *call.state.streams;
    if (streams.open() >= call.state.options->max_subscribers)
        return too_many(fmt::format("{} streams are open, and no more are allowed", streams.open()));
    const auto& follow = call.services().follow;
    response.source =
        make_record_source(*call.services().hub, std::move(subscription), streams, framing, follow ? follow(following) : nullptr);
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
     R"({"type": "string", "description": "Server-sent events: `data:` is one Record; `lost` is {\"lost\": N}, where N records were left out, for the client reads too slowly; a comment each 10 s of silence."})",
     "record-events"},
    {"application/x-ndjson",
     R"({"type": "string", "description": "A Record a line; {\"lost\": N} where N were left out; an empty line each 10 s of silence."})",
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
