// A RecordSink of JSON lines over a Sink: what a directive's file output is. Encodes into batches; one batch in memory.
//
// Thread rule and errors: as in record_sink.h; put a ThreadedSink below where the pipeline must not wait.
#pragma once

#include <memory>

#include "sink/record_sink.h"
#include "sink/sink.h"

namespace cvf::sink {

std::unique_ptr<RecordSink> make_lines_sink(std::unique_ptr<Sink> below, size_t batch_bytes = 64 * 1024);

}  // namespace cvf::sink
