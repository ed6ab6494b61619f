#include "api/talk.h"

#include <fmt/format.h>

#include "api/problem.h"
#include "api/sse.h"
#include "api/token.h"
#include "http/target.h"

namespace cvf::api {
namespace {

constexpr size_t max_event = 1024 * 1024;
constexpr auto silence = std::chrono::seconds(30);  // three heart-beats missed

ClientError refused(const ClientOptions& options, const std::string& token_file, std::string_view target,
                    const http::Response& response) {
    Problem problem = parse_problem(response.status, response.body);
    const std::string& said = problem.detail.empty() ? problem.title : problem.detail;
    ClientError error{1,
                      fmt::format("{} answered {}{}{}", options.server, response.status, said.empty() ? "" : ": ", said),
                      response.status,
                      {}};
    switch (response.status) {
        case 400:
            if (said.empty()) break;
            error.exit_status = 2;
            error.text = problem.parameter == "filter" && problem.column > 0
                             ? fmt::format("filter, column {}: {}", problem.column, said)
                             : said;
            break;
        case 401:
            error.text = fmt::format("{} does not accept the token in {}; give the file of that agent's token with --token-file",
                                     options.server, token_file);
            break;
        case 403:
            error.text = fmt::format("the token in {} may not do this: its role is too small", token_file);
            break;
        case 404:
            // Our own problems are of a known form; anything else is some other server.
            if (problem.title.empty() || said.find("there is no such path") != std::string::npos)
                error.text =
                    fmt::format("{} is not a cvf agent: it knows no {}", options.server, target.substr(0, target.find('?')));
            else
                error.text = said;
            break;
        case 409:
        case 412:
        case 501:
            if (!said.empty()) error.text = said;
            break;
        case 422:
            if (!said.empty()) error.text = said;
            error.exit_status = 2;
            error.problems = std::move(problem.problems);
            break;
        default:
            break;
    }
    return error;
}

ClientError unreachable(const http::Error& error) {
    switch (error.stage) {
        case http::Stage::address:
            return {2, fmt::format("--server: {}", error.text), 0, {}};
        case http::Stage::connect:
            return {1,
                    fmt::format("no agent answers ({}); start one with `cvf up`, or name another with --server", error.text),
                    0,
                    {}};
        case http::Stage::exchange:
            return {1, error.text, 0, {}};
    }
    return {1, error.text, 0, {}};
}

// The token, and what to say when the server wants one that there is not.
struct Credentials {
    std::string file;
    std::expected<std::string, std::string> token;

    explicit Credentials(const ClientOptions& options)
        : file(options.token_file.empty() ? std::string(default_token_file) : options.token_file), token(read_token_file(file)) {}

    // A missing default file is told only after the agent has been asked: most often it simply is not running.
    std::optional<ClientError> add_to(http::Request& request, const ClientOptions& options) const {
        if (token)
            request.headers.push_back({"Authorization", "Bearer " + *token});
        else if (!options.token_file.empty())
            return ClientError{1, token.error(), 0, {}};
        request.tls = options.tls;
        return std::nullopt;
    }
    ClientError refusal(const ClientOptions& options, std::string_view target, const http::Response& response) const {
        if (response.status == 401 && !token)
            return {1,
                    fmt::format("{}; the agent's token is needed: run as root, or give a copy with --token-file", token.error()),
                    401,
                    {}};
        return refused(options, file, target, response);
    }
};

bool stopped(const ClientOptions& options) {
    return options.stop && options.stop->load(std::memory_order_relaxed);
}

}  // namespace

std::expected<http::Response, ClientError> ask(const ClientOptions& options, http::Request request) {
    const Credentials credentials(options);
    if (auto error = credentials.add_to(request, options)) return std::unexpected(std::move(*error));
    http::Limits limits;
    limits.timeout = options.timeout;
    limits.body_bytes = 256 * 1024 * 1024;
    std::string body;
    bool too_long = false;
    // As a stream, for that can be stopped.
    auto response = http::stream(
        options.server, request,
        [&](std::string_view piece) {
            too_long = body.size() + piece.size() > limits.body_bytes;
            if (!too_long) body += piece;
            return !too_long;
        },
        options.stop, limits);
    if (stopped(options)) return std::unexpected(ClientError{1, "stopped", 0, {}});
    if (!response) return std::unexpected(unreachable(response.error()));
    if (response->status / 100 != 2) return std::unexpected(credentials.refusal(options, request.target, *response));
    if (too_long) return std::unexpected(ClientError{1, fmt::format("{}: the answer is too long", options.server), 0, {}});
    response->body = std::move(body);
    return std::move(*response);
}

std::expected<void, ClientError> follow(const ClientOptions& options, std::string target, const OnEvent& event,
                                        const OnStream& on, bool may_end) {
    const Credentials credentials(options);
    http::Request request;
    request.target = std::move(target);
    request.headers.push_back({"Accept", "text/event-stream"});
    if (auto error = credentials.add_to(request, options)) return std::unexpected(std::move(*error));
    bool enough = false, greeted = false;
    EventParser parser(
        [&](std::string_view name, std::string_view data) {
            enough = !event(name, data);
            return !enough;
        },
        max_event);
    http::Limits limits;
    limits.timeout = options.timeout;
    limits.idle = silence;
    const auto response = http::stream(
        options.server, request,
        [&](std::string_view piece) {
            if (!greeted && on.connected) on.connected();
            greeted = true;
            const bool go_on = parser.feed(piece);
            if (on.heard) on.heard();
            return go_on;
        },
        options.stop, limits);
    if (stopped(options)) return {};
    const auto failed = [](std::string text) { return std::unexpected(ClientError{1, std::move(text), 0, {}}); };
    if (!response) {
        if (greeted) return failed(fmt::format("the agent has ended the stream ({})", response.error().text));
        return std::unexpected(unreachable(response.error()));
    }
    if (response->status != 200) return std::unexpected(credentials.refusal(options, request.target, *response));
    if (parser.too_long()) return failed(fmt::format("{}: an event is longer than {} bytes", options.server, max_event));
    if (enough) return {};
    if (!response->header("content-type").starts_with("text/event-stream"))
        return failed(fmt::format("{} is not a cvf agent: it sends no events", options.server));
    if (may_end) return {};
    return failed("the agent has ended the stream");
}

void add_parameter(std::string& target, std::string_view name, std::string_view value) {
    if (value.empty()) return;
    target += fmt::format("{}{}={}", target.find('?') == std::string::npos ? '?' : '&', http::encode_component(name),
                          http::encode_component(value));
}

}  // namespace cvf::api
