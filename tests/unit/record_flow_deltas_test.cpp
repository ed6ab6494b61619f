// What came since a conversation's record before.
#include "record/flow_deltas.h"

#include <gtest/gtest.h>

#include <string>

namespace cvf::record {
namespace {

constexpr int64_t begun = 1'767'323'045'000'000'000;

class FlowDeltasTest : public testing::Test {
 protected:
    // The conversation `id`, begun at `begun`: so many packets and bytes from the source by now, twice as many packets back.
    Record& flow(std::string_view id, bool final, uint64_t sequence, uint64_t packets, uint64_t bytes) {
        record_.begin(RecordType::flow, begun + static_cast<int64_t>(sequence + 1) * 1'000'000'000);
        record_.copy(Field::flow_id, id);
        record_.time(Field::event_start, begun);
        record_.time(Field::event_end, record_.timestamp());
        record_.text(Field::flow_state, final ? "final" : "interim");
        record_.uint(Field::flow_sequence, sequence);
        record_.uint(Field::source_packets, packets);
        record_.uint(Field::destination_packets, 2 * packets);
        record_.uint(Field::source_bytes, bytes);
        record_.uint(Field::destination_bytes, 10 * bytes);
        return record_;
    }
    Record record_;
};

TEST_F(FlowDeltasTest, adds_up_to_the_conversations_totals) {
    FlowDeltas deltas(0);
    uint64_t bytes[2]{}, packets[2]{};
    const auto add = [&](const FlowDelta& delta) {
        for (int i : {0, 1}) bytes[i] += delta.bytes[i], packets[i] += delta.packets[i];
    };
    for (uint64_t i = 0; i < 20; i++) add(deltas.take(flow("aa", false, i, 5 * (i + 1), 500 * (i + 1))));
    const FlowDelta last = deltas.take(flow("aa", true, 20, 101, 10'007));
    EXPECT_TRUE(last.final);
    EXPECT_EQ(last.start, begun + 20'000'000'000);
    EXPECT_EQ(last.end, begun + 21'000'000'000);
    add(last);
    EXPECT_EQ(bytes[0], 10'007u);
    EXPECT_EQ(bytes[1], 100'070u);
    EXPECT_EQ(packets[0], 101u);
    EXPECT_EQ(packets[1], 202u);
}

TEST_F(FlowDeltasTest, counts_too_little_rather_than_twice_when_it_has_forgotten) {
    FlowDeltas deltas(0, 4);
    EXPECT_EQ(deltas.take(flow("aa", false, 0, 10, 1000)).bytes[0], 1000u);
    for (const char* id : {"b", "c", "d", "e", "f", "g", "h"}) deltas.take(flow(id, false, 0, 1, 100));
    EXPECT_EQ(deltas.take(flow("aa", false, 1, 15, 1500)).bytes[0], 0u);
    const FlowDelta last = deltas.take(flow("aa", true, 2, 16, 1600));
    EXPECT_EQ(last.bytes[0], 100u);
    EXPECT_EQ(last.packets[1], 2u);
    EXPECT_TRUE(last.final);
}

TEST_F(FlowDeltasTest, forgets_the_longest_untouched_first) {
    FlowDeltas deltas(0, 8);
    deltas.take(flow("kept", false, 0, 1, 100));
    deltas.take(flow("left", false, 0, 1, 100));
    for (uint64_t i = 1; i < 30; i++) {
        deltas.take(flow(std::to_string(i), false, 0, 1, 100));
        EXPECT_EQ(deltas.take(flow("kept", false, i, 1 + i, 100 + i)).bytes[0], 1u) << i;
    }
    EXPECT_EQ(deltas.take(flow("left", true, 1, 9, 900)).bytes[0], 0u);
}

TEST_F(FlowDeltasTest, takes_a_conversation_whole_whose_first_records_were_filtered_away) {
    FlowDeltas deltas(begun - 1);
    EXPECT_EQ(deltas.take(flow("aa", true, 5, 10, 1000)).bytes[0], 1000u);
    FlowDeltas younger(begun + 1);
    EXPECT_EQ(younger.take(flow("aa", true, 5, 10, 1000)).bytes[0], 0u) << "some of it may have been sent by an earlier life";
}

}  // namespace
}  // namespace cvf::record
