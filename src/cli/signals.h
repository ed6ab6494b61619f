// SIGINT, SIGTERM and SIGHUP end a verb in good order. One that is ignored from the start (nohup, a script's &) stays ignored.
//
// Thread rule: called from the main thread; the flags may be read by any.
#pragma once

#include <atomic>

#include "sink/sink.h"

namespace cvf::cli {

extern std::atomic<bool> stopping;    // one of them has come
extern std::atomic<int> stop_signal;  // which was the first; 0: none

// What a signal does to a system call that waits: `read` of a quiet pipe must end, the threads of a library need not notice.
enum class Calls : bool { go_on, are_interrupted };

// From now on those signals set the flags instead of ending the process.
void stop_on_signals(Calls calls = Calls::go_on);

// While it lives, the first signal or the second also ends the sink's waiting for a reader who does not read.
class InterruptedBySignal {
 public:
    enum class Which : bool { first, second };
    InterruptedBySignal(sink::Sink& sink, Which which);
    ~InterruptedBySignal();
    InterruptedBySignal(const InterruptedBySignal&) = delete;
    InterruptedBySignal& operator=(const InterruptedBySignal&) = delete;
};

}  // namespace cvf::cli
