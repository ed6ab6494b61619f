#include "cli/signals.h"

#include <unistd.h>

#include <csignal>

namespace cvf::cli {

std::atomic<bool> stopping;
std::atomic<int> stop_signal;

namespace {

std::atomic<sink::Sink*> waited_for;
std::atomic<bool> not_at_first;
std::atomic<bool> terminal;

void on_signal(int number) {
    // The terminal shows ^C; what is said next begins a line of its own.
    if (number == SIGINT && terminal && ::write(STDERR_FILENO, "\n", 1) < 0) terminal = false;
    int none = 0;
    const bool first = stop_signal.compare_exchange_strong(none, number);
    stopping = true;
    if (first && not_at_first) return;
    if (sink::Sink* sink = waited_for) sink->interrupt();
}

}  // namespace

void stop_on_signals(Calls calls) {
    terminal = ::isatty(STDERR_FILENO) == 1;
    struct sigaction action{};
    action.sa_handler = on_signal;
    if (calls == Calls::go_on) action.sa_flags = SA_RESTART;
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
        struct sigaction before{};
        sigaction(number, nullptr, &before);
        if (before.sa_handler != SIG_IGN) sigaction(number, &action, nullptr);
    }
}

InterruptedBySignal::InterruptedBySignal(sink::Sink& sink, Which which) {
    not_at_first = which == Which::second;
    waited_for = &sink;
}

InterruptedBySignal::~InterruptedBySignal() {
    waited_for = nullptr;
}

}  // namespace cvf::cli
