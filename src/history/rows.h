// Records on their way into an answer, in the order it asks for: by time, then by record.id.
//
// Blocks overlap in time, so a row can only go out once no block still to be read can have one before it. Held back are at most
// `limit` rows, or max_held_bytes where there is no limit or a large one; beyond that the best go out early, and the order is
// only nearly kept. Thread rule: one query's own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "history/answer.h"
#include "history/query.h"

namespace cvf::history {

inline constexpr size_t max_held_bytes = 256 * 1024 * 1024;

class Rows {
 public:
    Rows(const Query& query, const Receiver& receiver) : query_(query), receiver_(receiver) {}

    // A row that matches.
    void add(Position position, std::string_view line);
    // No row before (newest first: after) this time will come any more, that time excluded. False when the answer is complete.
    bool settle(int64_t bound);
    // Whether a row of this time could still be in the answer.
    bool wants(int64_t time) const;
    // Rows that may still go out; SIZE_MAX where there is no limit.
    size_t room() const { return query_.limit == 0 ? SIZE_MAX : query_.limit - sent_; }
    bool finish() { return settle(query_.newest_first ? INT64_MIN : INT64_MAX) && send(held_.size()); }

 private:
    struct Row {
        Position position;
        std::string line;
    };
    bool before(const Position& a, const Position& b) const { return query_.newest_first ? b < a : a < b; }
    void order();
    bool send(size_t count);

    const Query& query_;
    const Receiver& receiver_;
    std::vector<Row> held_;
    size_t ordered_ = 0;  // of held_, from its begin
    size_t held_bytes_ = 0;
    size_t sent_ = 0;
    bool stopped_ = false;
};

}  // namespace cvf::history
