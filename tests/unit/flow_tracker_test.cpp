// Conversations told apart, counted, timed, ended and reported.
#include "flow/tracker.h"

#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <vector>

#include "flow/community_id.h"
#include "record/json.h"

namespace cvf::flow {
namespace {

constexpr int64_t second = 1'000'000'000, ms = 1'000'000, t0 = 1'700'000'000 * second;
constexpr uint8_t fin = decode::tcp_fin, syn = decode::tcp_syn, rst = decode::tcp_rst, ack = decode::tcp_ack;

// Records as their text.
struct Recorder final : Output {
    std::vector<std::string> lines;
    std::vector<std::pair<uint64_t, protocol::Want>> wants;

    void emit(record::Record& record, const Flow&) override {
        record::Buffer text;
        record::write_json(record, nullptr, text);
        lines.emplace_back(text.view());
    }
    void want(uint64_t cookie, bool, protocol::Want want) override { wants.emplace_back(cookie, want); }

    std::vector<std::string> of(std::string_view type) const {
        std::vector<std::string> out;
        for (const auto& l : lines)
            if (l.find("\"record.type\":\"" + std::string(type) + "\"") != std::string::npos) out.push_back(l);
        return out;
    }
};

// The value of a key as it is written; empty when absent.
std::string at(const std::string& line, const std::string& key) {
    const std::string head = "\"" + key + "\":";
    size_t from = line.find(head);
    if (from == std::string::npos) return {};
    from += head.size();
    const size_t to = line[from] == '[' ? line.find(']', from) + 1 : line.find_first_of(",}", from);
    std::string value = line.substr(from, to - from);
    return value.front() == '"' ? value.substr(1, value.size() - 2) : value;
}

decode::Address host(int last) {
    const uint8_t bytes[4] = {10, 0, 0, static_cast<uint8_t>(last)};
    return decode::Address::v4(bytes);
}

struct FlowTracker : testing::Test {
    Options options;
    Recorder out;
    std::unique_ptr<Tracker> tracker;
    std::deque<std::string> texts;
    int64_t now = t0;

    FlowTracker() { remake(); }
    void remake() { tracker = std::make_unique<Tracker>(options, out); }

