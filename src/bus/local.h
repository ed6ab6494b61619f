// The bus within one process: what `cvf up` runs on.
//
// All that connect to the same name share one exchange, which lives as long as the process. The same promises as over a network:
// a message is settled when each handler that was subscribed has returned from it (with none: at once), by a thread of the bus; a
// publisher whose messages wait for a slow handler is told `full`. Documents live in memory;
// keep_local_documents() has those that must outlive the process on disk too.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "bus/bus.h"

namespace cvf::bus {

// Directives and the audit trail of `local:` stand in this folder from now on, and those found there are in force again. Once,
// before the first connects.
std::expected<void, std::string> keep_local_documents(const std::string& directory);

std::unique_ptr<Bus> connect_local(std::string_view name, const Options& options);

}  // namespace cvf::bus
