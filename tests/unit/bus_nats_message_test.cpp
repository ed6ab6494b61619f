// What JetStream says of a message in its reply subject, in the old form and the new.
#include "bus/nats_message.h"

#include <gtest/gtest.h>

namespace cvf::bus {
namespace {

TEST(NatsDelivery, is_read_from_the_subject_for_acknowledgements) {
    const auto old = nats_delivery("$JS.ACK.KV_cvf-directives.x7Yq.1.42.7.1700000000000000000.3");
    ASSERT_TRUE(old);
    EXPECT_EQ(old->stream_sequence, 42u);
    EXPECT_EQ(old->consumer_sequence, 7u);
    EXPECT_EQ(old->pending, 3u);
    for (const char* text :
         {"$JS.ACK.hub.acc.KV_b.c.1.42.7.1700000000000000000.3", "$JS.ACK._.acc.KV_b.c.1.42.7.1700000000000000000.3.r4nd"}) {
        const auto now = nats_delivery(text);
        ASSERT_TRUE(now) << text;
        EXPECT_EQ(now->stream_sequence, 42u);
        EXPECT_EQ(now->consumer_sequence, 7u);
        EXPECT_EQ(now->pending, 3u);
    }
}

TEST(NatsDelivery, is_absent_from_other_subjects) {
    for (const char* text :
         {"", ".", "$JS", "_INBOX.a.b", "$JS.ACK.s.c.1.42.7.1", "$JS.ACK.s.c.1.42.7.1.3.x", "$JS.NAK.s.c.1.42.7.1.3",
          "$JS.ACK.s.c.1.forty.7.1.3", "$JS.ACK.s.c.1.42.7x.1.3", "$JS.ACK.s.c.1.42.7.1.",
          "$JS.ACK.s.c.1.42.99999999999999999999999.1.3", "............................"})
        EXPECT_FALSE(nats_delivery(text)) << text;
}

}  // namespace
}  // namespace cvf::bus
