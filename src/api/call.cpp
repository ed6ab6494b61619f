#include "api/call.h"

#include <boost/json.hpp>

namespace cvf::api {
std::string_view Call::preferred(std::initializer_list<std::string_view> media) const {
    const std::string_view accept = header("Accept");
    std::string_view best = *media.begin();
    int liked = http::quality(accept, best);
    for (const std::string_view one : media)
        if (const int how = http::quality(accept, one); how > liked) best = one, liked = how;
    return best;
}

http::OutgoingResponse json_response(const boost::json::value& value) {
    http::OutgoingResponse response;
    response.content_type = "application/json";
    response.body = boost::json::serialize(value) + "\n";
    return response;
}

http::OutgoingResponse not_here(std::string_view what) {
    return to_response(not_here_problem(what));
}

http::OutgoingResponse bad_parameter(std::string_view name, std::string detail, size_t column) {
    return to_response(parameter_problem(name, std::move(detail), column));
}

http::OutgoingResponse too_many(std::string detail) {
    return to_response(too_many_problem(std::move(detail)));
}

std::vector<std::string> split_commas(std::string_view text) {
    std::vector<std::string> out;
    for (const std::string_view item : http::list_items(text)) out.emplace_back(item);
    return out;
}

std::optional<bool> flag_of(std::string_view text) {
    if (text.empty() || text == "true" || text == "1") return true;
    if (text == "false" || text == "0") return false;
    return std::nullopt;
}

}  // namespace cvf::api
