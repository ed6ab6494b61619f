#include "api/watch.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>

#include "api/problem.h"
#include "api/sse.h"
#include "api/token.h"
#include "http/client.h"
#include "http/target.h"

namespace cvf::api {
namespace {

constexpr size_t max_event = 1024 * 1024;
constexpr auto silence = std::chrono::seconds(30);  // three heart-beats missed

std::string target_of(const WatchOptions& options) {
    std::string target = "/api/v1/records";
    char separator = '?';
    const auto add = [&](std::string_view name, const std::string& value) {
        if (value.empty()) return;
        target += fmt::format("{}{}={}", separator, name, http::encode_component(value));
        separator = '&';
    };
    add("filter", options.filter);
    add("types", fmt::format("{}", fmt::join(options.types, ",")));
    add("fields", fmt::format("{}", fmt::join(options.fields, ",")));
    return target;
}

WatchError refused(const WatchOptions& options, const std::string& token_file, const http::Response& response) {
    const Problem problem = parse_problem(response.status, response.body);
    const std::string& said = problem.detail.empty() ? problem.title : problem.detail;
    switch (response.status) {
        case 400:
            if (problem.parameter == "filter" && problem.column > 0)
                return {2, fmt::format("filter, column {}: {}", problem.column, said)};
            if (!said.empty()) return {2, said};
            break;
        case 401:
            return {1, fmt::format("{} does not accept the token in {}; give the file of that agent's token with --token-file",
                                   options.server, token_file)};
        case 404:
            return {1, fmt::format("{} is not a cvf agent: it knows no /api/v1/records", options.server)};
        default:
            break;
    }
    return {1, fmt::format("{} answered {}{}{}", options.server, response.status, said.empty() ? "" : ": ", said)};
}

WatchError unreachable(const http::Error& error) {
    switch (error.stage) {
        case http::Stage::address:
            return {2, fmt::format("--server: {}", error.text)};
        case http::Stage::connect:
            return {1, fmt::format("no agent answers ({}); start one with `cvf up`, or name another with --server", error.text)};
        case http::Stage::exchange:
            return {1, error.text};
    }
    return {1, error.text};
}

// {"lost":N} of our own server; 0 when it is something else.
uint64_t lost_count(std::string_view data) {
    constexpr std::string_view before = "{\"lost\":";
    uint64_t n = 0;
    if (data.starts_with(before)) std::from_chars(data.data() + before.size(), data.data() + data.size(), n);
    return n;
}

}  // namespace

std::expected<void, WatchError> watch(const WatchOptions& options, const WatchCallbacks& callbacks,
                                      const std::atomic<bool>* stop) {
    const std::string token_file = options.token_file.empty() ? std::string(default_token_file) : options.token_file;
    http::Request request;
    request.target = target_of(options);
    request.headers.push_back({"Accept", "text/event-stream"});
    // A missing default file is told only after the agent has been asked: most often it simply is not running.
    const auto token = read_token_file(token_file);
    if (token)
        request.headers.push_back({"Authorization", "Bearer " + *token});
    else if (!options.token_file.empty())
        return std::unexpected(WatchError{1, token.error()});

    bool enough = false, greeted = false;
    EventParser parser(
        [&](std::string_view name, std::string_view data) {
            if (name == "lost") {
                if (callbacks.lost) callbacks.lost(lost_count(data));
                return true;
            }
            if (name != "message") return true;
            enough = !callbacks.record(data);
            return !enough;
        },
        max_event);
    http::Limits limits;
    limits.idle = silence;
    const auto response = http::stream(
        options.server, request,
        [&](std::string_view piece) {
            if (!greeted && callbacks.connected) callbacks.connected();
            greeted = true;
            return parser.feed(piece);
        },
        stop, limits);

    const auto stopped = [&] { return stop && stop->load(std::memory_order_relaxed); };
    if (!response) {
        if (stopped()) return {};
        if (greeted)
            return std::unexpected(WatchError{1, fmt::format("the agent has ended the stream ({})", response.error().text)});
        return std::unexpected(unreachable(response.error()));
    }
    if (response->status == 401 && !token)
        return std::unexpected(WatchError{
            1, fmt::format("{}; the agent's token is needed: run as root, or give a copy with --token-file", token.error())});
    if (response->status != 200) return std::unexpected(refused(options, token_file, *response));
    if (parser.too_long())
        return std::unexpected(WatchError{1, fmt::format("{}: an event is longer than {} bytes", options.server, max_event)});
    if (enough || stopped()) return {};
    if (!response->header("content-type").starts_with("text/event-stream"))
        return std::unexpected(WatchError{1, fmt::format("{} is not a cvf agent: it sends no events", options.server)});
    return std::unexpected(WatchError{1, "the agent has ended the stream"});
}

}  // namespace cvf::api
