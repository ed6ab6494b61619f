#include "api/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "api/talk.h"
#include "directive/node_status.h"
#include "directive/parse.h"
#include "directive/write.h"
#include "http/target.h"

namespace cvf::api {

namespace json = boost::json;

namespace {

constexpr std::string_view directives_path = "/api/v1/directives", nodes_path = "/api/v1/nodes";

ClientError strange(const ClientOptions& options, std::string_view what) {
    return {1, fmt::format("{} is not a cvf controller, or a newer one: {}", options.server, what), 0, {}};
}

std::optional<json::object> object_of(std::string_view text) {
    boost::system::error_code error;
    auto value = json::parse({text.data(), text.size()}, error);
    if (error || !value.is_object()) return std::nullopt;
    return std::move(value.get_object());
}

uint64_t number(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    boost::system::error_code error;
    const uint64_t n = value && value->is_number() ? value->to_number<uint64_t>(error) : 0;
    return error ? 0 : n;
}
bool flag(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    return value && value->is_bool() && value->get_bool();
}
std::string text(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}
const json::object* member(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    return value ? value->if_object() : nullptr;
}
const json::array& items(const json::object& object, std::string_view key) {
    static const json::array none;
    const auto* value = object.if_contains(key);
    return value && value->is_array() ? value->get_array() : none;
}

void read_standing(const json::object& standing, RemoteDirective& out) {
    out.revision = number(standing, "revision");
    out.settled = flag(standing, "settled");
    out.good = flag(standing, "good");
    directive::Summary& s = out.summary;
    s.agents = static_cast<uint32_t>(number(standing, "agents"));
    s.behind = static_cast<uint32_t>(number(standing, "behind"));
    s.matched = number(standing, "matched");
    s.sent = number(standing, "sent");
    s.bytes = number(standing, "bytes");
    s.lost = number(standing, "lost");
    if (const auto* states = member(standing, "states"))
        for (size_t i = 0; i < std::size(directive::state_names); ++i)
            if (const uint64_t count = number(*states, directive::state_names[i]))
                s.states[static_cast<directive::State>(i)] = static_cast<uint32_t>(count);
    if (const auto* reasons = member(standing, "reasons"))
        for (const auto& [reason, names] : *reasons)
            if (names.is_array())
                for (const auto& name : names.get_array())
                    if (name.is_string()) s.reasons[std::string(reason)].emplace_back(name.get_string());
    for (const auto& agent : items(standing, "nodes"))
        if (auto status = directive::status_from_json(json::serialize(agent))) out.agents.push_back(std::move(*status));
}

// One as the API sends it.
std::expected<RemoteDirective, std::string> read_directive(json::object document) {
    RemoteDirective out;
    out.json = json::serialize(document);
    if (const auto* standing = member(document, "status")) read_standing(*standing, out);
    document.erase("status");
    directive::ParseOptions options;
    options.syntax = directive::Syntax::json;
    auto parsed = directive::parse_one(json::serialize(document), options);
    if (!parsed) return std::unexpected(parsed.error().empty() ? "no directive" : parsed.error().front().show());
    out.directive = std::move(*parsed);
    return out;
}

std::expected<RemoteNode, std::string> read_node(const json::object& document) {
    RemoteNode out;
    out.json = json::serialize(document);
    auto status = directive::node_status_from_json(out.json);
    if (!status) return std::unexpected(std::move(status.error()));
    out.node.status = std::move(*status);
    out.node.age = std::chrono::nanoseconds(number(document, "age"));
    out.node.lost = flag(document, "lost");
    if (const auto* skew = document.if_contains("clockSkew"); skew && skew->is_int64())
        out.node.clock_skew = std::chrono::nanoseconds(skew->get_int64());
    if (const auto* others = document.if_contains("namesakes"); others && others->is_array())
        for (const json::value& one : others->get_array())
            if (one.is_string()) out.node.namesakes.emplace_back(one.get_string());
    return out;
}

// All pages of a list.
template <typename T, typename Read>
std::expected<std::vector<T>, ClientError> read_all(const ClientOptions& options, const std::string& target, Read&& read) {
    std::vector<T> out;
    std::string next;
    do {
        http::Request request;
        request.target = target;
        add_parameter(request.target, "limit", "1000");
        add_parameter(request.target, "continue", next);
        const auto answer = ask(options, std::move(request));
        if (!answer) return std::unexpected(answer.error());
        const auto list = object_of(answer->body);
        if (!list) return std::unexpected(strange(options, "it sends no list"));
        for (const auto& item : items(*list, "items")) {
            if (!item.is_object()) return std::unexpected(strange(options, "an item is no object"));
            auto one = read(item.get_object());
            if (!one) return std::unexpected(strange(options, one.error()));
            out.push_back(std::move(*one));
        }
        const auto* metadata = member(*list, "metadata");
        std::string after = metadata ? text(*metadata, "continue") : std::string();
        if (after == next && !after.empty()) return std::unexpected(strange(options, "its list does not go on"));
        next = std::move(after);
    } while (!next.empty());
    return out;
}

std::string path_of(std::string_view kind, std::string_view name) {
    return fmt::format("{}/{}/{}", directives_path, http::encode_component(kind), http::encode_component(name));
}

std::optional<WatchEvent> event_by_name(std::string_view name) {
    if (name == "added") return WatchEvent::added;
    if (name == "modified") return WatchEvent::modified;
    if (name == "deleted") return WatchEvent::deleted;
    if (name == "synced") return WatchEvent::synced;
    return std::nullopt;
}

// A watch whose events hold a T.
template <typename T, typename Read>
std::expected<void, ClientError> watch_list(const ClientOptions& options, std::string target, Read&& read,
                                            const std::function<bool(WatchEvent, const T*)>& event) {
    add_parameter(target, "watch", "true");
    std::optional<ClientError> wrong;
    auto done = follow(
        options, std::move(target),
        [&](std::string_view name, std::string_view data) {
            const auto what = event_by_name(name);
            if (!what) return true;  // a newer server's
            if (*what == WatchEvent::synced) return event(*what, nullptr);
            auto document = object_of(data);
            auto one = document ? read(std::move(*document)) : std::unexpected(std::string("an event is no object"));
            if (!one) {
                wrong = strange(options, one.error());
                return false;
            }
            return event(*what, &*one);
        },
        {}, false);
    if (wrong) return std::unexpected(std::move(*wrong));
    return done;
}

RemoteApplied read_applied(const json::object& item) {
    RemoteApplied out{text(item, "kind"), text(item, "name"), directive::Change::unchanged, number(item, "generation"),
                      number(item, "revision")};
    const std::string change = text(item, "change");
    for (size_t i = 0; i < std::size(directive::change_names); ++i)
        if (change == directive::change_names[i]) out.change = static_cast<directive::Change>(i);
    return out;
}

}  // namespace

Client::Result<std::vector<RemoteDirective>> Client::directives(std::string_view kind, std::string_view labels) const {
    std::string target(directives_path);
    add_parameter(target, "kind", kind);
    add_parameter(target, "labelSelector", labels);
    return read_all<RemoteDirective>(options_, target, read_directive);
}

Client::Result<RemoteDirective> Client::directive(std::string_view kind, std::string_view name) const {
    const auto answer = get(path_of(kind, name));
    if (!answer) return std::unexpected(answer.error());
    auto document = object_of(*answer);
    if (!document) return std::unexpected(strange(options_, "it sends no document"));
    auto one = read_directive(std::move(*document));
    if (!one) return std::unexpected(strange(options_, one.error()));
    return std::move(*one);
}

Client::Result<std::vector<RemoteApplied>> Client::apply(std::span<const directive::Directive> directives, bool dry_run) const {
    http::Request request{"POST", std::string(directives_path), {{"Content-Type", "application/json"}}, "["};
    if (dry_run) add_parameter(request.target, "dryRun", "true");
    for (const auto& one : directives) request.body += (request.body.size() > 1 ? "," : "") + directive::canonical(one);
    request.body += "]";
    const auto answer = ask(options_, std::move(request));
    if (!answer) return std::unexpected(answer.error());
    const auto result = object_of(answer->body);
    if (!result || items(*result, "items").size() != directives.size())
        return std::unexpected(strange(options_, "it does not say what it did"));
    std::vector<RemoteApplied> out;
    for (const auto& item : items(*result, "items"))
        out.push_back(item.is_object() ? read_applied(item.get_object()) : RemoteApplied{});
    return out;
}

Client::Result<RemoteApplied> Client::replace(const directive::Directive& d, uint64_t revision) const {
    http::Request request{"PUT",
                          path_of(directive::name_of(d.kind), d.metadata.name),
                          {{"Content-Type", "application/json"}},
                          directive::canonical(d)};
    request.headers.push_back(revision ? http::Header{"If-Match", fmt::format("\"{}\"", revision)}
                                       : http::Header{"If-None-Match", "*"});
    const auto answer = ask(options_, std::move(request));
    if (!answer) return std::unexpected(answer.error());
    auto document = object_of(answer->body);
    auto one = document ? read_directive(std::move(*document)) : std::unexpected(std::string("it sends no document"));
    if (!one) return std::unexpected(strange(options_, one.error()));
    return read_applied({{"kind", directive::name_of(one->directive.kind)},
                         {"name", one->directive.metadata.name},
                         {"change", answer->header("Cvf-Change")},
                         {"generation", one->directive.metadata.generation},
                         {"revision", one->revision}});
}

Client::Result<RemoteDirective> Client::remove(std::string_view kind, std::string_view name) const {
    const auto answer = ask(options_, {"DELETE", path_of(kind, name), {}, {}});
    if (!answer) return std::unexpected(answer.error());
    auto document = object_of(answer->body);
    auto one = document ? read_directive(std::move(*document)) : std::unexpected(std::string("it sends no document"));
    if (!one) return std::unexpected(strange(options_, one.error()));
    return std::move(*one);
}

Client::Result<void> Client::watch_directives(std::string_view kind, std::string_view labels,
                                              const std::function<bool(WatchEvent, const RemoteDirective*)>& event) const {
    std::string target(directives_path);
    add_parameter(target, "kind", kind);
    add_parameter(target, "labelSelector", labels);
    return watch_list<RemoteDirective>(options_, std::move(target), read_directive, event);
}

Client::Result<std::vector<RemoteNode>> Client::nodes(std::string_view labels) const {
    std::string target(nodes_path);
    add_parameter(target, "labelSelector", labels);
    return read_all<RemoteNode>(options_, target, read_node);
}

Client::Result<RemoteNode> Client::node(std::string_view name) const {
    const auto answer = get(fmt::format("{}/{}", nodes_path, http::encode_component(name)));
    if (!answer) return std::unexpected(answer.error());
    const auto document = object_of(*answer);
    auto one = document ? read_node(*document) : std::unexpected(std::string("it sends no document"));
    if (!one) return std::unexpected(strange(options_, one.error()));
    return std::move(*one);
}

Client::Result<void> Client::watch_nodes(const std::function<bool(WatchEvent, const RemoteNode*)>& event,
                                         std::string_view labels) const {
    std::string target(nodes_path);
    add_parameter(target, "labelSelector", labels);
    return watch_list<RemoteNode>(options_, std::move(target), [](const json::object& o) { return read_node(o); }, event);
}

Client::Result<Client::QueryEnd> Client::query(std::span<const std::pair<std::string, std::string>> parameters,
                                               const std::function<bool(std::string_view row)>& row,
                                               const std::function<void(const Progress&)>& progress) const {
    std::string target = "/api/v1/query";
    for (const auto& [name, value] : parameters) add_parameter(target, name, value);
    QueryEnd end;
    bool ended = false, enough = false;
    std::string failure;
    const auto numbers = [](const json::object& object) {
        return Progress{number(object, "examined"), number(object, "total"), number(object, "matched")};
    };
    auto done = follow(
        options_, std::move(target),
        [&](std::string_view name, std::string_view data) {
            if (name == "row") {
                enough = !row(data);
                return !enough;
            }
            const auto object = object_of(data);
            if (!object) return true;
            if (name == "progress" && progress) progress(numbers(*object));
            if (name == "error") failure = text(*object, "detail");
            if (name != "end") return true;
            ended = true;
            end = {numbers(*object),      number(*object, "damaged"), number(*object, "leftOut"), flag(*object, "approximate"),
                   flag(*object, "more"), text(*object, "continue")};
            return false;
        },
        {}, true);
    if (!done) return std::unexpected(std::move(done.error()));
    if (!failure.empty()) return std::unexpected(ClientError{1, std::move(failure), 0, {}});
    if (!ended && !enough) return std::unexpected(ClientError{1, "the answer broke off", 0, {}});
    return end;
}

Client::Result<std::string> Client::get(std::string_view target) const {
    http::Request request;
    request.target = target;
    auto answer = ask(options_, std::move(request));
    if (!answer) return std::unexpected(std::move(answer.error()));
    return std::move(answer->body);
}

}  // namespace cvf::api
