// Sums over windows of time: records in, one record of type `metric` out for each group and window.
//
// A group is the records that have the same values of the chosen fields. Windows are aligned to the clock (since 1970, UTC), so
// those of all nodes are the same and can be added up: counts and bytes by addition, latencies bucket by bucket (histogram.h).
// A record counts into the window in which it comes, whatever time it speaks of: a conversation's is long over. The first window
// begins when the first time is told, the last ends when it is ended; both say how long they really were.
//
//   count, errors    records, and those of them with error.type
//   bytes, packets   of flow records, what came since the record before of the same conversation (record/flow_deltas.h)
//   latency          of event.duration; of flow records only the final ones', for the interim ones' is no duration yet
//
// A clock that is set back by more than a second ends the window where it stands; one that jumps ahead ends it too, and the
// windows that it left out never were.
//
// Memory is bounded: `max_groups` groups and `max_key_bytes` of their values in the window that is open, and as much again of the
// one before, as long as its records wait to be taken. Further groups are summed into one record that has none of their fields
// and says so (cvf.metric.other). A group costs some 300 bytes besides its values, and with latency up to 1,280 more; bytes
// and packets cost what FlowDeltas remembers of conversations that go on.
//
// Thread rule: one thread. Errors: none. Nothing is allocated for a record whose group is there, but for a bucket that is new.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "metric/histogram.h"
#include "record/flow_deltas.h"
#include "record/record.h"

namespace cvf::metric {

struct WindowOptions {
    int64_t length = 10'000'000'000;  // ns
    std::vector<record::Field> by;
    bool bytes = false, packets = false, latency = false;  // besides the counts of records
    std::string directive, node;                           // on each record made; empty: not
    uint64_t id_seed = 0;                                  // of record.id: what no two of them share
    int64_t born = 0;                                      // ns since 1970: as of FlowDeltas
    size_t max_groups = 10'000, max_key_bytes = 4u << 20;
};

class Windows {
 public:
    explicit Windows(WindowOptions options);

    void add(const record::Record& record);

    // It is now `now` (ns since 1970). True when the window is over: then next() first what is due still, and turn().
    bool advance(int64_t now);
    // Ends the window, whether or not it is over: its records are due, and the next window begins. What is still due from the one
    // before counts as other groups of this one.
    void turn(int64_t now);

    // Records of the window before that have not been taken.
    size_t due() const { return due_.size() + (due_other_.count > 0); }
    // The next of them; null: none. Valid until the next call of anything here.
    record::Record* next();
    // Sums all that are due into one, where there are several. Returns how many that were.
    size_t fold();

    size_t groups() const { return groups_.size(); }

 private:
    struct Sums {
        uint64_t count = 0, errors = 0;
        uint64_t bytes[2]{}, packets[2]{};  // sent by source, by destination
        Histogram latency;
        uint64_t slowest = 0;
        std::string slowest_id;  // record.id: where to look
        record::RecordType type = record::RecordType::count;
        bool mixed = false;  // of several types

        void note_slowest(uint64_t duration, std::string_view id);
        void note_type(record::RecordType of);
        void merge(const Sums& other);
    };
    struct Group {
        std::string key;
        Sums sums;
    };
    struct Hash {
        using is_avalanching = void;
        uint64_t seed;
        size_t operator()(std::string_view key) const;
    };
    using Groups = boost::unordered_flat_map<std::string_view, std::unique_ptr<Group>, Hash>;  // by the group's own key

    Sums& group_of(const record::Record& record);
    int64_t aligned(int64_t now) const { return now - now % options_.length; }
    void write(const Sums& sums, const std::string* key);

    const WindowOptions options_;
    bool names_node_ = false;  // the node is not among the fields it is grouped by
    record::FlowDeltas deltas_;

    Groups groups_;
    Sums other_;
    size_t key_bytes_ = 0;                    // of the keys in groups_
    int64_t start_ = 0, end_ = 0, last_ = 0;  // of the open window; last: the latest time told. 0: none has been

    std::vector<std::unique_ptr<Group>> due_;
    Sums due_other_;
    int64_t due_start_ = 0, due_length_ = 0;

    std::string key_;  // of the record at hand
    std::unique_ptr<Group> taken_;
    record::Record made_;
    std::vector<uint64_t> indices_, counts_;
    uint64_t number_ = 0;
};

}  // namespace cvf::metric
