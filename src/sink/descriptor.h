// The sink of standard output: lines to a file descriptor that someone else opened.
//
// Direct and lossless: write() blocks while the reader is slow. For a tap that must not wait, put it in a ThreadedSink.
// A write that fails in the middle of a line (a full disk) keeps the rest of that line and writes it first when there is room
// again, so that what a reader sees is always whole lines; the record counts when its rest is out.
//
// The constructor sets SIGPIPE to be ignored, for the whole process: without that a closed pipe ends the program before it can
// count. Thread rule and errors: as in sink.h.
#pragma once

#include <memory>

#include "sink/sink.h"

namespace cvf::sink {

struct DescriptorOptions {
    int fd = 1;
    bool owned = false;          // close it in the end
    bool interruptible = false;  // interrupt() works while write() waits; costs a poll() per write
    std::string name = "standard output";
    Complaint complain = {};
};

std::unique_ptr<Sink> make_descriptor_sink(DescriptorOptions options);

}  // namespace cvf::sink
