#include "api/watch.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>

#include "api/talk.h"

namespace cvf::api {
namespace {

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
    std::string target = "/api/v1/records";
    add_parameter(target, "filter", options.filter);
    add_parameter(target, "types", fmt::format("{}", fmt::join(options.types, ",")));
    add_parameter(target, "fields", fmt::format("{}", fmt::join(options.fields, ",")));
    ClientOptions how;
    how.server = options.server;
    how.token_file = options.token_file;
    how.tls = options.tls;
    how.stop = stop;
    how.timeout = std::chrono::seconds(5);
    return follow(
        how, std::move(target),
        [&](std::string_view name, std::string_view data) {
            if (name == "lost") {
                if (callbacks.lost) callbacks.lost(lost_count(data));
                return true;
            }
            return name != "message" || callbacks.record(data);
        },
        {callbacks.connected, callbacks.heard}, false);
}

}  // namespace cvf::api
