// The bus within one process: what `cvf up` runs on.
//
// All that connect to the same name share one exchange, which lives as long as the process. The same promises as over a network:
// a message is settled when each handler that was subscribed has returned from it (with none: at once), by a thread of the bus; a
// publisher whose messages wait for a slow handler is told `full`. Documents live in memory; with Options::documents_directory those
// that must outlive the process on disk too (local_journal.h).
#pragma once

#include <memory>
#include <string_view>

#include "bus/bus.h"

namespace cvf::bus {

std::unique_ptr<Bus> connect_local(std::string_view name, Options options);

}  // namespace cvf::bus
