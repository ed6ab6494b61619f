// What is missing and what came twice, by the numbers that agents give their batches (docs/bus.md).
//
// A stream is one agent's run, lane and subject; its records count from 1. A batch that comes late, out of order, is missing
// until it comes. What was before the first that came here is not missing, and no repetition when it comes yet (an agent sends
// what it had in memory behind what it had on disk). Memory: at most max_streams, the one longest silent is dropped for a new
// one. Not thread-safe.
#pragma once

#include <cstdint>
#include <list>
#include <span>
#include <string>
#include <string_view>

#include <boost/unordered/unordered_flat_map.hpp>

#include "bus/bus.h"

namespace cvf::controller {

class Sequences {
 public:
    static constexpr size_t max_streams = 100'000;

    struct Totals {
        uint64_t records = 0;     // that came, each once
        uint64_t duplicates = 0;  // came again
        uint64_t missing = 0;     // have not come though later ones have
        uint64_t unnumbered = 0;  // batches without numbers: some other publisher's
    };

    // True: new records; false: all of them have come before.
    bool note(std::string_view subject, std::span<const bus::Header> headers);
    const Totals& totals() const { return totals_; }

 private:
    struct Gap {
        uint64_t first, last;
        bool missing = true;  // counted as such
    };
    struct Stream {
        uint64_t next = 1;      // all below have come but for the gaps
        std::vector<Gap> gaps;  // ascending; at most max_gaps, older ones are given up
        std::list<std::string>::iterator used;
    };
    static constexpr size_t max_gaps = 64;

    boost::unordered_flat_map<std::string, Stream> streams_;
    std::list<std::string> order_;  // the longest silent first
    Totals totals_;
    std::string key_;
};

}  // namespace cvf::controller
