#include "api/call.h"

#include <fmt/format.h>
#include <strings.h>

#include <boost/json.hpp>

namespace cvf::api {
namespace {

std::string_view trimmed(std::string_view text) {
    while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
    while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
    return text;
}

bool same_word(std::string_view a, std::string_view b) {
    return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

std::string_view Call::header(std::string_view name) const {
    for (const http::Header& h : headers)
        if (same_word(h.name, name)) return h.value;
    return {};
}

bool Call::accepts(std::string_view media) const {
    std::string_view rest = header("Accept");
    while (!rest.empty()) {
        std::string_view one = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(one.size() + 1, rest.size()));
        const std::string_view name = trimmed(one.substr(0, one.find(';')));
        if (!same_word(name, media)) continue;
        const size_t q = one.find("q=0");
        return q == std::string_view::npos || trimmed(one.substr(q + 3)).find_first_not_of("0.") != std::string_view::npos;
    }
    return false;
}

http::OutgoingResponse json_response(const boost::json::value& value) {
    http::OutgoingResponse response;
    response.content_type = "application/json";
    response.body = boost::json::serialize(value) + "\n";
    return response;
}

http::OutgoingResponse not_here(std::string_view what) {
    return to_response({.status = 501, .title = "Not here", .detail = fmt::format("this process has {}", what)});
}

http::OutgoingResponse bad_parameter(std::string_view name, std::string detail, size_t column) {
    return to_response({.status = 400,
                        .title = name == "filter" ? "Bad filter" : "Bad parameter",
                        .detail = std::move(detail),
                        .parameter = std::string(name),
                        .column = column});
}

http::OutgoingResponse too_many(std::string detail) {
    auto response = to_response({.status = 503, .title = "Too many", .detail = std::move(detail)});
    response.headers.push_back({"Retry-After", "5"});
    return response;
}

std::vector<std::string> split_commas(std::string_view text) {
    std::vector<std::string> out;
    while (!text.empty()) {
        const std::string_view item = text.substr(0, text.find(','));
        text.remove_prefix(std::min(item.size() + 1, text.size()));
        if (const auto plain = trimmed(item); !plain.empty()) out.emplace_back(plain);
    }
    return out;
}

std::optional<bool> flag_of(std::string_view text) {
    if (text.empty() || text == "true" || text == "1") return true;
    if (text == "false" || text == "0") return false;
    return std::nullopt;
}

}  // namespace cvf::api
