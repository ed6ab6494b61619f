// The history as a way out for JSON lines, so that it stands behind a ThreadedSink (sink/threaded.h) like any other.
//
// Counters: records_written and records_lost are the history's own; a line that is no record counts as lost; bytes_written stays
// 0. stats() waits for nobody. Thread rule and
// errors: as in sink/sink.h; the history's writer is the thread that calls this.
#pragma once

#include <memory>

#include "history/history.h"
#include "sink/sink.h"

namespace cvf::history {

// The history is shared with those who ask it.
std::unique_ptr<sink::Sink> make_history_sink(std::shared_ptr<History> history);

}  // namespace cvf::history
