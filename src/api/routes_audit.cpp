// GET /api/v1/audit: who changed what.
#include <charconv>

#include <boost/json.hpp>

#include "api/routes.h"
#include "record/text.h"

namespace cvf::api {
namespace {

http::OutgoingResponse newest(const Call& call) {
    const controller::Audit* audit = call.services().audit;
    if (!audit) return not_here("no audit trail: only a controller has one");
    size_t limit = 100;
    if (const auto text = call.parameter("limit")) {
        const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), limit);
        if (error != std::errc{} || end != text->data() + text->size() || limit == 0 || limit > 1000)
            return bad_parameter("limit", "limit is a number from 1 to 1000");
    }
    boost::json::array items;
    for (const controller::AuditEntry& e : audit->newest(limit)) {
        char time[32];
        char* const end = record::write_time(time, e.time);
        boost::json::object item{{"time", std::string_view(time, static_cast<size_t>(end - time))},
                                 {"who", e.who.name},
                                 {"role", e.who.role},
                                 {"from", e.who.from},
                                 {"action", e.action},
                                 {"object", e.object},
                                 {"generation", e.generation},
                                 {"outcome", e.outcome}};
        if (!e.reason.empty()) item["reason"] = e.reason;
        items.emplace_back(std::move(item));
    }
    auto response = json_response(boost::json::object{{"kind", "AuditList"}, {"items", std::move(items)}});
    response.headers.push_back({"Cache-Control", "no-store"});
    return response;
}

constexpr Parameter parameters[] = {
    {"limit", R"({"type": "integer", "minimum": 1, "maximum": 1000, "default": 100})", "20", "Entries, at most."}};
constexpr Content content[] = {{"application/json", R"({"$ref": "#/components/schemas/AuditList"})", "audit"}};
constexpr Answer answers[] = {{200, "The newest first.", content, ""}};
constexpr unsigned problems[] = {400, 501};

}  // namespace

std::span<const Route> audit_routes() {
    static constexpr Route table[] = {{"GET",
                                       "/api/v1/audit",
                                       controller::Role::operator_,
                                       true,
                                       newest,
                                       "listAudit",
                                       "audit",
                                       "Changes, and attempts that were refused",
                                       "",
                                       parameters,
                                       "",
                                       {},
                                       answers,
                                       problems}};
    return table;
}

}  // namespace cvf::api
