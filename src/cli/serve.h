// What the verbs that serve (up, agent, controller) and those that ask (watch, query, get …) make of the options.
#pragma once

#include <expected>
#include <memory>
#include <string>

#include "api/client.h"
#include "api/server.h"
#include "config/settings.h"
#include "history/history.h"

namespace cvf::cli {

// Listening address, TLS, token and roles; services and metrics are the caller's to add.
api::ServerOptions server_options(const config::Settings& settings);

// Where records are kept: ClickHouse or a folder; null where the options say that none are. The error names what is wrong.
std::expected<std::shared_ptr<history::History>, std::string> open_history(const config::Settings& settings);

// Whom to ask: --server, else the local fabric; the stop flag is the program's own.
api::ClientOptions client_options(const config::Settings& settings);

}  // namespace cvf::cli
