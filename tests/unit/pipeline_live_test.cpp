// The endpoint tap's events, in the orders they come in, and the conversations they make.
#include "pipeline/live.h"

#include <gtest/gtest.h>

#include <deque>

#include "context_fake_proc.h"
#include "decode_frames.h"

namespace cvf::pipeline {
namespace {

using namespace decode::test;
constexpr int64_t second = 1'000'000'000, t0 = 1'700'000'000 * second;

struct Kept final : sink::Sink {
    explicit Kept(std::string& text) : text_(text) {}
    void write(std::string_view lines, size_t) override { text_ += lines; }
    void flush() override {}
    sink::SinkStats stats() const override { return {}; }
    bool closed() const override { return false; }
    void interrupt() override {}
    std::string& text_;
};

struct LiveTest : testing::Test {
    cvf::test::FakeProc proc;
    cvf::test::Folder root;
    std::string text;
    std::unique_ptr<Shard> shard;
    std::unique_ptr<context::OwnerTable> owners;
    std::unique_ptr<Live> live;

    LiveTest() {
        context::OwnerTable::Options o;
        o.processes.proc = proc.path();
        o.runtimes = context::RuntimePaths{}.below(root.path());
        o.netns = {.proc = proc.path(), .named = {root.path() + "/run/netns"}, .only_nsfs = false};
        o.cgroup_path = [](uint64_t) -> std::optional<std::string> { return std::nullopt; };
        owners = std::make_unique<context::OwnerTable>(o);
        std::vector<std::unique_ptr<Outlet>> outlets;
        outlets.push_back(std::make_unique<Outlet>(Selection{}, std::make_unique<Kept>(text)));
        shard = std::make_unique<Shard>(ShardOptions{}, std::move(outlets));
        live = std::make_unique<Live>(LiveOptions{}, *shard, *owners);
    }