    decode::Packet ip(int from, int to, uint8_t protocol, std::string_view payload) {
        decode::Packet p;
        p.time = now;
        p.network = decode::Network::ipv4;
        p.ip_protocol = protocol;
        p.source = host(from), p.destination = host(to);
        texts.emplace_back(payload);
        p.payload = {reinterpret_cast<const uint8_t*>(texts.back().data()), payload.size()};
        p.payload_length = static_cast<uint32_t>(payload.size());
        p.ip_length = p.payload_length + 28;
        p.wire_length = p.ip_length + 14;
        p.has_transport = protocol != decode::ip_protocol::icmp;
        return p;
    }
    decode::Packet segment(bool client, uint8_t flags, uint32_t sequence, uint32_t acknowledgment,
                           std::string_view payload = {}) {
        decode::Packet p = client ? ip(1, 2, 6, payload) : ip(2, 1, 6, payload);
        p.source_port = client ? 40000 : 8888;
        p.destination_port = client ? 8888 : 40000;
        p.tcp.flags = flags;
        p.tcp.sequence = sequence;
        p.tcp.acknowledgment = acknowledgment;
        p.tcp.window = 1000;
        return p;
    }
    void client(uint8_t flags, uint32_t sequence, uint32_t acknowledgment, std::string_view payload = {}) {
        tracker->packet(segment(true, flags, sequence, acknowledgment, payload));
    }
    void server(uint8_t flags, uint32_t sequence, uint32_t acknowledgment, std::string_view payload = {}) {
        tracker->packet(segment(false, flags, sequence, acknowledgment, payload));
    }
    void datagram(int from, int to, uint16_t source, uint16_t destination, std::string_view payload) {
        decode::Packet p = ip(from, to, 17, payload);
        p.source_port = source, p.destination_port = destination;
        tracker->packet(p);
    }
    void handshake() {
        client(syn, 100, 0);
        now += 10 * ms;
        server(syn | ack, 500, 101);
        now += 2 * ms;
        client(ack, 101, 501);
    }
    void goodbye(uint32_t c = 101, uint32_t s = 501) {
        client(fin | ack, c, s);
        server(fin | ack, s, c + 1);
        client(ack, c + 1, s + 1);
    }
    std::string only_flow() {
        tracker->finish();
        auto flows = out.of("flow");
        EXPECT_EQ(flows.size(), 1u);
        return flows.empty() ? std::string() : flows.back();
    }
};

TEST_F(FlowTracker, AHandshakeGivesBothLatenciesAndTheInitiator) {
    handshake();
    const std::string f = only_flow();
    EXPECT_EQ(at(f, "cvf.tcp.state"), "established");
    EXPECT_EQ(at(f, "cvf.tcp.connect.duration"), "10000000");
    EXPECT_EQ(at(f, "cvf.tcp.handshake.duration"), "12000000");
    EXPECT_EQ(at(f, "cvf.flow.initiator_by"), "syn");
    EXPECT_EQ(at(f, "source.address"), "10.0.0.1");
    EXPECT_EQ(at(f, "source.cvf.tcp.rtt"), "10000000");
    EXPECT_EQ(at(f, "destination.cvf.tcp.rtt"), "2000000");
    EXPECT_EQ(at(f, "network.packets"), "3");
    EXPECT_EQ(at(f, "cvf.flow.reason"), "end");
}

TEST_F(FlowTracker, TwoFinsEndItAndAResetResetsIt) {
    handshake();
    goodbye();
    std::string f = only_flow();
    EXPECT_EQ(at(f, "cvf.flow.reason"), "fin");
    EXPECT_EQ(at(f, "cvf.tcp.state"), "closed");
    out.lines.clear();
    remake();
    handshake();
    server(rst | ack, 501, 101);
    f = only_flow();
    EXPECT_EQ(at(f, "cvf.flow.reason"), "reset");
    EXPECT_EQ(at(f, "cvf.tcp.state"), "reset");
    EXPECT_EQ(at(f, "destination.cvf.tcp.resets"), "1");
}

TEST_F(FlowTracker, ARefusedConnectionIsOneFlow) {
    client(syn, 100, 0);
    server(rst | ack, 0, 101);
    const std::string f = only_flow();
    EXPECT_EQ(at(f, "cvf.tcp.state"), "reset");
    EXPECT_EQ(at(f, "network.packets"), "2");
    EXPECT_EQ(at(f, "destination.cvf.tcp.gap.bytes"), "");
}

TEST_F(FlowTracker, TheStateDecidesHowLongSilenceMayLast) {
    client(syn, 100, 0);  // half open: 30 s
    tracker->advance(now + 29 * second);
    EXPECT_EQ(tracker->size(), 1u);
    tracker->advance(now + 33 * second);
    EXPECT_EQ(tracker->size(), 0u);
    EXPECT_EQ(at(out.of("flow").back(), "cvf.flow.reason"), "idle");
    now += 40 * second;
    handshake();  // established: 300 s
    tracker->advance(now + 290 * second);
    EXPECT_EQ(tracker->size(), 1u);
    now += 291 * second;
    goodbye();  // closed: 5 s
    tracker->advance(now + 8 * second);
    EXPECT_EQ(tracker->size(), 0u);
    EXPECT_EQ(at(out.of("flow").back(), "cvf.flow.reason"), "fin");
}

TEST_F(FlowTracker, ALeapOverManyTurnsOfTheWheelExpiresEverything) {
    for (int i = 0; i < 200; i++) {
        datagram(1, 2, static_cast<uint16_t>(1000 + i), 9999, "x");
        now += second;
    }
    tracker->advance(now + 100'000 * second);
    EXPECT_EQ(tracker->size(), 0u);
    now += 100'001 * second;
    datagram(1, 2, 1, 2, "x");
    tracker->advance(now + 70 * second);
    EXPECT_EQ(tracker->size(), 0u);
    for (const auto& f : out.of("flow")) EXPECT_EQ(at(f, "cvf.flow.reason"), "idle");
}

// Requests that wait for their responses cost memory; all conversations share one limit of it.
TEST_F(FlowTracker, WhatDissectorsKeepIsCountedAgainstTheMemoryLimit) {
    options.reassembly_bytes = 256 << 10;
    remake();
    std::string request = "GET / HTTP/1.1\r\nHost: h\r\n";
    for (int i = 0; i < 20; i++) request += "Via: " + std::string(1000, 'v') + "\r\n";
    request += "\r\n";
    const auto open = [&](int host, uint32_t requests) {
        for (uint32_t i = 0; i < requests; i++) {
            decode::Packet p = segment(true, ack, 101 + i * static_cast<uint32_t>(request.size()), 501, request);
            p.source = ip(host, 2, 6, "").source;
            tracker->packet(p);
        }
    };
    for (int host = 10; host < 14; host++) open(host, 2);  // 160 KB
    EXPECT_EQ(tracker->reassembly_overruns(), 0u);
    EXPECT_TRUE(out.of("http").empty());
    for (int host = 14; host < 30; host++) open(host, 2);
    EXPECT_GT(tracker->reassembly_overruns(), 10u);
    // What was given up has been recorded, and the first are as they were.
    EXPECT_GE(out.of("http").size(), tracker->reassembly_overruns());
    for (const auto& r : out.of("http")) EXPECT_GE(at(r, "source.address"), "10.0.0.14");
    // The memory comes back with the end of conversations.
    const uint64_t before = tracker->reassembly_overruns();
    now += 1000 * second;
    tracker->advance(now);
    EXPECT_EQ(tracker->size(), 0u);
    for (int host = 10; host < 14; host++) open(host, 2);
    EXPECT_EQ(tracker->reassembly_overruns(), before);
}

TEST_F(FlowTracker, AClockThatIsSetBackTimesConversationsAnew) {
    datagram(1, 2, 1, 2, "x");
    tracker->advance(now + second);
    now -= 3600 * second;
    tracker->advance(now);
    EXPECT_EQ(tracker->size(), 1u);
    datagram(3, 4, 1, 2, "y");
    tracker->advance(now += 50 * second);
    EXPECT_EQ(tracker->size(), 2u);
    tracker->advance(now += 15 * second);
    EXPECT_EQ(tracker->size(), 0u);
    for (const auto& f : out.of("flow")) EXPECT_EQ(at(f, "cvf.flow.reason"), "idle");
}

TEST_F(FlowTracker, AClockThatIsSetBackDoesNotDelayReports) {
    options.report_every = 10 * second;
    remake();
    datagram(1, 2, 1, 2, "x");
    tracker->advance(now -= 3600 * second);
    tracker->advance(now += 12 * second);
    EXPECT_EQ(out.of("flow").size(), 1u);
}

TEST_F(FlowTracker, TimeThatGoesBackHarmsNothing) {
    datagram(1, 2, 1, 2, "x");
    now -= 1000 * second;
    datagram(2, 1, 2, 1, "y");
    datagram(3, 4, 1, 2, "z");
    tracker->finish();
    ASSERT_EQ(out.of("flow").size(), 2u);
    EXPECT_EQ(at(out.of("flow")[0], "event.duration"), "0");
    EXPECT_EQ(at(out.of("flow")[0], "network.packets"), "2");
}

TEST_F(FlowTracker, BytesSentAgainAreRetransmitsAndOvertakenOnesAreNot) {
    handshake();
    client(ack, 101, 501, "aaaa");
    now += 300 * ms;
    client(ack, 101, 501, "aaaa");  // again
    client(ack, 109, 501, "cccc");  // before its turn
    now += ms;
    client(ack, 105, 501, "bbbb");  // overtaken
    const std::string f = only_flow();
    EXPECT_EQ(at(f, "source.cvf.tcp.retransmits"), "1");
    EXPECT_EQ(at(f, "source.cvf.tcp.out_of_order"), "1");
    EXPECT_EQ(at(f, "source.cvf.tcp.gap.bytes"), "");
}

TEST_F(FlowTracker, AHoleFilledLateWasARetransmission) {
    handshake();
    client(ack, 105, 501, "bbbb");
    now += 200 * ms;
    client(ack, 101, 501, "aaaa");
    const std::string f = only_flow();
    EXPECT_EQ(at(f, "source.cvf.tcp.retransmits"), "1");
    EXPECT_EQ(at(f, "source.cvf.tcp.out_of_order"), "");
}

TEST_F(FlowTracker, AnEarlyFinOfAnOvertakenSegmentIsNoRetransmission) {
    handshake();
    client(fin | ack, 105, 501);
    now += ms;
    client(ack, 101, 501, "aaaa");
    const std::string f = only_flow();
    EXPECT_EQ(at(f, "source.cvf.tcp.out_of_order"), "1");
    EXPECT_EQ(at(f, "source.cvf.tcp.retransmits"), "");
}

TEST_F(FlowTracker, KeepAliveProbesAreNoRetransmissions) {
    handshake();
    client(ack, 101, 501, "aaaa");
    client(ack, 104, 501, "a");
    EXPECT_EQ(at(only_flow(), "source.cvf.tcp.retransmits"), "");
}

TEST_F(FlowTracker, ASynSentAgainCountsOnceAndStaysOneFlow) {
    client(syn, 100, 0);
    now += second;
    client(syn, 100, 0);
    server(syn | ack, 500, 101);
    client(ack, 101, 501);
    client(ack, 101, 501, "aaaa");
    client(syn, 100, 0);  // a copy that was long under way
    const std::string f = only_flow();
    EXPECT_EQ(at(f, "source.cvf.tcp.retransmits"), "2");
    EXPECT_EQ(at(f, "destination.cvf.tcp.retransmits"), "");
    EXPECT_EQ(at(f, "cvf.tcp.connect.duration"), "1000000000");
}

TEST_F(FlowTracker, ASynAckThatOvertookTheSynIsOneFlow) {
    server(syn | ack, 500, 101);
    client(syn, 100, 0);
    client(ack, 101, 501);
    const std::string f = only_flow();
    EXPECT_EQ(at(f, "source.address"), "10.0.0.1");
    EXPECT_EQ(at(f, "source.cvf.tcp.retransmits"), "");
    EXPECT_EQ(at(f, "cvf.tcp.state"), "established");
}

TEST_F(FlowTracker, ASimultaneousOpenBelongsToWhoWasFirst) {
    client(syn, 100, 0);
    server(syn, 500, 0);
    client(syn | ack, 100, 501);
    server(syn | ack, 500, 101);
    const std::string f = only_flow();
    EXPECT_EQ(at(f, "source.address"), "10.0.0.1");
    EXPECT_EQ(at(f, "network.packets"), "4");
}

TEST_F(FlowTracker, DataOfASynStandsBehindIt) {
    client(syn, 100, 0, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    server(syn | ack, 500, 128);
    server(ack, 501, 128, "HTTP/1.1 204 No Content\r\n\r\n");
    client(ack, 128, 528);
    client(syn, 100, 0, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");  // again: the same conversation
    tracker->finish();
    ASSERT_EQ(out.of("http").size(), 1u);
    ASSERT_EQ(out.of("flow").size(), 1u);
    EXPECT_EQ(at(out.of("http")[0], "http.response.status_code"), "204");
    EXPECT_EQ(at(out.of("flow")[0], "source.cvf.tcp.gap.bytes"), "");
}

TEST_F(FlowTracker, AcknowledgedBytesThatWereNotSeenAreAGap) {
    handshake();
    client(ack, 101, 501, "aaaa");
    client(ack, 115, 501, "cccc");
    server(ack, 501, 119);
    EXPECT_EQ(at(only_flow(), "source.cvf.tcp.gap.bytes"), "10");
}

TEST_F(FlowTracker, OneSidedTrafficCountsWhatTheOtherEndMustHaveSent) {
    client(ack, 1000, 5000, "abcd");
    client(ack, 1004, 5100, "abcd");
    const std::string f = only_flow();
    EXPECT_EQ(at(f, "cvf.tcp.state"), "partial");
    EXPECT_EQ(at(f, "cvf.flow.initiator_by"), "first_packet");
    EXPECT_EQ(at(f, "destination.packets"), "0");
    EXPECT_EQ(at(f, "destination.cvf.tcp.gap.bytes"), "100");
}

TEST_F(FlowTracker, SequenceNumbersWrapAround) {
    client(syn, 0xfffffffd, 0);
    server(syn | ack, 0xffffffff, 0xfffffffe);
    client(ack, 0xfffffffe, 0);
    client(ack, 0xfffffffe, 0, "aaaaaa");
    server(ack, 0, 4, "bbb");
    client(ack, 4, 3, "cc");
    const std::string f = only_flow();
    EXPECT_EQ(at(f, "source.cvf.tcp.gap.bytes"), "");
    EXPECT_EQ(at(f, "source.cvf.tcp.retransmits"), "");
    EXPECT_EQ(at(f, "source.cvf.payload.bytes"), "8");
}

TEST_F(FlowTracker, AClosedWindowIsCountedWhenItCloses) {
    handshake();
    for (const uint16_t window : std::vector<uint16_t>{0, 0, 10, 0}) {
        decode::Packet p = segment(false, ack, 501, 101);
        p.tcp.window = window;
        tracker->packet(p);
    }
    EXPECT_EQ(at(only_flow(), "destination.cvf.tcp.zero_windows"), "2");
}

TEST_F(FlowTracker, TheRoundTripIsNeverMeasuredOnWhatWasSentTwice) {
    handshake();
    client(ack, 101, 501, "aaaa");
    now += 500 * ms;
    client(ack, 101, 501, "aaaa");
    now += ms;
    server(ack, 501, 105);
    EXPECT_EQ(at(only_flow(), "source.cvf.tcp.rtt"), "10000000");  // the handshake's alone
}

TEST_F(FlowTracker, TheHandshakeOfASynSentTwiceGivesNoRoundTripOfIt) {
    client(syn, 100, 0);
    now += second;
    client(syn, 100, 0);
    now += 10 * ms;
    server(syn | ack, 500, 101);
    now += 2 * ms;
    client(ack, 101, 501);
    const std::string f = only_flow();
    EXPECT_EQ(at(f, "source.cvf.tcp.rtt"), "");
    EXPECT_EQ(at(f, "destination.cvf.tcp.rtt"), "2000000");
    EXPECT_EQ(at(f, "cvf.tcp.connect.duration"), "1010000000");
}

// Once nobody wants the bytes, holes are no longer kept open; overtaken segments are still told from those sent again.
TEST_F(FlowTracker, OvertakenSegmentsOfAnUnknownProtocolAreNoRetransmissions) {
    handshake();
    client(ack, 101, 501, "\x01\x02 what is this\n");
    const uint32_t next = 101 + 16;
    client(ack, next + 10, 501, "0123456789");  // before its turn
    now += ms;
    client(ack, next, 501, "0123456789");  // overtaken
    client(ack, next + 30, 501, "0123456789");
    now += 200 * ms;
    client(ack, next + 20, 501, "0123456789");  // lost, and sent again
    const std::string f = only_flow();
    EXPECT_EQ(at(f, "source.cvf.tcp.out_of_order"), "1");
    EXPECT_EQ(at(f, "source.cvf.tcp.retransmits"), "1");
}

// Where only one direction is seen, no acknowledgment tells that a hole will not be filled.
TEST_F(FlowTracker, AHoleInOneSidedTrafficIsNotWaitedForForEver) {
    options.report_every = second;
    remake();
    client(syn, 100, 0);
    client(ack, 101, 501, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n");
    client(ack, 229, 501, "GET /3 HTTP/1.1\r\nHost: x\r\n\r\n");  // 100 bytes are missing
    now += 9 * second;
    client(ack, 257, 501, "GET /4 HTTP/1.1\r\nHost: x\r\n\r\n");
    tracker->advance(now + second);
    EXPECT_EQ(at(out.of("flow").back(), "source.cvf.tcp.gap.bytes"), "");
    now += 2 * second;
    client(ack, 285, 501, "GET /5 HTTP/1.1\r\nHost: x\r\n\r\n");
    tracker->advance(now + 2 * second);
    EXPECT_EQ(at(out.of("flow").back(), "source.cvf.tcp.gap.bytes"), "100");
}

TEST_F(FlowTracker, TheSamePortsAgainAreAnotherFlow) {
    handshake();
    goodbye();
    client(syn, 9000, 0);
    tracker->finish();
    auto flows = out.of("flow");
    ASSERT_EQ(flows.size(), 2u);
    EXPECT_EQ(at(flows[0], "cvf.flow.reason"), "fin");
    EXPECT_EQ(at(flows[1], "cvf.tcp.state"), "syn_sent");
    EXPECT_EQ(at(flows[0], "network.community_id"), at(flows[1], "network.community_id"));
    EXPECT_NE(at(flows[0], "flow.id"), at(flows[1], "flow.id"));
}

TEST_F(FlowTracker, AClosedFlowThatIsFollowedLateWasNotIdle) {
    handshake();
    goodbye();
    now += 5 * second + 500 * ms;
    client(syn, 100, 0);  // even with the same number
    tracker->finish();
    ASSERT_EQ(out.of("flow").size(), 2u);
    EXPECT_EQ(at(out.of("flow")[0], "cvf.flow.reason"), "fin");
}

TEST_F(FlowTracker, LongConversationsAreReportedOnTheWay) {
    options.report_every = 10 * second;
    remake();
    for (int i = 0; i < 25; i++) {
        datagram(1, 2, 5, 6, "x");
        now += second;
        tracker->advance(now);
    }
    tracker->finish();
    auto flows = out.of("flow");
    ASSERT_EQ(flows.size(), 3u);
    EXPECT_EQ(at(flows[0], "cvf.flow.state"), "interim");
    EXPECT_EQ(at(flows[1], "cvf.flow.sequence"), "1");
    EXPECT_EQ(at(flows[2], "cvf.flow.state"), "final");
    EXPECT_EQ(at(flows[2], "network.packets"), "25");
    EXPECT_NE(at(flows[0], "record.id"), at(flows[1], "record.id"));
}

TEST_F(FlowTracker, AFullTableGivesUpAnOldFlowAndCountsIt) {
    options.max_flows = 3;
    remake();
    for (uint16_t i = 1; i <= 5; i++) datagram(1, 2, i, 99, "x");
    EXPECT_EQ(tracker->size(), 3u);
    EXPECT_EQ(tracker->counters().evicted, 2u);
    ASSERT_EQ(out.of("flow").size(), 2u);
    EXPECT_EQ(at(out.of("flow")[0], "cvf.flow.reason"), "evicted");
    EXPECT_EQ(at(out.of("flow")[0], "source.port"), "1");
}

TEST_F(FlowTracker, ReassemblyOverItsLimitIsCounted) {
    options.reassembly_bytes = 1000;
    remake();
    client(syn, 99, 0);
    client(ack, 100, 1, "GET / HTTP/1.1\r\n");  // a head begun, which is waited for
    client(ack, 1000, 1, std::string(600, 'x'));
    EXPECT_EQ(tracker->reassembly_overruns(), 0u);
    client(ack, 2000, 1, std::string(600, 'x'));
    EXPECT_GE(tracker->reassembly_overruns(), 1u);
}

TEST_F(FlowTracker, EchoAndReplyAreOneFlowAndErrorsTheirOwn) {
    tracker->packet(ip(1, 2, 1, std::string("\x08\x00\x00\x00\x12\x34\x00\x01", 8)));
    tracker->packet(ip(2, 1, 1, std::string("\x00\x00\x00\x00\x12\x34\x00\x01", 8)));
    tracker->packet(ip(2, 1, 1, std::string("\x03\x01\x00\x00\x00\x00\x00\x00", 8)));
    tracker->finish();
    auto flows = out.of("flow");
    ASSERT_EQ(flows.size(), 2u);
    EXPECT_EQ(at(flows[0], "network.packets"), "2");
    EXPECT_EQ(at(flows[0], "source.address"), "10.0.0.1");
    EXPECT_EQ(at(flows[1], "source.address"), "10.0.0.2");
}

TEST_F(FlowTracker, AReplyMetFirstHasTheIdAndTheDirectionOfItsRequest) {
    const std::string request("\x08\x00\x00\x00\x12\x34\x00\x01", 8), reply("\x00\x00\x00\x00\x12\x34\x00\x01", 8);
    tracker->packet(ip(1, 2, 1, request));
    const std::string whole = only_flow();
    out.lines.clear();
    remake();
    tracker->packet(ip(2, 1, 1, reply));
    const std::string half = only_flow();
    EXPECT_EQ(at(half, "source.address"), "10.0.0.1");
    EXPECT_EQ(at(half, "cvf.flow.initiator_by"), "protocol");
    EXPECT_EQ(at(half, "network.community_id"), at(whole, "network.community_id"));
}

TEST_F(FlowTracker, MetInTheMiddleTheWellKnownPortIsTheResponder) {
    datagram(2, 1, 53, 40000, "x");
    const std::string f = only_flow();
    EXPECT_EQ(at(f, "source.port"), "40000");
    EXPECT_EQ(at(f, "cvf.flow.initiator_by"), "port");
}

TEST_F(FlowTracker, MetInTheMiddleAPortGivenToClientsIsTheInitiators) {
    server(ack, 500, 100, "what");
    const std::string f = only_flow();
    EXPECT_EQ(at(f, "source.port"), "40000");
    EXPECT_EQ(at(f, "cvf.flow.initiator_by"), "port");
}

TEST_F(FlowTracker, ProtocolsAreFoundInTheMiddleAndKnowWhoAsked) {
    server(ack, 500, 100, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    client(ack, 100, 538, "GET /next HTTP/1.1\r\nHost: x\r\n\r\n");
    const std::string f = only_flow();
    EXPECT_EQ(at(f, "network.protocol.name"), "http");
    EXPECT_EQ(at(f, "source.address"), "10.0.0.1");
    EXPECT_EQ(at(f, "cvf.flow.initiator_by"), "protocol");
}

TEST_F(FlowTracker, UnknownDatagramsAreLookedAtAFewTimesOnly) {
    for (int i = 0; i < 10; i++) datagram(1, 2, 7000, 7001, "\xff\xfe\xfd nothing known");
    // By now even a DNS query is not looked at.
    datagram(1, 2, 7000, 7001, std::string("\x12\x34\x01\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1", 19));
    tracker->finish();
    EXPECT_EQ(at(out.of("flow")[0], "network.protocol.name"), "");
    EXPECT_EQ(at(out.of("flow")[0], "network.packets"), "11");
}

TEST_F(FlowTracker, ChecksOfTheWayByStunDoNotEndTheSearch) {
    const std::string check = std::string("\0\1\0\0\x21\x12\xa4\x42", 8) + std::string(12, 't');
    const std::string query("\x12\x34\1\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1", 19);
    for (int i = 0; i < 40; i++) datagram(1 + i % 2, 2 - i % 2, 7000, 7000, check);
    datagram(1, 2, 7000, 7000, query);
    // But not for ever.
    for (int i = 0; i < 96; i++) datagram(1, 2, 7002, 7002, check);
    datagram(1, 2, 7002, 7002, query);
    tracker->finish();
    ASSERT_EQ(out.of("flow").size(), 2u);
    EXPECT_EQ(at(out.of("flow")[0], "network.protocol.name"), "dns");
    EXPECT_EQ(at(out.of("flow")[1], "network.protocol.name"), "");
}

TEST_F(FlowTracker, AProtocolThatWasWronglyFoundLeavesTheFlowToOthers) {
    // The form of a DTLS ClientHello, and nothing in it; then a DNS query.
    datagram(1, 2, 40000, 5300, std::string("\x16\xfe\xfd\0\0\0\0\0\0\0\0\0\x0e\1\0\0\2\0\0\0\0\0\0\0\2zz", 27));
    uint64_t violations = 0;
    for (uint64_t n : tracker->counters().violations) violations += n;
    EXPECT_EQ(violations, 1u);
    const std::string query("\x12\x34\1\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1", 19);
    datagram(1, 2, 40000, 5300, query);
    datagram(2, 1, 5300, 40000, "\x12\x34\x81\x83" + query.substr(4));
    const std::string f = only_flow();
    EXPECT_EQ(at(f, "network.protocol.name"), "dns");
    EXPECT_EQ(at(f, "cvf.violation"), "");
}

TEST_F(FlowTracker, ChunksOfSctpAreGatheredToTheEnd) {
    for (int i = 0; i < 20; i++) tracker->packet(ip(1, 2, 132, std::string("\x00\x00\x00\x05z\0\0\0", 8)));
    tracker->packet(ip(1, 2, 132, std::string("\x07\x00\x00\x08\0\0\0\0\xc1\0\0\4\x63\0\0\4\x0f\0\0\4", 20)));
    EXPECT_EQ(at(only_flow(), "cvf.sctp.chunk.types"), "[\"DATA\",\"SHUTDOWN\",\"AUTH\",\"ASCONF\"]");
}

TEST_F(FlowTracker, UnknownAddressesOfTheLinkAreLeftOut) {
    decode::Packet p = ip(1, 2, 17, "x");
    p.has_mac = true;
    p.source_mac[5] = 7;
    tracker->packet(p);
    std::string f = only_flow();
    EXPECT_EQ(at(f, "source.mac"), "00-00-00-00-00-07");
    EXPECT_EQ(at(f, "destination.mac"), "");
    out.lines.clear();
    remake();
    p.tunnel_count = 1;
    p.tunnels[0].type = decode::TunnelType::vxlan;
    p.tunnels[0].family = 4;
    tracker->packet(p);
    f = only_flow();
    EXPECT_EQ(at(f, "source.mac"), "");
    EXPECT_EQ(at(f, "cvf.tunnel.types"), "[\"vxlan\"]");
}

TEST_F(FlowTracker, ASegmentWithoutAWholeHeaderIsCountedOnly) {
    decode::Packet p = segment(true, ack, 1, 1, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    p.has_transport = false;
    tracker->packet(p);
    tracker->finish();
    EXPECT_TRUE(out.of("http").empty());
    EXPECT_EQ(at(out.of("flow")[0], "network.packets"), "1");
}

TEST_F(FlowTracker, SocketsAreNotExpiredNorEvictedAndEndOnce) {
    options.max_flows = 1;
    options.report_every = 0;
    remake();
    Key key;
    key.a = host(1), key.b = host(2);
    key.a_port = 40000, key.b_port = 80;
    key.protocol = 6, key.family = 4;
    Flow* one = tracker->open_socket(key, 0, InitiatorBy::socket, now);
    Flow* two = tracker->open_socket(key, 0, InitiatorBy::socket, now);  // the same tuple: another socket
    Flow* three = tracker->open_socket(key, 0, InitiatorBy::socket, now);
    one->ends[0].cookie = 11;
    tracker->advance(now + 5000 * second);
    EXPECT_EQ(tracker->size(), 3u);
    one->tcp = TcpState::established;
    tracker->segment(*one, 0, segment(true, ack, 101, 501, "\xff\xff no protocol at all"));
    ASSERT_FALSE(out.wants.empty());  // the kernel is told that nothing more is wanted
    EXPECT_EQ(out.wants.back(), std::pair(uint64_t{11}, protocol::Want::none));
    tracker->discard(*two);
    EXPECT_TRUE(out.of("flow").empty());
    tracker->end_socket(*one, now + 5001 * second, EndReason::closed);
    ASSERT_EQ(out.of("flow").size(), 1u);
    EXPECT_EQ(at(out.of("flow")[0], "cvf.flow.reason"), "closed");
    EXPECT_EQ(at(out.of("flow")[0], "network.direction"), "outbound");
    tracker->finish();
    EXPECT_EQ(out.of("flow").size(), 2u);
    EXPECT_EQ(tracker->size(), 0u);
    EXPECT_EQ(tracker->counters().flows, 2u);
    (void)three;
}

TEST_F(FlowTracker, TheFirstCommentsOnItsPacketsAreKeptAndTheInterfaceOfTheFirstPacket) {
    const uint32_t eth0 = tracker->interface("eth0"), eth1 = tracker->interface("eth1");
    EXPECT_EQ(tracker->interface("eth0"), eth0);
    EXPECT_EQ(tracker->interface(""), 0u);
    for (int i = 0; i < 5; i++) {
        decode::Packet p = ip(1, 2, 17, "x");
        p.source_port = 4000, p.destination_port = 4001;
        p.interface = i == 0 ? eth1 : eth0;
        texts.push_back("a" + std::to_string(i));
        const std::string_view comments[] = {texts.back(), "b"};
        tracker->packet(p, comments);
    }
    datagram(1, 3, 4000, 4001, "without");
    tracker->finish();
    const auto flows = out.of("flow");
    ASSERT_EQ(flows.size(), 2u);
    EXPECT_EQ(at(flows[0], "cvf.packet.comments"), R"(["a0","b","a1","b","a2","b","a3","b"])");
    EXPECT_EQ(at(flows[0], "network.interface.name"), "eth1");
    EXPECT_EQ(at(flows[1], "cvf.packet.comments"), "");
    EXPECT_EQ(at(flows[1], "network.interface.name"), "");
}

TEST_F(FlowTracker, NamesOfInterfacesAreKeptWithinBounds) {
    uint32_t last = 0;
    for (int i = 0; i < 5000; i++) last = tracker->interface("if" + std::to_string(i));
    EXPECT_EQ(last, 0u) << "there are too many";
    EXPECT_EQ(tracker->interface_name(tracker->interface("if7")), "if7");
    EXPECT_EQ(tracker->interface_name(4711), "");
    EXPECT_EQ(tracker->interface_name(0), "");
}

// The published baseline of the Community ID specification, seed 0.
TEST(CommunityId, AgreesWithThePublishedValuesBothWays) {
    const uint8_t a[4] = {128, 232, 110, 120}, b[4] = {66, 35, 250, 204}, c[4] = {192, 168, 1, 52}, d[4] = {8, 8, 8, 8},
                  e[4] = {192, 168, 0, 89}, f[4] = {192, 168, 0, 1};
    auto id = [](uint8_t protocol, const uint8_t* s, uint16_t sp, const uint8_t* t, uint16_t tp) {
        char out[30];
        community_id(4, protocol, decode::Address::v4(s), sp, decode::Address::v4(t), tp, out);
        return std::string(out, 30);
    };
    EXPECT_EQ(id(6, a, 34855, b, 80), "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
    EXPECT_EQ(id(6, b, 80, a, 34855), "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
    EXPECT_EQ(id(17, c, 54585, d, 53), "1:d/FP5EW3wiY1vCndhwleRRKHowQ=");
    EXPECT_EQ(id(17, d, 53, c, 54585), "1:d/FP5EW3wiY1vCndhwleRRKHowQ=");
    EXPECT_EQ(id(1, e, 8, f, 0), "1:X0snYXpgwiv9TZtqg64sgzUn6Dk=");
    EXPECT_EQ(id(1, f, 0, e, 8), "1:X0snYXpgwiv9TZtqg64sgzUn6Dk=");
}

// As Wireshark has it.
TEST(CommunityId, LeavesOutThePortsOfProtocolsThatHaveNone) {
    const uint8_t a[4] = {10, 0, 0, 1}, b[4] = {10, 0, 0, 2};
    const auto id = [&](uint8_t protocol, bool forth) {
        char out[30];
        community_id(4, protocol, decode::Address::v4(forth ? a : b), 0, decode::Address::v4(forth ? b : a), 0, out);
        return std::string(out, 30);
    };
    EXPECT_EQ(id(decode::ip_protocol::gre, true), "1:+KlEHDT0vJgzs/eNmzHq0aSpRYw=");
    EXPECT_EQ(id(decode::ip_protocol::gre, false), "1:+KlEHDT0vJgzs/eNmzHq0aSpRYw=");
    EXPECT_EQ(id(50, true), "1:dX+1pd7Z9Y9hJE/IuQlfvK7bxuA=");
    EXPECT_EQ(id(decode::ip_protocol::igmp, true), "1:mOpk13aKEo7i/DjWYD1X1zUr7IA=");
}

}  // namespace
}  // namespace cvf::flow
