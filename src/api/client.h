// The API's client, for command lines: directives, nodes, history over http://, https:// or a unix socket, with a token file.
//
// Each call blocks until it is answered, or `stop` is set (a signal handler may do that; then the error's text is "stopped").
// Thread rule: a Client is a value without state of its own; calls may run side by side. Errors: one line for standard error,
// with what to do, and the exit status that fits; of an invalid directive everything that is wrong with it.
#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/nodes.h"
#include "directive/directive.h"
#include "directive/generation.h"
#include "directive/problem.h"
#include "directive/status.h"
#include "http/client.h"

namespace cvf::api {

struct ClientOptions {
    std::string server = "http://127.0.0.1:7380";  // or https://…, unix:/path
    std::string token_file;                        // empty: /run/cvf/token
    http::ClientTls tls;
    const std::atomic<bool>* stop = nullptr;
    std::chrono::milliseconds timeout{15000};  // of one answer; streams have their own
};

struct ClientError {
    int exit_status = 1;  // 1: it failed; 2: wrong use
    std::string text;
    unsigned status = 0;                // of the answer; 0: there was none
    directive::Problems problems = {};  // 422
};

// A directive as the server has it, and how it fares.
struct RemoteDirective {
    directive::Directive directive;
    uint64_t revision = 0;
    directive::Summary summary;             // of states, counts and reasons
    bool settled = false, good = false;     // see directive::Summary
    std::vector<directive::Status> agents;  // what each has said
    std::string json;                       // as it came
};

struct RemoteNode {
    controller::Node node;
    std::string json;
};

struct RemoteApplied {
    std::string kind, name;
    directive::Change change = directive::Change::unchanged;
    uint64_t generation = 0, revision = 0;
};

enum class WatchEvent : uint8_t { added, modified, deleted, synced };  // synced: all that was there has been told

class Client {
 public:
    explicit Client(ClientOptions options) : options_(std::move(options)) {}

    template <typename T>
    using Result = std::expected<T, ClientError>;

    // `kind`: in any letter case, empty: all. `labels`: as labelSelector in docs/api.md. Reads on until it has all.
    Result<std::vector<RemoteDirective>> directives(std::string_view kind, std::string_view labels = {}) const;
    Result<RemoteDirective> directive(std::string_view kind, std::string_view name) const;
    // All or, when one is refused, none.
    Result<std::vector<RemoteApplied>> apply(std::span<const directive::Directive> directives, bool dry_run) const;
    // Only if the one there still has this revision (0: only if there is none): for `edit`.
    Result<RemoteApplied> replace(const directive::Directive& directive, uint64_t revision) const;
    // What was there.
    Result<RemoteDirective> remove(std::string_view kind, std::string_view name) const;
    // Follows changes until the function returns false, which is success. Of `synced` the directive is null.
    Result<void> watch_directives(std::string_view kind, std::string_view labels,
                                  const std::function<bool(WatchEvent, const RemoteDirective*)>& event) const;

    Result<std::vector<RemoteNode>> nodes(std::string_view labels = {}) const;
    Result<RemoteNode> node(std::string_view name) const;
    Result<void> watch_nodes(const std::function<bool(WatchEvent, const RemoteNode*)>& event, std::string_view labels = {}) const;

    // Parameters of GET /api/v1/query. Each row, a record or a group, is a line of JSON without its end; false ends it.
    struct Progress {
        uint64_t examined = 0, total = 0, matched = 0;
    };
    struct QueryEnd {
        Progress progress;
        uint64_t damaged = 0, left_out = 0;
        bool approximate = false, more = false;
        std::string next;  // `continue` of the next question; empty: that was all
    };
    Result<QueryEnd> query(std::span<const std::pair<std::string, std::string>> parameters,
                           const std::function<bool(std::string_view row)>& row,
                           const std::function<void(const Progress&)>& progress = {}) const;

    // Any GET as it is, for what has no function of its own (audit).
    Result<std::string> get(std::string_view target) const;

 private:
    ClientOptions options_;
};

}  // namespace cvf::api
