// Sums over windows (records of type metric) as OTLP metrics of delta temporality, each window a data point:
//
//   cvf.metric.count     {record}  records that were summed
//   cvf.metric.errors    {record}  of them with an error
//   cvf.metric.io        By        bytes of IP packets, by direction as the source sees it (network.io.direction)
//   cvf.metric.packets   {packet}  packets, likewise
//   cvf.metric.latency   ns        exponential histogram, as it is in the record; its exemplar is the slowest record's id
//
// The attributes are the fields it was grouped by, cvf.metric.directive, cvf.metric.type and cvf.metric.other, as far as the
// projection wants them. Memory: what is written, until write(). Thread rule: one thread. No errors.
// Source: opentelemetry-proto 1.3 (metrics).
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "record/buffer.h"
#include "record/json.h"
#include "record/record.h"

namespace cvf::sink::otlp {

class SumMetrics {
 public:
    // Returns the bytes it took. `node` is not said again.
    size_t add(const record::Record& record, const record::Projection* fields, std::string_view node);
    bool empty() const { return records_ == 0; }
    size_t size() const { return size_; }
    struct Written {
        size_t records, points;
    };
    Written write(record::Buffer& out);  // the list of metrics, without brackets; then it is empty

 private:
    enum Metric : size_t { count, errors, io, packets, latency, metrics };

    std::array<record::Buffer, metrics> points_;  // data points, commas between
    record::Buffer head_;                         // attributes of the record at hand
    size_t records_ = 0, written_ = 0, size_ = 0;
};

}  // namespace cvf::sink::otlp
