// Flow records summed over a window of time, as OTLP metrics of delta temporality:
//
//   cvf.flow.io        By        bytes of IP packets, by direction as the source sees it (network.io.direction)
//   cvf.flow.packets   {packet}  packets, likewise
//   cvf.flow.duration  s         histogram of the conversations that ended
//
// The attributes are the fields of `flow_attributes`, as far as a record has them and the projection wants them: both ends
// without the source's port, so that the many connections of one client are one series. Windows do not overlap.
//
// Memory: one entry per distinct set of attributes in the window; the owner ends the window when size() is too much.
// Thread rule: one thread. No errors. Source: opentelemetry-proto 1.3 (metrics).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "record/buffer.h"
#include "record/flow_deltas.h"
#include "record/json.h"
#include "record/record.h"

namespace cvf::sink::otlp {

inline constexpr std::array<double, 12> duration_bounds = {0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300, 3600};  // s

class FlowMetrics {
 public:
    // `now`: when the first window begins, ns since 1970.
    explicit FlowMetrics(int64_t now) : deltas_(now), window_start_(now) {}

    // Returns the bytes that its set of attributes takes if it is new, else 0.
    size_t add(const record::Record& record, const record::Projection* fields);
    bool empty() const { return records_ == 0; }
    size_t size() const { return size_; }  // about what write() will write
    // The window's records and data points are told; then the next begins.
    struct Written {
        size_t records, points;
    };
    Written write(int64_t now, record::Buffer& out);  // the list of metrics, without brackets

 private:
    struct Sums {
        uint64_t bytes[2]{}, packets[2]{};
        uint64_t ended = 0, buckets[duration_bounds.size() + 1]{};
        double seconds = 0, least = 0, most = 0;
    };
    struct Hash {
        using is_transparent = void;
        size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
    };

    record::FlowDeltas deltas_;
    std::unordered_map<std::string, Sums, Hash, std::equal_to<>> groups_;  // by attributes as JSON
    record::Buffer key_;
    size_t records_ = 0, size_ = 0;
    int64_t window_start_;
};

}  // namespace cvf::sink::otlp
