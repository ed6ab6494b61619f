#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_context.h"
#include "protocol/digest.h"
#include "protocol/quic_crypto.h"
#include "protocol/quic_packet.h"
#include "protocol/quic_parameters.h"
#include "quic_seal.h"
#include "tls_bytes.h"

namespace cvf::protocol {
namespace {

using namespace cvf::tls_bytes;
using quic_wire::find_version;
using quic_wire::InitialKeys;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr uint32_t v1 = 1, v2 = 0x6b3343cf, draft29 = 0xff00001d;

std::string hex(Bytes bytes) {
    std::string out(bytes.size() * 2, ' ');
    write_hex(out.data(), bytes);
    return out;
}

std::string crypto_frame(size_t offset, const std::string& data) {
    return u8(6) + varint(offset) + varint(data.size()) + data;
}

struct Quic : testing::Test {
    protocol::test::FakeContext context;
    std::unique_ptr<Dissector> dissector = protocol::quic.make();
    std::string original = "original", client_id = "clnt", server_id = "server";

    Quic() {
        context.now = 1'000'000'000;
        context.responder_port = 443;
    }
    void send(int end, const std::string& datagram) {
        context.now += 1'000'000;
        // Memory of just this size, for a sanitizer to see reading beyond.
        const std::vector<uint8_t> bytes(datagram.begin(), datagram.end());
        dissector->data(static_cast<Direction>(end), bytes, context);
    }
    static std::string client_hello(size_t padding = 0) {
        Hello hello;
        hello.extensions = server_name_extension("quic.example") + alpn_extension({"h3"}) + versions_extension({0x0304}) +
                           groups_extension({0x1d}) + key_share_extension({0x1d}) + signatures_extension({0x0403}) +
                           hello_extension(57, varint(1) + varint(4) + varint(30000) + varint(0x20) + varint(1) + varint(1) +
                                                   varint(27) + varint(0)) +
                           hello_extension(21, std::string(padding, '\0'));
        return message(1, hello.body());
    }
    static std::string server_hello() {
        return message(2, server_hello_body(0x0303, 0x1301,
                                            hello_extension(43, u16(0x0304)) + hello_extension(51, u16(0x1d) + with_u16("key"))));
    }
    Initial from_client(uint32_t version = v1) const { return {version, original, true, original, client_id, "", 0}; }
    Initial from_server(uint32_t version = v1) const { return {version, original, false, client_id, server_id, "", 0}; }
    // As a server makes it that saw the Initial packet to `seen`.
    std::string retry(const std::string& seen) const {
        std::string packet = u8(0xf0) + u32(v1) + with_u8(client_id) + with_u8("retryid") + "token";
        const std::string key = from_hex("be0c690b9f66575a1d766b54e368c84e"), nonce = from_hex("461599d35d632bf2239825bb");
        return packet + gcm_tag(key, nonce, with_u8(seen) + packet);
    }
    std::string short_packet() const { return u8(0x41) + server_id + std::string(40, 'x'); }
    std::string record() const { return context.records.size() == 1 ? context.records[0] : ""; }
};

TEST(QuicKeys, AreThoseOfRfc9001And9369) {
    const std::string id = from_hex("8394c8f03e515708");
    InitialKeys one(*find_version(v1), as_bytes(id));
    EXPECT_EQ(hex(one.client().key), "1f369613dd76d5467730efcbe3b1a22d");
    EXPECT_EQ(hex(one.client().iv), "fa044b2f42a3fd3b46fb255c");
    EXPECT_EQ(hex(one.client().header_key), "9f50449e04a0e810283a1e9933adedd2");
    EXPECT_EQ(hex(one.server().key), "cf3a5331653c364c88f0f379b6067e37");
    EXPECT_EQ(hex(one.server().iv), "0ac1493ca1905853b0bba03e");
    EXPECT_EQ(hex(one.server().header_key), "c206b8d9b9f0f37644430b490eeaa314");
    InitialKeys two(*find_version(v2), as_bytes(id));
    EXPECT_EQ(hex(two.client().key), "8b1a0bc121284290a29e0971b5cd045d");
    EXPECT_EQ(hex(two.client().iv), "91f73e2351d8fa91660e909f");
    EXPECT_EQ(hex(two.client().header_key), "45b95e15235d6f45a6b19cbcb0294ba9");
}

TEST(QuicKeys, OpenTheServersPacketOfRfc9001) {
    const std::string id = from_hex("8394c8f03e515708");
    InitialKeys keys(*find_version(v1), as_bytes(id));
    const std::string packet = from_hex(
        "cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b6394100f37a1c69797554780bb38cc5a99f5ede4cf73c3ec249"
        "3a1839b3dbcb"
        "a3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84022f8ef4cdd93795d77d06edbb7aaf2f58891850abbdca3d20398c276456"
        "cbc42158407d"
        "d074ee");
    const auto header = quic_wire::read_long_header(as_bytes(packet));
    ASSERT_TRUE(header);
    std::vector<uint8_t> plain;
    ASSERT_TRUE(quic_wire::open_packet(keys.server(), header->packet, header->number_offset, plain));
    EXPECT_EQ(hex(plain).substr(0, 20), "02000000000600405a02");
    std::string bad = packet;
    bad.back() = static_cast<char>(bad.back() ^ 1);
    EXPECT_FALSE(quic_wire::open_packet(keys.server(), as_bytes(bad), header->number_offset, plain));
    EXPECT_THAT(plain, IsEmpty());
}

TEST_F(Quic, ReportsAConnectionWhenTheClientSendsData) {
    send(0, from_client().packet(crypto_frame(0, client_hello())));
    send(1, from_server().packet(crypto_frame(0, server_hello())));
    EXPECT_THAT(context.records, IsEmpty());
    send(0, short_packet());
    ASSERT_THAT(context.records, SizeIs(1));
    EXPECT_THAT(record(), HasSubstr(R"("cvf.quic.version":"1","cvf.quic.original_connection_id":"6f726967696e616c")"));
    EXPECT_THAT(record(),
                HasSubstr(R"("cvf.quic.client.connection_id":"636c6e74","cvf.quic.server.connection_id":"736572766572")"));
    EXPECT_THAT(record(), HasSubstr(R"("tls.client.server_name":"quic.example")"));
    EXPECT_THAT(record(), HasSubstr(R"("cvf.tls.client.ja4":"q13d0308h3_)"));
    EXPECT_THAT(record(), HasSubstr(R"("tls.cipher":"TLS_AES_128_GCM_SHA256")"));
    EXPECT_THAT(
        record(),
        HasSubstr(R"("tls.established":true,"cvf.tls.handshake.hello_duration":1000000,"cvf.tls.handshake.duration":2000000)"));
    EXPECT_THAT(
        record(),
        HasSubstr(R"("cvf.quic.client.transport_parameters":{"max_idle_timeout":"30000","max_datagram_frame_size":"1"})"));
    EXPECT_THAT(context.hosts, ElementsAre("quic.example"));
    EXPECT_THAT(context.violations, IsEmpty());
}

TEST_F(Quic, PutsAHelloTogetherFromFramesInAnyOrderOverSeveralDatagrams) {
    const std::string hello = client_hello(1500);
    Initial a = from_client(), b = from_client();
    b.number = 1;
    send(0, a.packet(crypto_frame(900, hello.substr(900, 100)) + u8(0) + crypto_frame(0, hello.substr(0, 500)) + u8(1) +
                     crypto_frame(500, hello.substr(500, 400))));
    EXPECT_THAT(context.hosts, IsEmpty());
    send(0, b.packet(crypto_frame(1000, hello.substr(1000))));
    EXPECT_THAT(context.hosts, ElementsAre("quic.example"));
}

TEST_F(Quic, SpeaksVersion2AndDraft29) {
    for (const uint32_t version : {v2, draft29}) {
        protocol::test::FakeContext c;
        const auto d = protocol::quic.make();
        const std::string datagram = from_client(version).packet(crypto_frame(0, client_hello()));
        EXPECT_EQ(protocol::quic.match(Direction::from_initiator, as_bytes(datagram), 1, 2), Match::yes);
        d->data(Direction::from_initiator, as_bytes(datagram), c);
        d->finish(c);
        ASSERT_THAT(c.records, SizeIs(1));
        EXPECT_THAT(c.records[0], HasSubstr("quic.example"));
        EXPECT_EQ(c.versions.at(0), version == v2 ? "2" : "draft-29");
    }
}

TEST_F(Quic, FollowsARetryToItsNewKeys) {
    send(0, from_client().packet(crypto_frame(0, client_hello())));
    send(1, retry(original));
    Initial again = from_client();
    again.key_id = again.destination = "retryid";
    again.token = "token";
    send(0, again.packet(crypto_frame(0, client_hello())));
    Initial answer = from_server();
    answer.key_id = "retryid";
    send(1, answer.packet(crypto_frame(0, server_hello())));
    dissector->finish(context);
    EXPECT_THAT(record(), HasSubstr(R"("cvf.quic.retry":true)"));
    EXPECT_THAT(record(), HasSubstr(R"("cvf.quic.retry_connection_id":"72657472796964")"));
    EXPECT_THAT(record(), HasSubstr(R"("tls.cipher":"TLS_AES_128_GCM_SHA256")"));
    EXPECT_THAT(record(), Not(HasSubstr("cvf.quic.token"))) << "the retry's own token is no news";
}

TEST(QuicRetry, IsGenuineWhenItsTagIsThatOfTheRfcs) {
    const std::string id = from_hex("8394c8f03e515708");
    const auto genuine = [&](uint32_t version, const char* packet) {
        return quic_wire::is_genuine_retry(*find_version(version), as_bytes(id), as_bytes(from_hex(packet)));
    };
    EXPECT_TRUE(genuine(v1, "ff000000010008f067a5502a4262b5746f6b656e04a265ba2eff4d829058fb3f0f2496ba"));
    EXPECT_TRUE(genuine(v2, "cf6b3343cf0008f067a5502a4262b5746f6b656ec8646ce8bfe33952d955543665dcc7b6"));
    EXPECT_TRUE(genuine(draft29, "ffff00001d0008f067a5502a4262b5746f6b656ed16926d81f6f9ca2953a8aa4575e1e49"));
    EXPECT_TRUE(genuine(0xff000019, "ffff0000190008f067a5502a4262b5746f6b656e1e5ec5b014cbb1f0fd93df4048c446a6"));
    EXPECT_FALSE(genuine(v1, "ff000000010008f067a5502a4262b5746f6b656e04a265ba2eff4d829058fb3f0f2496bb"));
    EXPECT_FALSE(genuine(v2, "ff000000010008f067a5502a4262b5746f6b656e04a265ba2eff4d829058fb3f0f2496ba"));
    EXPECT_FALSE(genuine(v1, "ff0000"));
}

TEST_F(Quic, BelievesNoRetryOfTheClientsOrWithAnotherTag) {
    send(0, from_client().packet(crypto_frame(0, client_hello())));
    send(1, retry("forgery!"));
    send(0, retry(original));
    send(1, from_server().packet(crypto_frame(0, server_hello())));
    dissector->finish(context);
    EXPECT_THAT(record(), HasSubstr(R"("tls.cipher":"TLS_AES_128_GCM_SHA256")")) << "the keys stay";
    EXPECT_THAT(record(), Not(HasSubstr("retry")));
}

TEST_F(Quic, KeepsTheOldKeysUntilTheClientTakesUpTheRetry) {
    send(0, from_client().packet(crypto_frame(0, client_hello(1500).substr(0, 800))));
    send(1, retry(original));
    Initial late = from_client();
    late.number = 1;
    send(0, late.packet(crypto_frame(800, client_hello(1500).substr(800))));
    EXPECT_THAT(context.hosts, ElementsAre("quic.example"));
}

TEST_F(Quic, SeesAnotherConnectionOfTheSamePortsWhenOneIsOver) {
    for (const std::string id : {"original", "another1", "another2"}) {
        original = id;
        send(0, from_client().packet(crypto_frame(0, client_hello())));
        send(1, from_server().packet(crypto_frame(0, server_hello())));
        send(0, short_packet());
        // Late and repeated packets of the one that is over begin nothing.
        send(0, from_client().packet(crypto_frame(0, client_hello())));
        send(1, from_server().packet(crypto_frame(0, server_hello())));
        send(0, short_packet());
    }
    dissector->finish(context);
    ASSERT_THAT(context.records, SizeIs(3));
    EXPECT_THAT(context.records[2], HasSubstr(R"("cvf.quic.original_connection_id":"616e6f7468657232")"));
    EXPECT_THAT(context.records[2], HasSubstr(R"("cvf.tls.handshake.duration":2000000)"));
}

TEST_F(Quic, WritesAKeyOfTheTransportParametersOnce) {
    record::Record record;
    record.begin(record::RecordType::quic, 0);
    const std::string unknown = varint(0x40) + with_u8("a"), known = varint(1) + with_u8(varint(5));
    const std::string bytes = unknown + known + varint(0x40) + with_u8("b") + known;
    quic_wire::write_transport_parameters(as_bytes(bytes), record);
    context.emit(record);
    EXPECT_THAT(this->record(), HasSubstr(R"("cvf.quic.client.transport_parameters":{"0x40":"61","max_idle_timeout":"5"})"));
}

TEST_F(Quic, TellsTheVersionBehindANegotiationThatBeganWithAnUnknownOne) {
    send(0, u8(0xc0) + u32(0x1a2a3a4a) + with_u8(original) + with_u8(client_id) + std::string(1200, '\0'));
    send(1, u8(0x80) + u32(0) + with_u8(client_id) + with_u8(original) + u32(0x0a0a0a0a) + u32(v1));
    original = "another1";
    send(0, from_client().packet(crypto_frame(0, client_hello())));
    ASSERT_GE(context.versions.size(), 2u);
    EXPECT_EQ(context.versions.front(), "");
    EXPECT_EQ(std::count(context.versions.begin(), context.versions.end(), "1"), 1);
}

TEST_F(Quic, FollowsANegotiationOfVersions) {
    send(0, from_client(draft29).packet(crypto_frame(0, client_hello())));
    send(1, u8(0x80) + u32(0) + with_u8(client_id) + with_u8(original) + u32(0x1a2a3a4a) + u32(v1) + u32(v2));
    original = "another1";
    send(0, from_client().packet(crypto_frame(0, client_hello())));
    send(1, from_server().packet(crypto_frame(0, server_hello())));
    dissector->finish(context);
    EXPECT_THAT(record(), HasSubstr(R"("cvf.quic.version":"1","cvf.quic.client.version":"draft-29")"));
    EXPECT_THAT(record(), HasSubstr(R"("cvf.quic.version_negotiation":["1","2"])"));
    EXPECT_THAT(record(), HasSubstr(R"("tls.cipher":"TLS_AES_128_GCM_SHA256")"));
}

TEST_F(Quic, UnderstandsAServerThatAnswersInTheOtherVersionWithTheSameConnectionId) {
    send(0, from_client().packet(crypto_frame(0, client_hello())));
    send(1, from_server(v2).packet(crypto_frame(0, server_hello())));
    dissector->finish(context);
    EXPECT_THAT(record(), HasSubstr(R"("cvf.quic.version":"2","cvf.quic.client.version":"1")"));
    EXPECT_THAT(record(), HasSubstr(R"("tls.cipher":"TLS_AES_128_GCM_SHA256")"));
}

TEST_F(Quic, ReadsPacketsThatShareADatagram) {
    const std::string zero_rtt = u8(0xd0) + u32(v1) + with_u8(original) + with_u8(client_id) + varint(30) + std::string(30, 'z');
    send(0, from_client().packet(crypto_frame(0, client_hello()), 600) + zero_rtt);
    dissector->finish(context);
    EXPECT_THAT(record(), HasSubstr(R"("cvf.quic.zero_rtt":true)"));
    EXPECT_THAT(record(), HasSubstr("quic.example"));
}

TEST_F(Quic, TellsWhyAnInitialPacketClosedTheConnection) {
    send(0, from_client().packet(crypto_frame(0, client_hello())));
    send(1, from_server().packet(u8(0x1c) + varint(0x128) + varint(6) + with_u8("no suite")));
    EXPECT_THAT(record(),
                HasSubstr(R"("cvf.quic.close.code":296,"cvf.quic.close.reason":"no suite","cvf.quic.close.from":"server")"));
}

TEST_F(Quic, DoesNotWaitForeverForTheClientsData) {
    send(0, from_client().packet(crypto_frame(0, client_hello())));
    EXPECT_TRUE(dissector->tick(context));
    send(1, from_server().packet(crypto_frame(0, server_hello())));
    context.now += 2'000'000'000;
    EXPECT_FALSE(dissector->tick(context));
    EXPECT_THAT(context.records, SizeIs(1));
}

TEST_F(Quic, KnowsTheClientByWhatOpensItsPacket) {
    send(1, from_client().packet(crypto_frame(0, client_hello())));
    EXPECT_TRUE(context.swapped);
    send(1, from_server().packet(crypto_frame(0, server_hello())));  // the server is from_responder now
    dissector->finish(context);
    EXPECT_THAT(record(), HasSubstr(R"("tls.cipher":"TLS_AES_128_GCM_SHA256")"));
}

TEST_F(Quic, GivesEachEndItsOwnConnectionIdWhenTheServersPacketComesFirst) {
    // A Handshake packet of the server's, before anything tells who is who.
    send(0, u8(0xe0) + u32(v1) + with_u8(client_id) + with_u8(server_id) + u16(0x4000 | 40) + std::string(40, 'h'));
    send(1, from_client().packet(crypto_frame(0, client_hello())));
    EXPECT_TRUE(context.swapped);
    dissector->finish(context);
    EXPECT_EQ(test::json_value(record(), "cvf.quic.client.connection_id"), '"' + hex(as_bytes(client_id)) + '"');
    EXPECT_EQ(test::json_value(record(), "cvf.quic.server.connection_id"), '"' + hex(as_bytes(server_id)) + '"');
}

TEST_F(Quic, StopsTryingKeysOnPacketsThatNoneOpens) {
    Initial wrong = from_client();
    wrong.key_id = "something else";
    for (int i = 0; i < 40; ++i) send(0, wrong.packet(crypto_frame(0, client_hello())));
    dissector->finish(context);
    EXPECT_THAT(context.hosts, IsEmpty());
    EXPECT_THAT(context.records, SizeIs(1));
}

TEST_F(Quic, MatchesLongHeadersOnly) {
    const auto match = [](const std::string& bytes) {
        return protocol::quic.match(Direction::from_initiator, as_bytes(bytes), 50000, 443);
    };
    const std::string good = from_client().packet(crypto_frame(0, client_hello()));
    EXPECT_EQ(match(good), Match::yes);
    EXPECT_EQ(match(short_packet()), Match::no);
    EXPECT_EQ(match(""), Match::no);
    std::string bad = good;
    bad[0] = static_cast<char>(bad[0] & ~0x40);
    EXPECT_EQ(match(bad), Match::no) << "fixed bit";
    bad = good;
    bad[4] = 77;
    EXPECT_EQ(match(bad), Match::no) << "version";
    bad = good;
    bad[5] = 21;
    EXPECT_EQ(match(bad), Match::no) << "connection id";
    EXPECT_EQ(match(u8(0x80) + u32(0) + with_u8("a") + with_u8("b") + u32(v1)), Match::yes);
    EXPECT_EQ(match(u8(0x80) + u32(0) + with_u8("a") + with_u8("b") + u32(0x12345678)), Match::no);
}

TEST(QuicCryptoStream, JoinsPiecesAndStaysWithinItsBounds) {
    quic_wire::CryptoStream stream;
    stream.add(4, as_bytes("efgh"));
    stream.add(2, as_bytes("cdef"));
    EXPECT_THAT(stream.joined(), IsEmpty());
    stream.add(0, as_bytes("abc"));
    EXPECT_EQ(decode::as_text(stream.joined()), "abcdefgh");
    stream.add(0, as_bytes("abcdefghij"));
    EXPECT_EQ(decode::as_text(stream.joined()), "abcdefghij");
    stream.add(uint64_t{1} << 61, as_bytes("x"));
    stream.add(32 * 1024, as_bytes("x"));
    stream.add(UINT64_MAX, as_bytes("x"));
    EXPECT_THAT(stream.joined(), SizeIs(10));
}

TEST(Pieces, HoldNoMoreThanTheBytesThatCame) {
    Pieces pieces(32 * 1024, 64);
    pieces.add(32 * 1024 - 1, as_bytes("x"));
    EXPECT_LE(pieces.held(), 128u);
    // The same again, what lies within, what overlaps and what adjoins: no byte is held twice.
    for (int i = 0; i < 100; ++i) {
        pieces.add(100, as_bytes("abcdefgh"));
        pieces.add(102, as_bytes("cde"));
        pieces.add(96, as_bytes("6789abcd"));
        pieces.add(106, as_bytes("ghij"));
    }
    EXPECT_LE(pieces.held(), 300u);
    pieces.add(0, as_bytes(std::string(96, '.')));
    EXPECT_EQ(decode::as_text(pieces.joined()), std::string(96, '.') + "6789abcdefghij");
}

TEST(Pieces, JoinWhatComesInOrderWhileTheMostWaits) {
    Pieces pieces(1000, 8);
    for (uint64_t i = 0; i < 20; ++i) pieces.add(500 + 2 * i, as_bytes("w"));
    pieces.add(0, as_bytes("in order"));
    EXPECT_EQ(decode::as_text(pieces.joined()), "in order");
    pieces.add(8, as_bytes(std::string(492, '-')));
    EXPECT_THAT(pieces.joined(), SizeIs(501));
    // Larger pieces take the place of those within them.
    pieces.add(600, as_bytes(std::string(400, '+')));
    pieces.add(501, as_bytes(std::string(99, '-')));
    EXPECT_THAT(pieces.joined(), SizeIs(1000));
}

}  // namespace
}  // namespace cvf::protocol
