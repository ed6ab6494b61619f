// Sums over windows of time: records in, one record of type `metric` out for each group and window.
//
// A group is what has the same values of the chosen fields; a record without one of them is in the group without it. Windows are
// aligned to the clock, so that the windows of all nodes are the same and their records can be added up: counts and bytes by
// addition, latencies bucket by bucket (histogram.h).
//
// Memory is bounded by `max_groups`; records of further groups in a window are counted in a last group of their own that has none
// of the fields and says so (cvf.metric.other). Not thread-safe. Errors: none.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "metric/histogram.h"
#include "record/record.h"

namespace cvf::metric {

struct WindowOptions {
    int64_t length = 10'000'000'000;  // ns
    std::vector<record::Field> by;
    bool bytes = false, packets = false, latency = false;  // besides the count of records
    size_t max_groups = 10'000;
    std::string name, node;  // of the directive and the node (host.name), on each record made
};

class Window {
 public:
    using Emit = std::function<void(record::Record&)>;

    explicit Window(WindowOptions options) : options_(std::move(options)) {}

    void add(const record::Record& record);
    // It is now `now` (UTC ns): when the window is over its records are made. Records must not be kept.
    void advance(int64_t now, const Emit& emit);
    // Ends the window as it stands.
    void close(int64_t now, const Emit& emit);

    size_t groups() const { return groups_.size(); }

 private:
    struct Group {
        record::FieldSet by;
        uint64_t count = 0, errors = 0, bytes = 0, packets = 0;
        Histogram latency;
        uint64_t slowest = 0;
        std::string slowest_id;  // record.id of the slowest: where to look
        int64_t first = 0;
    };

    Group* group_of(const record::Record& record);
    void write(Group& group, int64_t start, int64_t end, bool other, const Emit& emit);

    WindowOptions options_;
    int64_t start_ = 0;  // of the window; 0: none has begun
    boost::unordered_flat_map<std::string, std::unique_ptr<Group>> groups_;
    Group other_;
    std::string key_;  // of the record at hand
    record::Record made_;
    uint64_t number_ = 0;
};

}  // namespace cvf::metric
