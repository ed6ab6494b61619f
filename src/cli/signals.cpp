#include "cli/signals.h"

#include <csignal>

namespace cvf::cli {

std::atomic<bool> stopping;

void stop_on_signals() {
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) std::signal(signal, [](int) { stopping = true; });
}

}  // namespace cvf::cli