    static decode::Address host(int last) {
        const uint8_t bytes[4] = {10, 0, 0, static_cast<uint8_t>(last)};
        return decode::Address::v4(bytes);
    }
    // 10.0.0.1:40000 is the client, 10.0.0.2:80 the server.
    static tap::Socket socket(uint64_t cookie, bool client, uint64_t peer = 0) {
        tap::Socket s;
        s.cookie = cookie;
        s.netns = 1;
        s.family = 4;
        s.ip_protocol = 6;
        s.role = client ? tap::Role::client : tap::Role::server;
        s.local = host(client ? 1 : 2), s.remote = host(client ? 2 : 1);
        s.local_port = client ? 40000 : 80, s.remote_port = client ? 80 : 40000;
        s.owner.uid = client ? 1001 : 1002;
        s.owner.pid = client ? 11 : 12;
        std::memcpy(s.owner.comm, client ? "asker" : "answerer", client ? 6 : 9);
        s.peer_cookie = peer;
        return s;
    }
    void payload(uint64_t cookie, bool egress, const std::string& packet) {
        tap::Payload p{cookie, t0, egress, {}, static_cast<uint32_t>(packet.size())};
        p.packet = {reinterpret_cast<const uint8_t*>(packet.data()), packet.size()};
        live->payload(p);
    }
    void exchange(uint64_t client_cookie) {
        payload(client_cookie, true, ipv4(6, tcp(40000, 80, 16, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n")));
        payload(client_cookie, false,
                ipv4(6, tcp(80, 40000, 16, "HTTP/1.1 204 No Content\r\n\r\n"), {.source = 2, .destination = 1}));
    }
    void close(uint64_t cookie, uint64_t out, uint64_t in) {
        tap::Counters c;
        c.packets_out = out, c.packets_in = in;
        c.bytes_out = out * 100, c.bytes_in = in * 100;
        c.first_ns = t0, c.last_ns = t0 + second;
        live->counters(cookie, c, true, t0 + 2 * second);
    }
    std::vector<std::string> records(const std::string& type) {
        shard->flush();
        std::vector<std::string> out;
        for (size_t from = 0, to; (to = text.find('\n', from)) != std::string::npos; from = to + 1)
            if (std::string line = text.substr(from, to - from); has(line, "\"record.type\":\"" + type + "\""))
                out.push_back(line);
        return out;
    }
    static bool has(const std::string& line, const std::string& part) { return line.find(part) != std::string::npos; }
    void expect_one_internal_flow() {
        auto flows = records("flow");
        ASSERT_EQ(flows.size(), 1u);
        const std::string& f = flows[0];
        EXPECT_TRUE(has(f, "\"network.direction\":\"internal\"")) << f;
        EXPECT_TRUE(has(f, "\"source.address\":\"10.0.0.1\"")) << f;
        EXPECT_TRUE(has(f, "\"source.packets\":5,")) << f;
        EXPECT_TRUE(has(f, "\"destination.packets\":4,")) << f;
        EXPECT_TRUE(has(f, "asker")) << f;
        EXPECT_TRUE(has(f, "answerer")) << f;
        EXPECT_EQ(live->sockets(), 0u);
        EXPECT_EQ(shard->tracker().size(), 0u);
    }
};

TEST_F(LiveTest, ASocketIsAConversationWithItsOwnerAndTheKernelsNumbers) {
    live->opened(socket(7, true), t0);
    exchange(7);
    close(7, 5, 4);
    auto flows = records("flow");
    ASSERT_EQ(flows.size(), 1u);
    EXPECT_TRUE(has(flows[0], "\"network.direction\":\"outbound\""));
    EXPECT_TRUE(has(flows[0], "\"cvf.flow.initiator_by\":\"socket\""));
    EXPECT_TRUE(has(flows[0], "\"cvf.flow.reason\":\"closed\""));
    EXPECT_TRUE(has(flows[0], "\"source.packets\":5,"));
    EXPECT_TRUE(has(flows[0], "asker"));
    ASSERT_EQ(records("http").size(), 1u);
    EXPECT_TRUE(has(records("http")[0], "asker"));
    EXPECT_EQ(live->sockets(), 0u);
}

TEST_F(LiveTest, APairKnownAtTheStartIsOneFlowOfTwoOwners) {
    live->opened(socket(7, true), t0);
    live->opened(socket(8, false, 7), t0);
    exchange(7);
    close(7, 5, 4);
    close(8, 4, 5);
    expect_one_internal_flow();
}

TEST_F(LiveTest, APairFoundLaterIsJoined) {
    live->opened(socket(7, true), t0);
    live->opened(socket(8, false), t0);
    EXPECT_EQ(shard->tracker().size(), 2u);
    live->paired(7, 8, t0);
    EXPECT_EQ(shard->tracker().size(), 1u);
    live->paired(8, 7, t0);  // no news
    close(8, 4, 5);
    EXPECT_TRUE(records("flow").empty());  // its other end is there still
    exchange(7);
    close(7, 5, 4);
    expect_one_internal_flow();
    ASSERT_EQ(records("http").size(), 1u);
    EXPECT_TRUE(has(records("http")[0], "answerer"));  // who has left is named all the same
}

TEST_F(LiveTest, ARefusedConnectionEndsWithItsClient) {
    constexpr uint64_t kernels = uint64_t{1} << 63 | 9;
    live->opened(socket(7, true), t0);
    tap::Socket refuses = socket(kernels, false, 7);
    refuses.refuses = true;
    live->opened(refuses, t0);
    close(7, 5, 4);
    expect_one_internal_flow();
    close(kernels, 4, 5);  // found unused later
    EXPECT_EQ(records("flow").size(), 1u);
}

TEST_F(LiveTest, WhoGoesFirstMakesNoDifferenceWhenTheInputEnds) {
    live->opened(socket(8, false), t0);
    live->opened(socket(7, true), t0);
    live->paired(8, 7, t0);
    close(7, 5, 4);
    tap::Counters c;
    c.packets_out = 4;
    live->counters(8, c, false, t0);
    live->finish(t0 + 3 * second);
    expect_one_internal_flow();
}

TEST_F(LiveTest, AThirdSocketThatClaimsATakenPeerIsItsOwnConversation) {
    live->opened(socket(7, true), t0);
    live->opened(socket(8, false, 7), t0);
    live->opened(socket(9, false, 7), t0);
    EXPECT_EQ(shard->tracker().size(), 2u);
    live->paired(7, 9, t0);
    EXPECT_EQ(shard->tracker().size(), 2u);
    close(9, 1, 1);
    close(7, 5, 4);
    close(8, 4, 5);
    EXPECT_EQ(records("flow").size(), 2u);
    EXPECT_EQ(live->sockets(), 0u);
}

TEST_F(LiveTest, WhatComesForUnknownOrClosedSocketsIsNothing) {
    exchange(99);
    live->paired(1, 2, t0);
    close(99, 1, 1);
    live->opened(socket(7, true), t0);
    close(7, 1, 1);
    exchange(7);
    live->owner_changed(7, {}, t0);
    live->paired(7, 7, t0);
    EXPECT_EQ(records("flow").size(), 1u);
    EXPECT_TRUE(records("http").empty());
}

TEST_F(LiveTest, OwnSocketsAndListenersAreNoConversations) {
    tap::Socket own = socket(7, true);
    own.own = true;
    live->opened(own, t0);
    tap::Socket listener = socket(8, false);
    listener.remote_port = 0;
    live->opened(listener, t0);
    EXPECT_EQ(live->sockets(), 0u);
    EXPECT_EQ(shard->tracker().size(), 0u);
}

TEST_F(LiveTest, OwnSocketsThatAreWatchedAreMarked) {
    live = nullptr;  // before the next takes its place at the shard
    live = std::make_unique<Live>(LiveOptions{.watch_self = true}, *shard, *owners);
    tap::Socket own = socket(8, false, 7);
    own.own = true;
    live->opened(socket(7, true), t0);
    live->opened(own, t0);
    tap::Socket other = socket(9, true);
    other.local_port = 40001;
    live->opened(other, t0);
    for (uint64_t cookie : {7, 8, 9}) close(cookie, 1, 1);
    auto flows = records("flow");
    ASSERT_EQ(flows.size(), 2u);
    EXPECT_TRUE(has(flows[0], "\"cvf.self\":true")) << flows[0];
    EXPECT_FALSE(has(flows[1], "cvf.self")) << flows[1];
}

TEST_F(LiveTest, AnAddressThatDiffersOnTheWireIsTheTranslatedOne) {
    live->opened(socket(7, true), t0);
    payload(7, true, ipv4(6, tcp(40000, 8080, 16, "x"), {.source = 1, .destination = 9}));
    close(7, 5, 4);
    ASSERT_EQ(records("flow").size(), 1u);
    EXPECT_TRUE(has(records("flow")[0], "\"destination.nat.ip\":\"10.0.0.9\""));
    EXPECT_TRUE(has(records("flow")[0], "\"destination.nat.port\":8080"));
    EXPECT_TRUE(has(records("flow")[0], "\"destination.address\":\"10.0.0.2\""));
}

TEST_F(LiveTest, WhatABodySkipsIsToldOfTheSocketThatShowsThePackets) {
    using Skip = std::tuple<uint64_t, bool, uint64_t>;
    std::vector<Skip> skips;
    std::vector<std::pair<uint64_t, bool>> wants;
    shard->on_skip = [&](uint64_t cookie, bool egress, uint64_t offset) { skips.emplace_back(cookie, egress, offset); };
    shard->on_want = [&](uint64_t cookie, bool egress, protocol::Want) { wants.emplace_back(cookie, egress); };
    live->opened(socket(7, true), t0);
    live->opened(socket(8, false, 7), t0);
    auto segment = [](unsigned from, unsigned to, size_t sequence, size_t acknowledged, int flags, const std::string& inside) {
        return be16(from) + be16(to) + be32(static_cast<uint32_t>(sequence)) + be32(static_cast<uint32_t>(acknowledged)) +
               octets({0x50, flags}) + be16(512) + be32(0) + inside;
    };
    auto ask = [&](size_t sequence, size_t acknowledged, int flags, const std::string& inside) {
        payload(7, true, ipv4(6, segment(40000, 80, sequence, acknowledged, flags, inside)));
    };
    auto answer = [&](size_t sequence, size_t acknowledged, int flags, const std::string& inside) {
        payload(7, false, ipv4(6, segment(80, 40000, sequence, acknowledged, flags, inside), {.source = 2, .destination = 1}));
    };
    const std::string get = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n", head = "HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n";
    const size_t whole = head.size() + 10000;
    ask(999, 0, decode::tcp_syn, "");
    answer(4999, 1000, decode::tcp_syn | decode::tcp_ack, "");
    ask(1000, 5000, decode::tcp_ack, get + get);
    EXPECT_TRUE(skips.empty());
    answer(5000, 1000 + 2 * get.size(), decode::tcp_ack, head + "0123");
    ASSERT_EQ(skips, (std::vector<Skip>{{7, false, whole}}));
    // What was skipped never comes; the second head stands right behind it.
    answer(5000 + whole, 1000 + 2 * get.size(), decode::tcp_ack, head);
    ASSERT_EQ(records("http").size(), 1u) << "at once, not when it is acknowledged";
    ASSERT_EQ(skips.size(), 2u);
    EXPECT_EQ(skips[1], (Skip{7, false, 2 * whole}));
    answer(5000 + 2 * whole, 1000 + 2 * get.size(), decode::tcp_ack | decode::tcp_fin, "");
    close(7, 5, 4);
    const size_t before = wants.size();
    close(8, 4, 5);
    EXPECT_EQ(wants.size(), before) << "a socket that is gone wants nothing";
    const auto exchanges = records("http");
    ASSERT_EQ(exchanges.size(), 2u);
    for (const std::string& r : exchanges) EXPECT_TRUE(has(r, "\"http.response.body.size\":10000")) << r;
    ASSERT_FALSE(wants.empty());
    for (const auto& [cookie, egress] : wants) EXPECT_EQ(cookie, 7u);
}

TEST_F(LiveTest, WhereTheBeginningWasNotSeenNothingIsWithheld) {
    int skips = 0;
    shard->on_skip = [&](uint64_t, bool, uint64_t) { skips++; };
    live->opened(socket(7, true), t0);
    payload(7, true, ipv4(6, tcp(40000, 80, 16, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n")));
    payload(7, false,
            ipv4(6, tcp(80, 40000, 16, "HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n"), {.source = 2, .destination = 1}));
    EXPECT_EQ(skips, 0);
}

TEST_F(LiveTest, ADroppedPacketGoesFromItsSourceToItsDestination) {
    for (auto kind : {tap::TcpEventKind::drop, tap::TcpEventKind::listen_overflow, tap::TcpEventKind::reset_sent}) {
        text.clear();
        tap::TcpEvent e{};
        e.kind = kind;
        e.time_ns = t0;
        e.socket = socket(0, false);  // the packet came from 10.0.0.1:40000 for 10.0.0.2:80, which is "local"
        e.socket.role = tap::Role::unknown;
        e.socket.owner = {};
        live->tcp_event(e);
        ASSERT_EQ(records("event").size(), 1u);
        const std::string r = records("event")[0];
        EXPECT_TRUE(has(r, "\"source.address\":\"10.0.0.1\"")) << r;
        EXPECT_TRUE(has(r, "\"source.port\":40000")) << r;
        EXPECT_TRUE(has(r, "\"destination.address\":\"10.0.0.2\"")) << r;
        EXPECT_TRUE(has(r, "\"destination.port\":80")) << r;
        EXPECT_TRUE(has(r, "\"destination.cvf.netns.id\":1")) << r;
    }
}

TEST_F(LiveTest, WhatHappensOutsideTheWatchedCgroupsHasNoRecord) {
    live->watched = [](uint64_t cgroup) { return cgroup == 5; };
    for (uint64_t cgroup : {5, 6}) {
        tap::ProcessEvent p{};
        p.kind = tap::ProcessEvent::Kind::exec;
        p.time_ns = p.start_ns = t0;
        p.pid = static_cast<uint32_t>(100 + cgroup);
        p.cgroup_id = cgroup;
        p.filename = "/bin/true";
        live->process(p);
        tap::TcpEvent e{};
        e.kind = tap::TcpEventKind::retransmit;
        e.time_ns = t0;
        e.socket = socket(0, true);
        e.socket.owner.cgroup_id = cgroup;
        live->tcp_event(e);
    }
    ASSERT_EQ(records("process").size(), 1u);
    EXPECT_TRUE(has(records("process")[0], "\"process.pid\":105")) << records("process")[0];
    EXPECT_EQ(records("event").size(), 1u);
    live->opened(socket(7, true), t0);
    tap::TcpEvent e{};
    e.kind = tap::TcpEventKind::retransmit;
    e.time_ns = t0;
    e.cookie = 7;
    live->tcp_event(e);
    EXPECT_EQ(records("event").size(), 2u) << "of a conversation that is watched all is told";
}

TEST_F(LiveTest, AHealthRecordTellsHowLongItHasRun) {
    live->caught_up(t0);
    live->finish(t0 + second);
    ASSERT_EQ(records("health").size(), 1u);
    EXPECT_TRUE(has(records("health")[0], "\"cvf.health.uptime\":")) << records("health")[0];
    EXPECT_FALSE(has(records("health")[0], "\"cvf.health.uptime\":0,")) << records("health")[0];
}

TEST_F(LiveTest, ATunnelInASocketIsNotTakenForTheSocketsOwnBytes) {
    tap::Socket s = socket(7, true);
    s.ip_protocol = 17;
    s.remote_port = 4789;
    live->opened(s, t0);
    const std::string inner = eth(ipv4(6, tcp(1, 80, 16, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")));
    payload(7, true, ipv4(17, udp(40000, 4789, octets({8, 0, 0, 0, 0, 0, 5, 0}) + inner)));
    close(7, 1, 0);
    ASSERT_EQ(records("flow").size(), 1u);
    EXPECT_FALSE(has(records("flow")[0], "cvf.tcp"));
    EXPECT_FALSE(has(records("flow")[0], "nat.ip"));
    EXPECT_TRUE(records("http").empty());
}

TEST_F(LiveTest, AResetTheTapTellsOfEndsTheConversation) {
    live->opened(socket(7, true), t0);
    tap::TcpEvent e{};
    e.kind = tap::TcpEventKind::reset_received;
    e.time_ns = t0;
    e.cookie = 7;
    live->tcp_event(e);
    live->tcp_event(e);
    close(7, 1, 1);
    ASSERT_EQ(records("event").size(), 2u);
    EXPECT_TRUE(has(records("event")[0], "\"source.address\":\"10.0.0.1\""));
    ASSERT_EQ(records("flow").size(), 1u);
    EXPECT_TRUE(has(records("flow")[0], "\"cvf.flow.reason\":\"reset\""));
    EXPECT_TRUE(has(records("flow")[0], "\"destination.cvf.tcp.resets\":1"));
}

TEST_F(LiveTest, AConversationThatNoFilterWantsAnyMoreEndsWithThatReasonAndMayBeginAgain) {
    live->opened(socket(7, true), t0);
    live->opened(socket(8, false, 7), t0);
    exchange(7);
    tap::Counters c;
    c.packets_out = 5, c.packets_in = 4;
    live->passed_over(7, c, t0 + second);
    EXPECT_TRUE(records("flow").empty());  // the other end may yet be wanted
    c.packets_out = 4, c.packets_in = 5;
    live->passed_over(8, c, t0 + second);
    expect_one_internal_flow();
    EXPECT_TRUE(has(records("flow")[0], "\"cvf.flow.reason\":\"unwanted\""));
    live->opened(socket(7, true), t0 + 2 * second);
    EXPECT_EQ(shard->tracker().size(), 1u);
    close(7, 2, 2);
    ASSERT_EQ(records("flow").size(), 2u);
    EXPECT_TRUE(has(records("flow")[1], "\"source.packets\":2,"));
    EXPECT_EQ(shard->tracker().size(), 0u);
}

TEST_F(LiveTest, AnEndThatIsWantedGoesOnWhenTheOtherIsNot) {
    live->opened(socket(7, true), t0);
    live->opened(socket(8, false, 7), t0);
    live->passed_over(8, {}, t0 + second);
    live->opened(socket(8, false), t0 + second);  // and comes back, as nobody's other end
    EXPECT_EQ(shard->tracker().size(), 2u);
    close(7, 5, 4);
    EXPECT_EQ(shard->tracker().size(), 1u);
    ASSERT_EQ(records("flow").size(), 1u);
    EXPECT_TRUE(has(records("flow")[0], "\"cvf.flow.reason\":\"closed\""));
    close(8, 4, 5);
    EXPECT_EQ(live->sockets(), 0u);
    EXPECT_EQ(shard->tracker().size(), 0u);
}

TEST_F(LiveTest, ADropOnItsWayOutIsTheSendersWhoOwnsTheSocket) {
    tap::TcpEvent e{};
    e.kind = tap::TcpEventKind::drop;
    e.sent = true;
    e.time_ns = t0;
    e.socket = socket(0, true);
    e.socket.role = tap::Role::unknown;
    live->tcp_event(e);
    ASSERT_EQ(records("event").size(), 1u);
    const std::string r = records("event")[0];
    EXPECT_TRUE(has(r, "\"source.address\":\"10.0.0.1\"")) << r;
    EXPECT_TRUE(has(r, "\"destination.address\":\"10.0.0.2\"")) << r;
    EXPECT_TRUE(has(r, "\"source.process.pid\":11")) << r;
    EXPECT_FALSE(has(r, "\"destination.process")) << r;
}

TEST_F(LiveTest, ClosedWindowsAndReorderingsAreThoseOfTheEndThatTheyAreOf) {
    tap::Counters c;
    c.has_tcp = true;
    c.packets_out = c.packets_in = 5;
    c.zero_windows_out = 2, c.zero_windows_in = 3, c.reordering_seen = 4;
    live->opened(socket(7, true), t0);
    live->counters(7, c, true, t0 + second);
    // Both ends here: the one with the payload is shown the packets of both.
    live->opened(socket(8, true), t0);
    live->opened(socket(9, false, 8), t0);
    live->counters(8, c, true, t0 + second);
    c.zero_windows_out = c.zero_windows_in = c.reordering_seen = 0;
    live->counters(9, c, true, t0 + second);
    ASSERT_EQ(records("flow").size(), 2u);
    const std::string one = records("flow")[0], both = records("flow")[1];
    for (const std::string& r : {one, both}) {
        EXPECT_TRUE(has(r, "\"source.cvf.tcp.zero_windows\":2")) << r;
        EXPECT_TRUE(has(r, "\"destination.cvf.tcp.zero_windows\":3")) << r;
        EXPECT_TRUE(has(r, "\"source.cvf.tcp.out_of_order\":4")) << r;
        EXPECT_FALSE(has(r, "\"destination.cvf.tcp.out_of_order\"")) << r;
    }
}

TEST_F(LiveTest, AClockThatIsSetBackPutsNothingOff) {
    live->caught_up(t0);
    const int64_t back = t0 - 3600 * second;
    live->clock_stepped(back - t0, back);
    live->caught_up(back + 9 * second);
    EXPECT_TRUE(records("health").empty());
    live->caught_up(back + 11 * second);
    EXPECT_EQ(records("health").size(), 1u);
    // And one that is set forward hurries nothing.
    live->clock_stepped(t0 - back, t0 + 11 * second);
    live->caught_up(t0 + 12 * second);
    EXPECT_EQ(records("health").size(), 1u);
    live->caught_up(t0 + 22 * second);
    EXPECT_EQ(records("health").size(), 2u);
}

}  // namespace
}  // namespace cvf::pipeline
