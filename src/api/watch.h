// The client of `cvf watch`: follows the live records of a running agent.
//
// Blocks until the stream ends, a callback wants no more, or `stop` is set (a signal handler may do that).
// Thread rule: a function without shared state. Errors: one line for standard error, with what to do, and the exit status that
// fits.
#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "api/client.h"

namespace cvf::api {

struct WatchOptions {
    std::string server = "http://127.0.0.1:7380";      // or https://…, unix:/path
    std::string token_file;                            // empty: /run/cvf/token
    std::string filter = {};                           // empty: all
    std::vector<std::string> types = {}, fields = {};  // empty: all
    http::ClientTls tls = {};
};

struct WatchCallbacks {
    std::function<void()> connected;                    // records follow; may be empty
    std::function<bool(std::string_view json)> record;  // one line without its end, borrowed; false: enough
    std::function<void()> heard;                        // after each piece of the stream, if only a sign of life; may be empty
    std::function<void(uint64_t lost)> lost;            // that many were left out here, for we read too slowly; may be empty
};

using WatchError = ClientError;

std::expected<void, WatchError> watch(const WatchOptions& options, const WatchCallbacks& callbacks,
                                      const std::atomic<bool>* stop = nullptr);

}  // namespace cvf::api
