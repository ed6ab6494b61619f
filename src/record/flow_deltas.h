// What is new in a flow record: its numbers count from the start of the conversation, while deltas (of IPFIX, of OTLP,
// of sums over windows) want what came since the record before.
//
// Remembers the numbers of conversations that have had an interim record and no final one, at most `capacity` of them, the
// longest untouched being forgotten first. A record whose predecessor is not known (forgotten, or from before this
// object was made) serves as the base of the next and counts as nothing: too little rather than twice.
//
// Thread rule: one thread. No errors. Allocates only to grow.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstddef>
#include <cstdint>

#include "record/record.h"

namespace cvf::record {

struct FlowDelta {
    int64_t start = 0, end = 0;         // ns since 1970: the time it covers
    uint64_t bytes[2]{}, packets[2]{};  // sent by source, by destination
    bool final = true;
};

class FlowDeltas {
 public:
    // `born`: when this object's user began, ns since 1970.
    explicit FlowDeltas(int64_t born, size_t capacity = 65536) : born_(born), capacity_(capacity) {}
    FlowDelta take(const Record& record);

 private:
    struct Seen {
        int64_t end;
        uint64_t bytes[2], packets[2];
    };
    using Generation = boost::unordered_flat_map<uint64_t, Seen>;

    int64_t born_;
    size_t capacity_;
    Generation young_, old_;  // each at most half the capacity
    bool forgot_ = false;
};

}  // namespace cvf::record
