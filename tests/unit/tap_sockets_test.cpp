// From kernel events to the handler's calls, without a kernel.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "bpf/shared.h"
#include "host/clock.h"
#include "tap/endpoint.h"
#include "tap/endpoint_sockets.h"
#include "tests/unit/tap_recorder.h"

namespace cvf::tap {
namespace {

class Sockets : public testing::Test {
 protected:
    EndpointOptions options;
    Recorder recorder;
    host::Clock clock;
    Wants wants;
    SocketTable table{options, recorder, clock, wants};
};

TEST_F(Sockets, AListenersHandshakeIsToldAsItsChildsAfterTheChildIsOpened) {
    table.event(packet_event(5, CVF_HANDSHAKE, 99, false, 10, "syn"));
    table.event(packet_event(5, CVF_HANDSHAKE, 99, true, 20, "synack"));
    EXPECT_TRUE(recorder.log.empty());
    cvf_opened child = opening(6, CVF_S_SERVER);
    child.isn_in = 99;
    table.event(bytes_of(child));
    EXPECT_EQ(recorder.log, (std::vector<std::string>{"opened", "payload", "payload"}));
    EXPECT_EQ(recorder.sockets[6].payload, "synsynack");
}

TEST_F(Sockets, AHandshakeThatComesToNothingIsAConversationOfItsOwn) {
    table.event(packet_event(5, CVF_HANDSHAKE, 99, false, 10, "syn"));
    table.expire(60'000'000'000);
    ASSERT_EQ(recorder.sockets.size(), 1u);
    const auto& [cookie, seen] = *recorder.sockets.begin();
    EXPECT_TRUE(cookie >> 63);
    EXPECT_TRUE(seen.closed);
    EXPECT_EQ(seen.socket.local_port, 80);
    EXPECT_EQ(seen.socket.remote_port, 4000);
    EXPECT_EQ(seen.counters.packets_in, 1u);
}

TEST_F(Sockets, AnUnacceptedConnectionBelongsToItsListenersOwner) {
    cvf_opened listener = opening(5, 0);
    listener.event.type = CVF_LISTEN;
    listener.owner.pid = 42;
    table.event(bytes_of(listener));
    table.event(bytes_of(opening(6, CVF_S_SERVER)));
    EXPECT_EQ(recorder.sockets[6].socket.owner.pid, 42u);
    EXPECT_EQ(recorder.sockets[6].socket.role, Role::server);
}

TEST_F(Sockets, PayloadThatOvertookItsOpeningIsToldAfterIt) {
    table.event(packet_event(6, CVF_PAYLOAD, 0, false, 10, "early"));
    table.event(bytes_of(opening(6, CVF_S_SERVER)));
    EXPECT_EQ(recorder.sockets[6].payload, "early");
    EXPECT_EQ(recorder.log.front(), "opened");
}

TEST_F(Sockets, APairIsToldOnceAndOnlyOneEndHasPayload) {
    table.event(bytes_of(opening(6, CVF_S_CLIENT, 4000, 80)));
    cvf_opened other = opening(7, CVF_S_SERVER | CVF_S_ELSEWHERE);
    other.peer_cookie = 6;
    table.event(bytes_of(other));
    table.event(bytes_of(other));
    table.event(packet_event(7, CVF_PAYLOAD, 0, false, 10, "twice"));
    ASSERT_EQ(recorder.pairs.size(), 1u);
    EXPECT_EQ(recorder.pairs[0], (std::pair<uint64_t, uint64_t>{6, 7}));
    EXPECT_EQ(recorder.sockets[7].packets, 0);
}

TEST_F(Sockets, AClosingWhoseOpeningWasLostBringsBoth) {
    cvf_report r{};
    r.socket = opening(6, CVF_S_CLIENT);
    r.socket.event.type = CVF_CLOSED;
    r.packets_out = 3;
    table.event(bytes_of(r));
    EXPECT_EQ(recorder.log, (std::vector<std::string>{"opened", "closed"}));
    EXPECT_EQ(recorder.sockets[6].counters.packets_out, 3u);
    EXPECT_EQ(table.size(), 0u);
}

TEST_F(Sockets, WhatTwoIterationsMissIsClosed) {
    table.event(bytes_of(opening(6, CVF_S_CLIENT)));
    for (int i = 0; i < 3; i++) {
        table.iteration_begins();
        table.iteration_ends(5000);
    }
    EXPECT_TRUE(recorder.sockets[6].closed);
}

TEST_F(Sockets, OlderSocketsArePairedBySequenceNumbersThroughAddressTranslation) {
    std::vector<cvf_report> reports(2);
    reports[0].socket = opening(6, CVF_S_EXISTED, 4000, 80);
    reports[1].socket = opening(7, CVF_S_EXISTED, 8080, 4000);  // another port: translated
    reports[0].tcp.has_tcp = reports[1].tcp.has_tcp = 1;
    reports[0].tcp.snd_nxt = reports[1].tcp.rcv_nxt = 1000;
    reports[0].tcp.rcv_nxt = reports[1].tcp.snd_nxt = 2000;
    table.existing(reports);
    EXPECT_EQ(recorder.pairs.size(), 1u);
    EXPECT_TRUE(recorder.sockets[6].socket.existed);
}

TEST_F(Sockets, TheAgentsOwnSocketsAreNotTold) {
    table.event(bytes_of(opening(6, CVF_S_CLIENT | CVF_S_OWN)));
    EXPECT_TRUE(recorder.log.empty());
}

TEST_F(Sockets, ShortRecordsAreIgnored) {
    for (uint8_t type = 0; type < 20; type++)
        for (size_t size = sizeof(cvf_event); size < 120; size++) {
            std::vector<uint8_t> record(size, 0);
            record[offsetof(cvf_event, type)] = type;
            table.event(record);
        }
    EXPECT_LE(recorder.sockets.size(), 1u);
}

cvf_opened listening(uint64_t cookie, uint32_t pid, std::array<uint8_t, 4> address, uint32_t flags = 0, uint16_t port = 80) {
    cvf_opened o = opening(cookie, flags | CVF_S_LISTENER | CVF_S_TCP, port, 0);
    o.flags &= ~static_cast<uint32_t>(CVF_S_MET);
    o.event.type = CVF_LISTEN;
    o.tuple.state = 10;
    o.owner.pid = pid;
    std::memcpy(o.tuple.local, address.data(), 4);
    return o;
}

cvf_opened at(cvf_opened o, std::array<uint8_t, 4> local, std::array<uint8_t, 4> remote = {127, 0, 0, 1}) {
    std::memcpy(o.tuple.local, local.data(), 4);
    std::memcpy(o.tuple.remote, remote.data(), 4);
    return o;
}

cvf_report report_of(const cvf_opened& o, uint64_t packets = 1) {
    cvf_report r{};
    r.socket = o;
    r.socket.event.type = CVF_REPORT;
    r.socket.listener_cookie = 0;
    r.packets_in = packets;
    return r;
}

cvf_owner_event owned(uint64_t cookie, uint32_t pid, uint32_t flags = 0) {
    cvf_owner_event e{};
    e.event.time = 2000;
    e.event.cookie = cookie;
    e.event.type = CVF_OWNER;
    e.event.netns = 7;
    e.owner.pid = pid;
    e.flags = flags;
    return e;
}

TEST_F(Sockets, AReportThatOvertookItsOpeningMakesOneConversationWithItsHandshake) {
    table.event(packet_event(5, CVF_HANDSHAKE, 99, false, 10, "syn"));
    cvf_opened child = opening(6, CVF_S_SERVER);
    table.report(report_of(child));  // as of a kernel that does not know the number
    child.isn_in = 99;
    table.event(bytes_of(child));
    table.expire(60'000'000'000);
    EXPECT_EQ(recorder.sockets.size(), 1u);
    EXPECT_EQ(recorder.sockets[6].payload, "syn");
}

TEST_F(Sockets, ALostOpeningsHandshakeIsFoundByTheReport) {
    table.event(packet_event(5, CVF_HANDSHAKE, 99, false, 10, "syn"));
    cvf_opened child = opening(6, CVF_S_SERVER);
    child.isn_in = 99;
    table.report(report_of(child));
    table.expire(60'000'000'000);
    EXPECT_EQ(recorder.sockets.size(), 1u);
    EXPECT_EQ(recorder.sockets[6].payload, "syn");
}

TEST_F(Sockets, APairIsToldWhenTheReportThatOvertookTheOpeningDidNotKnowIt) {
    table.event(bytes_of(opening(6, CVF_S_CLIENT, 4000, 80)));
    cvf_opened other = opening(7, CVF_S_SERVER);
    table.report(report_of(other));
    other.flags |= CVF_S_ELSEWHERE;
    other.peer_cookie = 6;
    table.event(bytes_of(other));
    EXPECT_EQ(recorder.pairs, (std::vector<std::pair<uint64_t, uint64_t>>{{6, 7}}));
}

TEST_F(Sockets, OfListenersAtOnePortTheAddressDecidesAndTheCookieAboveIt) {
    table.event(bytes_of(listening(1, 41, {10, 0, 0, 1})));
    table.event(bytes_of(listening(2, 42, {10, 0, 0, 2})));
    table.event(bytes_of(listening(3, 43, {0, 0, 0, 0})));
    table.event(bytes_of(at(opening(6, CVF_S_SERVER), {10, 0, 0, 1})));
    table.event(bytes_of(at(opening(7, CVF_S_SERVER), {10, 0, 0, 2})));
    table.event(bytes_of(at(opening(8, CVF_S_SERVER), {10, 0, 0, 3})));
    cvf_opened child = at(opening(9, CVF_S_SERVER), {10, 0, 0, 1});
    child.listener_cookie = 3;
    table.event(bytes_of(child));
    EXPECT_EQ(recorder.sockets[6].socket.owner.pid, 41u);
    EXPECT_EQ(recorder.sockets[7].socket.owner.pid, 42u);
    EXPECT_EQ(recorder.sockets[8].socket.owner.pid, 43u);
    EXPECT_EQ(recorder.sockets[9].socket.owner.pid, 43u);
}

TEST_F(Sockets, OfListenersThatShareAnAddressNoneIsGuessedUnlessTheHandshakeSays) {
    table.event(bytes_of(listening(1, 41, {0, 0, 0, 0})));
    table.event(bytes_of(listening(2, 42, {0, 0, 0, 0})));
    table.event(bytes_of(opening(6, CVF_S_SERVER)));
    EXPECT_EQ(recorder.sockets[6].socket.owner.pid, 0u);
    table.event(packet_event(2, CVF_HANDSHAKE, 99, false, 10, "syn"));
    cvf_opened child = opening(7, CVF_S_SERVER);
    child.isn_in = 99;
    table.event(bytes_of(child));
    EXPECT_EQ(recorder.sockets[7].socket.owner.pid, 42u);
    // One of them ends; the other is left.
    cvf_report end = report_of(listening(1, 41, {0, 0, 0, 0}));
    end.socket.event.type = CVF_CLOSED;
    table.event(bytes_of(end));
    table.event(bytes_of(opening(8, CVF_S_SERVER)));
    EXPECT_EQ(recorder.sockets[8].socket.owner.pid, 42u);
}

TEST_F(Sockets, AListenerWhoseEndWasLostIsForgottenAfterTwoRounds) {
    table.event(bytes_of(listening(1, 41, {0, 0, 0, 0})));
    for (int i = 0; i < 2; i++) {
        table.iteration_begins();
        table.iteration_ends(5000);
    }
    table.event(bytes_of(opening(6, CVF_S_SERVER)));
    EXPECT_EQ(recorder.sockets[6].socket.owner.pid, 0u);
}

TEST_F(Sockets, TheAgentsListenerHidesNobodyElsesConnection) {
    table.event(bytes_of(listening(1, 41, {127, 0, 0, 1}, CVF_S_OWN)));
    table.event(bytes_of(listening(2, 42, {10, 0, 0, 2})));
    table.event(bytes_of(at(opening(6, CVF_S_SERVER), {10, 0, 0, 2}, {10, 0, 0, 9})));
    EXPECT_EQ(recorder.sockets[6].socket.owner.pid, 42u);
    table.event(bytes_of(at(opening(7, CVF_S_SERVER), {127, 0, 0, 1})));
    EXPECT_FALSE(recorder.sockets.contains(7));
}

TEST_F(Sockets, WhatWasTakenForTheAgentsIsToldOnceItsOwnerIsKnown) {
    table.event(bytes_of(listening(1, 41, {0, 0, 0, 0}, CVF_S_OWN)));
    table.event(bytes_of(at(opening(6, CVF_S_CLIENT, 4000, 80), {10, 0, 0, 9}, {10, 0, 0, 2})));
    table.event(bytes_of(at(opening(7, CVF_S_SERVER), {10, 0, 0, 2}, {10, 0, 0, 9})));
    EXPECT_FALSE(recorder.sockets.contains(7));
    table.event(bytes_of(owned(7, 50)));  // the listener was passed on
    ASSERT_TRUE(recorder.sockets.contains(7));
    EXPECT_EQ(recorder.sockets[7].owners, (std::vector<uint32_t>{50}));
    EXPECT_FALSE(recorder.sockets[7].socket.own);
    table.event(packet_event(7, CVF_PAYLOAD, 0, false, 10, "data"));
    EXPECT_EQ(recorder.sockets[7].payload, "data");
}

TEST_F(Sockets, WhoTalksToTheAgentIsNotToldEither) {
    table.event(bytes_of(listening(1, 41, {127, 0, 0, 1}, CVF_S_OWN, 7380)));
    // From here: known by where it goes.
    table.event(bytes_of(at(opening(6, CVF_S_CLIENT, 4000, 7380), {127, 0, 0, 1})));
    table.event(packet_event(6, CVF_PAYLOAD, 0, true, 10, "GET"));
    EXPECT_TRUE(recorder.log.empty());
    // Through address translation: by its pair.
    table.event(bytes_of(at(opening(8, CVF_S_CLIENT, 4000, 80), {10, 0, 0, 9}, {10, 0, 0, 2})));
    cvf_opened other = at(opening(9, CVF_S_SERVER, 7380, 4000), {127, 0, 0, 1});
    other.peer_cookie = 8;
    table.event(bytes_of(other));
    EXPECT_EQ(recorder.withdrawals, (std::vector<uint64_t>{8}));
    table.event(packet_event(8, CVF_PAYLOAD, 0, true, 10, "GET"));
    table.event(bytes_of(owned(9, 41, CVF_S_OWN)));
    for (uint64_t cookie : {6, 8, 9}) {
        cvf_report end = report_of(opening(cookie, CVF_S_CLIENT));
        end.socket.event.type = CVF_CLOSED;
        table.event(bytes_of(end));
    }
    EXPECT_EQ(recorder.log, (std::vector<std::string>{"opened", "withdrawn"}));
    EXPECT_EQ(table.size(), 0u);
}

TEST_F(Sockets, AnotherMachinesAgentIsNotTakenForThisOne) {
    table.event(bytes_of(listening(1, 41, {0, 0, 0, 0}, CVF_S_OWN, 7380)));
    table.event(bytes_of(at(opening(6, CVF_S_CLIENT, 4000, 7380), {10, 0, 0, 9}, {10, 0, 0, 2})));
    EXPECT_TRUE(recorder.sockets.contains(6));
}

TEST_F(Sockets, AnEventOfAListenerOrASocketNotMetHasAnOwner) {
    table.event(bytes_of(listening(1, 41, {0, 0, 0, 0})));
    ASSERT_EQ(recorder.tcp.size(), 1u);
    EXPECT_EQ(recorder.tcp[0].socket.owner.pid, 41u);
    cvf_tcp_event e{};
    e.event.type = CVF_TCP;
    e.event.cookie = 1;
    e.event.netns = 7;
    e.kind = CVF_DROP;
    e.tuple = opening(1, 0).tuple;
    table.event(bytes_of(e));
    e.event.cookie = 77;
    e.tuple.local_port = 4000;
    e.owner.pid = 50;
    table.event(bytes_of(e));
    ASSERT_EQ(recorder.tcp.size(), 3u);
    EXPECT_EQ(recorder.tcp[1].socket.owner.pid, 41u);
    EXPECT_EQ(recorder.tcp[2].socket.owner.pid, 50u);
}

TEST_F(Sockets, PacketsOfAHandshakeBeyondWhatIsKeptAreCounted) {
    for (int i = 0; i < 20; i++) table.event(packet_event(5, CVF_HANDSHAKE, 99, false, 10, "syn"));
    EXPECT_EQ(table.handshakes_cut(), 4u);
}

TEST_F(Sockets, PeersEndInAnyOrderAndTheirSocketsEndIsPassedOn) {
    constexpr uint64_t peer = CVF_SYNTHETIC;
    for (uint64_t i = 1; i <= 5; i++) {
        cvf_opened o = opening(peer | i, CVF_S_SERVER, 53, static_cast<uint16_t>(4000 + i));
        o.tuple.protocol = 17;
        o.parent_cookie = 3;
        table.event(bytes_of(o));
    }
    EXPECT_EQ(table.peers(), 5u);
    for (uint64_t i : {5, 1, 3}) {
        cvf_report end = report_of(opening(peer | i, CVF_S_SERVER));
        end.socket.event.type = CVF_CLOSED;
        table.event(bytes_of(end));
    }
    EXPECT_EQ(table.peers(), 2u);
    table.event(bytes_of(owned(3, 50)));
    for (uint64_t i : {2, 4}) EXPECT_EQ(recorder.sockets[peer | i].owners, (std::vector<uint32_t>{50}));
    cvf_report end{};
    end.socket.event.type = CVF_CLOSED;
    end.socket.event.cookie = 3;
    end.socket.flags = CVF_S_PEERS;
    table.event(bytes_of(end));
    EXPECT_EQ(table.take_released(), (std::vector<uint64_t>{3}));
    EXPECT_TRUE(table.take_released().empty());
}

TEST_F(Sockets, APairIsToldWhenAReportBringsTheEndWhoseOpeningWasLost) {
    cvf_opened other = opening(7, CVF_S_SERVER | CVF_S_ELSEWHERE);
    other.peer_cookie = 6;
    table.event(bytes_of(other));
    EXPECT_TRUE(recorder.pairs.empty());
    table.report(report_of(opening(6, CVF_S_CLIENT, 4000, 80)));
    EXPECT_EQ(recorder.pairs, (std::vector<std::pair<uint64_t, uint64_t>>{{6, 7}}));
    // Who has gone meanwhile waits no more.
    other = opening(9, CVF_S_SERVER | CVF_S_ELSEWHERE);
    other.peer_cookie = 8;
    table.event(bytes_of(other));
    cvf_report end = report_of(other);
    end.socket.event.type = CVF_CLOSED;
    table.event(bytes_of(end));
    table.report(report_of(opening(8, CVF_S_CLIENT, 4000, 80)));
    EXPECT_EQ(recorder.pairs.size(), 1u);
}

TEST_F(Sockets, ALastReportNamesTheOwnerWhoseEventWasLost) {
    table.event(bytes_of(opening(6, CVF_S_SERVER)));
    cvf_report end = report_of(opening(6, CVF_S_SERVER));
    end.socket.event.type = CVF_CLOSED;
    end.socket.owner.pid = 50;
    table.event(bytes_of(end));
    EXPECT_EQ(recorder.log, (std::vector<std::string>{"opened", "owner", "closed"}));
    EXPECT_EQ(recorder.sockets[6].owners, (std::vector<uint32_t>{50}));
}

TEST_F(Sockets, HandshakesWithDataAreHeldToABoundOfMemory) {
    const std::string data(60'000, 'x');
    constexpr uint32_t count = 400;  // 24 MB; 16 MiB are kept
    for (int round = 1; round <= 2; round++) {
        for (uint32_t isn = 1; isn <= count; isn++) table.event(packet_event(5, CVF_HANDSHAKE, isn, false, 10, data));
        EXPECT_NEAR(static_cast<double>(table.handshakes_cut()), round * (count - (16 << 20) / 60'040.0), round);
        const uint64_t before = table.payload_bytes();
        table.expire(60'000'000'000);
        EXPECT_EQ(recorder.sockets.size(), round * count);  // all are told, the later ones by their headers
        EXPECT_LE(table.payload_bytes() - before, (16u << 20) + count * 128);
        EXPECT_GT(table.payload_bytes() - before, 15u << 20);
    }
    EXPECT_EQ(table.unmatched(), 0u);
}

TEST_F(Sockets, PayloadThatWaitsForItsOpeningIsHeldToABoundOfMemory) {
    const std::string data(60'000, 'x');
    constexpr uint64_t count = 300, kept = (16u << 20) / 60'040;
    for (uint64_t round = 1; round <= 2; round++) {
        for (uint64_t cookie = 1; cookie <= count; cookie++)
            table.event(packet_event(round * 1000 + cookie, CVF_PAYLOAD, 0, false, 10, data));
        EXPECT_EQ(table.unmatched(), round * (count - kept));
        for (uint64_t cookie = 1; cookie <= count; cookie++) table.event(bytes_of(opening(round * 1000 + cookie, CVF_S_CLIENT)));
        EXPECT_EQ(table.payload_bytes(), round * kept * 60'040);
    }
}

TEST_F(Sockets, EventsOfTheAgentsOwnAreToldWhereItWatchesItselfAndAreMarked) {
    cvf_opened listener = listening(1, 41, {127, 0, 0, 1}, CVF_S_OWN);
    cvf_report end = report_of(listener);
    end.socket.event.type = CVF_CLOSED;
    table.event(bytes_of(listener));
    table.event(bytes_of(end));
    EXPECT_TRUE(recorder.tcp.empty());
    options.watch_self = true;
    table.event(bytes_of(listener));
    table.event(bytes_of(end));
    ASSERT_EQ(recorder.tcp.size(), 2u);
    for (const TcpEvent& e : recorder.tcp) EXPECT_TRUE(e.socket.own);
}

}  // namespace
}  // namespace cvf::tap
