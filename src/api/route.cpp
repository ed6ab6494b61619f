#include "api/route.h"

#include "api/routes.h"

namespace cvf::api {
namespace {

std::optional<std::vector<std::string>> match(std::string_view pattern, std::string_view path) {
    std::vector<std::string> names;
    for (;;) {
        const size_t brace = pattern.find('{');
        if (brace == std::string_view::npos) return pattern == path ? std::optional(std::move(names)) : std::nullopt;
        if (path.substr(0, brace) != pattern.substr(0, brace)) return std::nullopt;
        path.remove_prefix(brace);
        pattern.remove_prefix(pattern.find('}') + 1);
        const std::string_view segment = path.substr(0, path.find('/'));
        if (segment.empty()) return std::nullopt;
        names.emplace_back(segment);
        path.remove_prefix(segment.size());
    }
}

const std::vector<Route>& table() {
    static const std::vector<Route> all = [] {
        std::vector<Route> out;
        for (const auto part : {service_routes(), directive_routes(), node_routes(), record_routes(), query_routes(),
                                audit_routes(), graphql_routes(), page_routes()})
            out.insert(out.end(), part.begin(), part.end());
        return out;
    }();
    return all;
}

}  // namespace

std::span<const Route> routes() {
    return table();
}

Found find_route(std::string_view method, std::string_view path) {
    if (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
    if (method == "HEAD") method = "GET";
    Found found;
    for (const Route& route : routes()) {
        auto names = match(route.path, path);
        if (!names) continue;
        found.methods.push_back(route.method);
        if (route.method != method) continue;
        found.route = &route;
        found.names = std::move(*names);
    }
    return found;
}

}  // namespace cvf::api
