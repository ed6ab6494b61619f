// The one flag that a signal sets: SIGINT, SIGTERM and SIGHUP end a verb in good order.
#pragma once

#include <atomic>

namespace cvf::cli {

extern std::atomic<bool> stopping;

// From now on those signals set `stopping` instead of ending the process.
void stop_on_signals();

}  // namespace cvf::cli
