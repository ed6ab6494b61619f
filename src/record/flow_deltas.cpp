#include "record/flow_deltas.h"

#include <algorithm>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace cvf::record {

namespace {

uint64_t number(const Record& record, Field field) {
    const Value* v = record.lookup(field);
    return v ? v->uint : 0;
}

uint64_t grown(uint64_t now, uint64_t before) {
    return now > before ? now - before : 0;
}

}  // namespace

FlowDelta FlowDeltas::take(const Record& record) {
    FlowDelta delta;
    const Value* start = record.lookup(Field::event_start);
    const Value* end = record.lookup(Field::event_end);
    delta.end = end ? end->sint : record.timestamp();
    delta.start = std::min(start ? start->sint : delta.end, delta.end);
    const Seen now{delta.end,
                   {number(record, Field::source_bytes), number(record, Field::destination_bytes)},
                   {number(record, Field::source_packets), number(record, Field::destination_packets)}};
    std::copy_n(now.bytes, 2, delta.bytes);
    std::copy_n(now.packets, 2, delta.packets);
    const Value* state = record.lookup(Field::flow_state);
    delta.final = !state || state->as_text() != "interim";
    const Value* id = record.lookup(Field::flow_id);
    if (!id) return delta;

    const uint64_t key = XXH3_64bits(id->text, id->size);
    const bool first = number(record, Field::flow_sequence) == 0;
    if (first && delta.final) return delta;  // most are like this: nothing to look up

    Generation* home = &young_;
    auto found = young_.find(key);
    if (found == young_.end()) {
        home = &old_;
        found = old_.find(key);
    }
    if (found != home->end()) {
        const Seen before = found->second;
        delta.start = std::min(std::max(delta.start, before.end), delta.end);
        for (int i : {0, 1}) {
            delta.bytes[i] = grown(now.bytes[i], before.bytes[i]);
            delta.packets[i] = grown(now.packets[i], before.packets[i]);
        }
        if (!delta.final && home == &young_) {
            found->second = now;
            return delta;
        }
        home->erase(found);
    } else if (!first && (forgot_ || delta.start < born_)) {
        std::fill_n(delta.bytes, 2, 0);
        std::fill_n(delta.packets, 2, 0);
        delta.start = delta.end;
    }
    if (delta.final) return delta;
    if (young_.size() >= std::max<size_t>(1, capacity_ / 2)) {
        forgot_ = forgot_ || !old_.empty();
        old_.swap(young_);
        young_.clear();
    }
    young_.emplace(key, now);
    return delta;
}

}  // namespace cvf::record
