// Puts a sink behind a thread and a bounded buffer, so that a slow terminal, pipe or disk does not stall the tap.
//
// write() copies the batch and returns; it waits for nothing but a mutex that is never held during a system call. Two buffers
// take turns: one fills while the other is written. When the filling one is at its bound, the batch is counted as lost, whole.
// Memory: at most twice the bound.
//
// What comes after a quiet moment is written at once. Behind each write the thread rests for `rest`, unless `wake_bytes` have
// gathered: under load it is woken for many records at a time, and no record waits longer than that.
//
// flush() waits until everything is written, however slow the reader. finish() waits at most `grace`, then interrupts the inner
// sink and counts what is left as lost. Thread rule and errors: as in sink.h; the inner sink is used by the thread alone.
#pragma once

#include <chrono>
#include <memory>

#include "sink/sink.h"

namespace cvf::sink {

struct ThreadedOptions {
    size_t buffer_bytes = 4 * 1024 * 1024;
    size_t wake_bytes = 256 * 1024;  // at most a quarter of the buffer
    std::chrono::milliseconds rest{5};
    std::chrono::milliseconds grace{2000};
};

std::unique_ptr<Sink> make_threaded_sink(std::unique_ptr<Sink> inner, ThreadedOptions options = {});

}  // namespace cvf::sink
