// One TCP direction: order, overlap, gaps, skips, wrap-around, limits.
#include "flow/stream.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace cvf::flow {
namespace {

struct Taker final : StreamConsumer {
    std::string got;
    std::string log;  // gaps and the end, in their places
    std::function<size_t(Bytes)> consume = [](Bytes b) { return b.size(); };

    size_t deliver(int, Bytes b) override {
        size_t n = consume(b);
        got.append(decode::as_text(b.first(n)));
        log.append(decode::as_text(b.first(n)));
        return n;
    }
    void gap(int, uint64_t n) override { log += "<" + std::to_string(n) + ">"; }
    void closed(int) override { log += "."; }
};

struct StreamTest : testing::Test {
    Stream stream;
    Stream::Budget budget;
    Taker taker;

    void send(uint32_t sequence, std::string_view text, bool fin = false, uint32_t claimed = 0) {
        Bytes bytes(reinterpret_cast<const uint8_t*>(text.data()), text.size());
        stream.segment(0, sequence, bytes, claimed ? claimed : static_cast<uint32_t>(text.size()), fin, budget, taker);
    }
};

TEST_F(StreamTest, SegmentsInOrderPassStraightThrough) {
    stream.sync(100);
    send(100, "abc");
    send(103, "def", true);
    EXPECT_EQ(taker.log, "abcdef.");
    EXPECT_TRUE(stream.idle());
    EXPECT_EQ(stream.offset(), 6u);
}

TEST_F(StreamTest, OnlySegmentsInTheMiddleOfASkipArePassedOver) {
    stream.sync(0);
    EXPECT_FALSE(stream.pass_over(0, 4, 4, false));  // nothing is skipped yet
    taker.consume = [&](Bytes b) {
        stream.skip(10);
        return b.size();
    };
    send(0, "head");
    taker.consume = [](Bytes b) { return b.size(); };
    EXPECT_FALSE(stream.pass_over(5, 4, 4, false));  // after a hole
    EXPECT_FALSE(stream.pass_over(4, 3, 4, false));  // cut
    EXPECT_FALSE(stream.pass_over(4, 4, 4, true));
    EXPECT_TRUE(stream.pass_over(4, 9, 9, false));
    EXPECT_EQ(stream.offset(), 13u);
    EXPECT_EQ(stream.skipped(), 9u);
    EXPECT_FALSE(stream.pass_over(13, 1, 1, false));  // the consumer is told of the skip's end
    send(13, "x");
    send(14, "next");
    EXPECT_EQ(taker.log, "headnext");
    EXPECT_EQ(stream.skipped(), 10u);
}

TEST_F(StreamTest, EarlySegmentsWaitForTheirTurn) {
    stream.sync(0);
    send(6, "gh");
    send(3, "def");
    EXPECT_EQ(taker.log, "");
    EXPECT_TRUE(stream.waiting());
    send(0, "abc");
    EXPECT_EQ(taker.log, "abcdefgh");
    EXPECT_EQ(budget.used, 0u);
}

TEST_F(StreamTest, RetransmissionsAndOverlapsAreDeliveredOnce) {
    stream.sync(0);
    send(0, "abcd");
    send(0, "abcd");
    send(2, "cdef");
    send(4, "efgh");
    EXPECT_EQ(taker.log, "abcdefgh");
}

TEST_F(StreamTest, OverlappingEarlySegmentsAreDeliveredOnce) {
    stream.sync(0);
    send(4, "efgh");
    send(2, "cdef");
    send(4, "efghij");
    send(0, "ab");
    EXPECT_EQ(taker.log, "abcdefghij");
    EXPECT_EQ(budget.used, 0u);
}

TEST_F(StreamTest, SequenceNumbersWrapAround) {
    stream.sync(0xfffffffe);
    send(0xfffffffe, "ab");
    send(2, "ef");
    send(0, "cd");
    EXPECT_EQ(taker.log, "abcdef");
}

TEST_F(StreamTest, AnAcknowledgedHoleIsAGap) {
    stream.sync(0);
    send(0, "ab");
    send(5, "fg");
    stream.acknowledged(0, 2, budget, taker);
    EXPECT_EQ(taker.log, "ab");
    stream.acknowledged(0, 7, budget, taker);
    EXPECT_EQ(taker.log, "ab<3>fg");
    EXPECT_EQ(stream.gap_bytes(), 3u);
}

TEST_F(StreamTest, BytesCutByTheSnapLengthAreAGap) {
    stream.sync(0);
    send(0, "ab", false, 10);
    send(10, "cd");
    EXPECT_EQ(taker.log, "ab<8>cd");
}

TEST_F(StreamTest, FlushDeliversWhatWaitsBehindHoles) {
    stream.sync(0);
    send(2, "c");
    send(5, "f", true);
    stream.flush(0, budget, taker);
    EXPECT_EQ(taker.log, "<2>c<2>f.");
    EXPECT_EQ(budget.used, 0u);
}

TEST_F(StreamTest, UnconsumedBytesComeAgainWithMoreBehindThem) {
    stream.sync(0);
    taker.consume = [](Bytes b) { return b.size() >= 4 ? size_t{4} : size_t{0}; };
    send(0, "ab");
    EXPECT_EQ(stream.pending().size(), 2u);
    send(2, "cde");
    EXPECT_EQ(taker.log, "abcd");
    EXPECT_EQ(decode::as_text(stream.pending()), "e");
    EXPECT_EQ(budget.used, 1u);
}

TEST_F(StreamTest, TooMuchUnconsumedIsGivenUpAsAGap) {
    stream.sync(0);
    taker.consume = [](Bytes) { return size_t{0}; };
    std::string big(70'000, 'x');
    send(0, big);
    EXPECT_EQ(taker.log, "<70000>");
    EXPECT_EQ(budget.used, 0u);
    EXPECT_EQ(budget.overruns, 1u);
}

TEST_F(StreamTest, SkippedBytesAreCountedAndTheEndOfASkipIsTold) {
    stream.sync(0);
    int deliveries = 0;
    taker.consume = [&](Bytes b) {
        if (deliveries++ == 0) stream.skip(4);
        return b.size() < 2 ? b.size() : size_t{2};
    };
    send(0, "abXX");
    EXPECT_EQ(deliveries, 1);
    send(4, "XX");  // passes the skip exactly: an empty delivery tells so
    EXPECT_EQ(deliveries, 2);
    send(6, "cd");
    EXPECT_EQ(taker.log, "abcd");
    EXPECT_EQ(stream.skipped(), 4u);
}

TEST_F(StreamTest, AGapInsideASkipIsNoLoss) {
    stream.sync(0);
    bool first = true;
    taker.consume = [&](Bytes b) {
        if (first) stream.skip(8);
        first = false;
        return b.size() < 2 ? b.size() : size_t{2};
    };
    send(0, "ab");
    send(6, "XXXXcd");
    stream.flush(0, budget, taker);
    EXPECT_EQ(taker.log, "abcd");
    EXPECT_EQ(stream.gap_bytes(), 0u);
}

TEST_F(StreamTest, AHoleInWhatTheKernelWithholdsIsNotWaitedFor) {
    stream.sync(0);
    taker.consume = [&](Bytes b) {
        if (b.size() < 4) return size_t{0};
        stream.skip(10);
        return size_t{4};
    };
    send(0, "heada");  // the skip goes to 14
    send(14, "next");
    EXPECT_EQ(taker.log, "head") << "a capture's hole may be filled yet";
    stream.acknowledged(0, 18, budget, taker);
    EXPECT_EQ(taker.log, "headnext");
    stream.withheld();
    send(20, "x");  // inside the skip to 28
    stream.passed_to(0, 25, budget, taker);
    EXPECT_EQ(stream.offset(), 25u);
    send(28, "more");
    EXPECT_EQ(taker.log, "headnextmore");
    bool told = false;
    taker.consume = [&](Bytes b) { return told = b.empty(), b.size(); };
    stream.passed_to(0, 43, budget, taker);
    EXPECT_FALSE(told) << "more than is withheld has not passed unseen";
    stream.passed_to(0, 42, budget, taker);
    EXPECT_TRUE(told);
    send(42, "", true);
    EXPECT_EQ(taker.log, "headnextmore.");
    EXPECT_EQ(stream.offset(), 42u);
    EXPECT_EQ(stream.skipped(), 30u);
    EXPECT_EQ(stream.gap_bytes(), 0u);
    EXPECT_EQ(budget.used, 0u);
}

TEST_F(StreamTest, AHoleThatIsNotAllWithheldIsWaitedFor) {
    stream.sync(0);
    stream.withheld();
    taker.consume = [&](Bytes b) {
        if (taker.got.empty()) stream.skip(10);
        return b.size();
    };
    send(0, "head");
    send(15, "f");
    EXPECT_TRUE(stream.waiting());
    send(14, "e");
    EXPECT_EQ(taker.log, "headef");
    EXPECT_TRUE(stream.idle());
}

TEST_F(StreamTest, MemoryForEarlySegmentsIsBounded) {
    stream.sync(0);
    budget.per_stream = 1000;
    std::string piece(300, 'x');
    for (uint32_t i = 1; i <= 10; i++) send(i * 400, piece);
    EXPECT_LE(budget.used, 1300u);
    EXPECT_GT(budget.overruns, 0u);
    stream.release(budget);
    EXPECT_EQ(budget.used, 0u);
}

// Each of many small segments holds a place in the list, and a large one takes the room of many small ones.
TEST_F(StreamTest, NoMixOfSmallAndLargeEarlySegmentsExceedsTheLimits) {
    stream.sync(0);
    budget.per_stream = 100'000;
    for (uint32_t i = 1; i <= 700; i++) send(i * 2, "x");
    EXPECT_GT(budget.used, 700u * 40);
    const std::string large(60'000, 'y');
    for (uint32_t i = 0; i < 50; i++) {
        send(10'000 + i * 70'000, large);
        EXPECT_LE(budget.used, budget.per_stream);
    }
    budget.limit = 1000;
    send(9'000'000, large);
    EXPECT_LE(budget.used, budget.limit);
    stream.release(budget);
    EXPECT_EQ(budget.used, 0u);
}

TEST_F(StreamTest, WhatTheConsumerLeavesCountsAgainstTheLimitOfAllStreams) {
    stream.sync(0);
    taker.consume = [](Bytes) { return size_t{0}; };
    budget.limit = 1000;
    budget.used = 600;  // others'
    send(0, std::string(300, 'x'));
    EXPECT_EQ(stream.pending().size(), 300u);
    send(300, std::string(200, 'x'));
    EXPECT_EQ(stream.pending().size(), 0u);
    EXPECT_EQ(taker.log, "<500>");
    EXPECT_EQ(budget.overruns, 1u);
    EXPECT_EQ(budget.used, 600u);
}

TEST_F(StreamTest, AFinOfAShorterRepetitionDoesNotEndTheLongerSegment) {
    stream.sync(0);
    send(5, "fghij");
    send(5, "fg", true);
    send(0, "abcde");
    send(10, "k");
    EXPECT_EQ(taker.log, "abcdefghijk");
}

TEST_F(StreamTest, NothingIsDeliveredAfterTheEnd) {
    stream.sync(0);
    send(0, "ab", true);
    send(2, "cd");
    send(0, "ab", true);
    EXPECT_EQ(taker.log, "ab.");
}

}  // namespace
}  // namespace cvf::flow
