#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_context.h"
#include "protocol/dissector.h"
#include "tls_bytes.h"

namespace cvf::protocol {
namespace {

using namespace cvf::protocol::test;
using namespace cvf::tls_bytes;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr int client = 0, server = 1;

struct Tls : testing::Test {
    FakeContext context;
    std::unique_ptr<Dissector> dissector = protocol::tls.make();
    Player player{*dissector, context};

    Tls() {
        context.responder_port = 443;
        context.now = 1'000'000'000;
    }

    void send(int end, const std::string& bytes, size_t segment = 0) {
        context.now += 1'000'000;
        player.send(end, bytes, segment);
    }
    std::string record() const { return context.records.size() == 1 ? context.records[0] : ""; }

    static std::string client_hello(const std::string& more = "") {
        Hello hello;
        hello.session_id = std::string(32, 'i');
        hello.extensions = server_name_extension("example.org") + alpn_extension({"h2", "http/1.1"}) +
                           groups_extension({0x11ec, 0x1d, 0x17}) + signatures_extension({0x0403, 0x0804}) + more;
        return message(1, hello.body());
    }
    static std::string server_hello13(const std::string& more = "") {
        return message(
            2, server_hello_body(0x0303, 0x1301,
                                 hello_extension(43, u16(0x0304)) + hello_extension(51, u16(0x11ec) + with_u16("key")) + more,
                                 std::string(32, 'i')));
    }
    static std::string client_hello13(const std::string& more = "") {
        return client_hello(versions_extension({0x0a0a, 0x0304, 0x0303}) + key_share_extension({0x11ec, 0x1d}) + more);
    }
    // The server's first flight of TLS 1.2, and how both end it.
    static std::string server_flight12() {
        return message(2, server_hello_body(0x0303, 0xc02f, hello_extension(16, with_u16(with_u8("h2"))), std::string(32, 'n'))) +
               certificate_message({"not a certificate"}) +
               message(12, u8(3) + u16(0x1d) + with_u8(std::string(32, 'p')) + u16(0x0804) + with_u16(std::string(64, 'g'))) +
               message(14, "");
    }
    static std::string finish12() { return tls_record(20, u8(1)) + tls_record(22, std::string(40, '\x99')); }
};

TEST_F(Tls, ReportsAHandshakeOfVersion12WithItsKeyExchange) {
    send(client, tls_record(22, client_hello(), 0x0301));
    send(server, tls_record(22, server_flight12()));
    send(client, tls_record(22, message(16, std::string(33, 'c'))) + finish12());
    EXPECT_THAT(context.records, IsEmpty());
    send(server, finish12());
    ASSERT_THAT(context.records, SizeIs(1));
    EXPECT_THAT(record(), HasSubstr(R"("tls.protocol.name":"tls","tls.protocol.version":"1.2")"));
    EXPECT_THAT(record(), HasSubstr(R"("tls.client.server_name":"example.org")"));
    EXPECT_THAT(record(), HasSubstr(R"("cvf.tls.client.alpn":["h2","http/1.1"])"));
    EXPECT_THAT(record(), HasSubstr(R"("tls.next_protocol":"h2")"));
    EXPECT_THAT(record(), HasSubstr(R"("tls.cipher":"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256")"));
    EXPECT_THAT(record(), HasSubstr(R"("tls.curve":"x25519","cvf.tls.post_quantum":false)"));
    EXPECT_THAT(record(), HasSubstr(R"("cvf.tls.server.signature_algorithm":"rsa_pss_rsae_sha256")"));
    EXPECT_THAT(record(), HasSubstr(R"("cvf.tls.client.post_quantum":true)"));
    EXPECT_THAT(record(), HasSubstr(R"("tls.resumed":false)"));
    EXPECT_THAT(record(), HasSubstr(R"("tls.established":true)"));
    EXPECT_THAT(record(), HasSubstr(R"("cvf.tls.handshake.hello_duration":1000000,"cvf.tls.handshake.duration":3000000)"));
    EXPECT_THAT(record(), HasSubstr(R"("cvf.tls.server.chain.length":1)"));
    EXPECT_THAT(context.hosts, ElementsAre("example.org"));
    EXPECT_EQ(context.versions.back(), "1.2");
    EXPECT_THAT(context.violations, IsEmpty());
    // Nothing more is wanted of either direction.
    send(client, "more");
    send(server, "more");
    EXPECT_EQ(player.skip_left(client), skip_all);
    EXPECT_EQ(player.skip_left(server), skip_all);
}

TEST_F(Tls, ReportsAHandshakeOfVersion13WhenTheClientHasFinished) {
    send(client, tls_record(22, client_hello13(), 0x0301));
    send(server, tls_record(22, server_hello13()) + tls_record(20, u8(1)) + tls_record(23, std::string(900, 'e')));
    EXPECT_THAT(context.records, IsEmpty());
    send(client, tls_record(20, u8(1)) + tls_record(23, std::string(53, 'f')));
    ASSERT_THAT(context.records, SizeIs(1));
    EXPECT_THAT(record(), HasSubstr(R"("tls.protocol.version":"1.3")"));
    EXPECT_THAT(record(), HasSubstr(R"("cvf.tls.client.versions":["1.3","1.2"])"));
    EXPECT_THAT(record(), HasSubstr(R"("cvf.tls.client.key_shares":["X25519MLKEM768","x25519"])"));
    EXPECT_THAT(record(), HasSubstr(R"("tls.curve":"X25519MLKEM768","cvf.tls.post_quantum":true)"));
    EXPECT_THAT(record(), HasSubstr(R"("tls.established":true)"));
    EXPECT_THAT(context.violations, IsEmpty());
}

TEST_F(Tls, GivesTheSameRecordHoweverTheStreamIsCut) {
    const std::string first = tls_record(22, client_hello13(), 0x0301);
    const std::string answer = tls_record(22, server_hello13()) + tls_record(20, u8(1)) + tls_record(23, std::string(900, 'e'));
    const std::string end = tls_record(20, u8(1)) + tls_record(23, std::string(53, 'f'));
    std::vector<std::string> records;
    for (const size_t segment : {size_t{0}, size_t{1}, size_t{2}, size_t{7}, size_t{100}}) {
        FakeContext c;
        c.now = 1;
        c.responder_port = 443;
        const auto d = protocol::tls.make();
        Player p(*d, c);
        p.send(client, first, segment);
        p.send(server, answer, segment);
        p.send(client, end, segment);
        ASSERT_THAT(c.records, SizeIs(1)) << segment;
        records.push_back(c.records[0]);
    }
    for (const std::string& r : records) EXPECT_EQ(r, records[0]);
}

TEST_F(Tls, PutsMessagesTogetherThatAreSplitOverRecords) {
    const std::string hello = client_hello13();
    std::string records;
    for (size_t at = 0; at < hello.size(); at += 3) records += tls_record(22, hello.substr(at, 3), 0x0301);
    send(client, records);
    send(server, tls_record(22, server_flight12().substr(0, 50)) + tls_record(22, server_flight12().substr(50)));
    send(client, finish12());
    send(server, finish12());
    EXPECT_THAT(record(), HasSubstr(R"("tls.client.server_name":"example.org")"));
    EXPECT_THAT(record(), HasSubstr(R"("tls.curve":"x25519")"));
}

TEST_F(Tls, CountsWhatItKeepsOfAMessageAsMemory) {
    EXPECT_EQ(dissector->memory(), 0u);
    const std::string hello = client_hello13(), begun = message(11, std::string(9000, 'c'));
    send(client, tls_record(22, hello));
    EXPECT_LE(dissector->memory(), hello.size());
    send(server, tls_record(22, begun.substr(0, 8000)));
    EXPECT_GE(dissector->memory(), 8000u);
}

TEST_F(Tls, KnowsResumptionByTicketByIdAndByPresharedKey) {
    const auto resume = [](const std::string& ticket) {
        FakeContext c;
        const auto d = protocol::tls.make();
        Player p(*d, c);
        p.send(client, tls_record(22, client_hello(hello_extension(35, ticket))));
        p.send(server, tls_record(22, message(2, server_hello_body(0x0303, 0xc02f, "", std::string(32, 'i')))) + finish12());
        p.send(client, finish12());
        return c.records.size() == 1 ? c.records[0] : "";
    };
    EXPECT_THAT(resume("ticket"), HasSubstr(R"("tls.resumed":true,"cvf.tls.resumption":"ticket")"));
    EXPECT_THAT(resume(""), HasSubstr(R"("tls.resumed":true,"cvf.tls.resumption":"session_id")"));
    send(client, tls_record(22, client_hello13(hello_extension(42, "") + hello_extension(41, "psk"))) +
                     tls_record(23, std::string(60, 'd')));
    send(server, tls_record(22, server_hello13(hello_extension(41, u16(0)))) + tls_record(23, std::string(100, 'e')));
    EXPECT_THAT(context.records, IsEmpty()) << "early data are no Finished";
    send(client, tls_record(23, std::string(21, 'o')) + tls_record(23, std::string(69, 'f')));
    EXPECT_THAT(record(), HasSubstr(R"("tls.resumed":true,"cvf.tls.resumption":"psk")"));
    EXPECT_THAT(record(), HasSubstr(R"("cvf.tls.client.early_data":true)"));
}

TEST_F(Tls, TellsTheKeyThatCameInThePlaceOfACertificate) {
    // SubjectPublicKeyInfo of an Ed25519 key: RFC 8410 10.1.
    const std::string key = from_hex("302a300506032b657003210019bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1");
    send(client, tls_record(22, client_hello()));
    send(server,
         tls_record(22, message(2, server_hello_body(0x0303, 0xc02b, hello_extension(19, u8(2)) + hello_extension(20, u8(2)))) +
                            message(11, with_u24(key)) + message(13, "") + message(14, "")));
    send(client, tls_record(22, message(11, with_u24(key)) + message(16, "k")) + finish12());
    send(server, finish12());
    ASSERT_THAT(context.records, SizeIs(1));
    for (const char* side : {"server", "client"}) {
        const std::string tls = std::string("tls.") + side, cvf = "cvf.tls." + std::string(side);
        EXPECT_EQ(json_value(record(), cvf + ".certificate.raw_key"), "true");
        EXPECT_EQ(json_value(record(), tls + ".x509.public_key_algorithm"), "\"Ed25519\"");
        EXPECT_EQ(json_value(record(), tls + ".x509.public_key_size"), "256");
        EXPECT_EQ(json_value(record(), tls + ".hash.sha256").size(), 66u);
        EXPECT_EQ(json_value(record(), cvf + ".chain.length"), "");
        EXPECT_EQ(json_value(record(), cvf + ".certificate.self_signed"), "");
    }
    EXPECT_EQ(json_value(record(), "tls.established"), "true");
}

TEST_F(Tls, CountsCertificatesAsMemory) {
    send(client, tls_record(22, client_hello()));
    send(server, tls_record(22, message(2, server_hello_body(0x0303, 0xc02f, ""))));
    const size_t before = dissector->memory();
    send(server, tls_record(22, certificate_message({std::string(4000, 'c'), std::string(4000, 'd')})));
    EXPECT_GE(dissector->memory(), before + 8000);
}

TEST_F(Tls, KnowsTheForerunnersOfVersion13AndOfEncryptedHellos) {
    send(client, tls_record(22, client_hello13(hello_extension(0xffce, "esni"))));
    send(server, tls_record(22, message(2, server_hello_body(0x0303, 0x1301,
                                                             hello_extension(43, u16(0xfb1a)) +
                                                                 hello_extension(51, u16(0x1d) + with_u16("key"))))) +
                     tls_record(23, std::string(900, 'e')));
    send(client, tls_record(23, std::string(53, 'f')));
    ASSERT_THAT(context.records, SizeIs(1));
    EXPECT_EQ(json_value(record(), "tls.protocol.version"), "\"1.3\"");
    EXPECT_EQ(json_value(record(), "tls.established"), "true");
    EXPECT_EQ(json_value(record(), "cvf.tls.client.ech"), "true");
}

TEST_F(Tls, FollowsARetryToTheSecondHello) {
    const std::string retry_random = from_hex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c");
    send(client, tls_record(22, client_hello13()));
    send(server, tls_record(22, message(2, server_hello_body(0x0303, 0x1301,
                                                             hello_extension(43, u16(0x0304)) + hello_extension(51, u16(0x17)),
                                                             "", retry_random))) +
                     tls_record(20, u8(1)));
    send(client, tls_record(20, u8(1)) + tls_record(22, client_hello13()));
    send(server, tls_record(22, server_hello13()) + tls_record(23, std::string(500, 'e')));
    send(client, tls_record(23, std::string(53, 'f')));
    EXPECT_THAT(record(), HasSubstr(R"("cvf.tls.hello_retry":true)"));
    EXPECT_THAT(record(), HasSubstr(R"("tls.curve":"X25519MLKEM768")"));
    EXPECT_THAT(record(), HasSubstr(R"("cvf.tls.handshake.hello_duration":1000000,"cvf.tls.handshake.duration":4000000)"));
}

TEST_F(Tls, TellsWhoRefusedAndWhy) {
    send(client, tls_record(22, client_hello()));
    send(server, tls_record(21, u8(2) + u8(40)));
    EXPECT_THAT(
        record(),
        HasSubstr(
            R"("cvf.tls.alert.level":"fatal","cvf.tls.alert.description":"handshake_failure","cvf.tls.alert.from":"server")"));
    EXPECT_THAT(record(), HasSubstr(R"("error.type":"handshake_failure","tls.established":false)"));
}

TEST_F(Tls, TakesAShortEncryptedRecordOfAClientInVersion13ForItsRefusal) {
    send(client, tls_record(22, client_hello13()));
    send(server, tls_record(22, server_hello13()) + tls_record(23, std::string(900, 'e')));
    send(client, tls_record(23, std::string(19, 'a')));
    EXPECT_THAT(record(), HasSubstr(R"("tls.established":false)"));
}

TEST_F(Tls, ReportsAnUnansweredHelloAtTheEnd) {
    send(client, tls_record(22, client_hello()));
    player.close(client);
    EXPECT_THAT(context.records, IsEmpty());
    player.close(server);
    EXPECT_THAT(record(), HasSubstr(R"("tls.client.server_name":"example.org")"));
    EXPECT_THAT(record(), HasSubstr(R"("tls.established":false)"));
    player.finish();
    EXPECT_THAT(context.records, SizeIs(1));
}

TEST_F(Tls, KeepsWhatItKnowsAcrossAGapAndMarksIt) {
    send(client, tls_record(22, client_hello()));
    const std::string flight = tls_record(22, server_flight12());
    send(server, flight.substr(0, 100));  // the ServerHello is in it
    player.gap(server, flight.size() - 100 + player.pending(server));
    send(client, tls_record(22, message(16, std::string(33, 'c'))) + finish12());
    send(server, finish12());
    EXPECT_THAT(record(), HasSubstr(R"("tls.cipher":"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256")"));
    EXPECT_THAT(record(), HasSubstr(R"("tls.established":true)"));
    EXPECT_THAT(record(), HasSubstr(R"("cvf.truncated":true)"));
}

TEST_F(Tls, FindsTheNextRecordAfterAGapThatEndsAtOne) {
    send(client, tls_record(22, client_hello()));
    player.gap(server, 3000);
    send(server, finish12());
    send(client, finish12());
    EXPECT_THAT(record(), HasSubstr(R"("cvf.truncated":true)"));
    EXPECT_THAT(record(), Not(HasSubstr("tls.cipher\":")));
    EXPECT_THAT(context.violations, IsEmpty());
}

TEST_F(Tls, GivesADirectionUpThatCannotBeReadAfterAGap) {
    send(client, tls_record(22, client_hello()));
    player.gap(server, 3000);
    send(server, std::string(200, 'z'));
    EXPECT_EQ(player.skip_left(server), skip_all);
    EXPECT_THAT(context.violations, IsEmpty());
    send(client, finish12() + tls_record(23, std::string(50, 'd')));
    EXPECT_THAT(record(), HasSubstr(R"("tls.established":true)"));
}

TEST_F(Tls, ChangesTheEndsWhenTheClientIsTheOther) {
    send(1, tls_record(22, client_hello13()));
    EXPECT_TRUE(context.swapped);
    send(0, tls_record(22, server_hello13()) + tls_record(23, std::string(900, 'e')));
    send(1, tls_record(23, std::string(53, 'f')));
    EXPECT_THAT(record(), HasSubstr(R"("tls.established":true)"));
}

TEST_F(Tls, WorksAlsoWhereTheEndsStayAsTheyAre) {
    context.swap_allowed = false;
    send(1, tls_record(22, client_hello()));
    send(0, tls_record(21, u8(2) + u8(40)));
    EXPECT_THAT(record(), HasSubstr(R"("cvf.tls.alert.from":"server")"));
}

TEST_F(Tls, SaysNothingOfAConnectionThatWasEncryptedBeforeItWasSeen) {
    send(client, tls_record(23, std::string(400, 'x')) + tls_record(23, std::string(40, 'y')));
    EXPECT_EQ(player.skip_left(client), skip_all);
    player.finish();
    EXPECT_THAT(context.records, IsEmpty());
    EXPECT_THAT(context.violations, IsEmpty());
    EXPECT_THAT(context.versions, Not(IsEmpty()));
}

TEST_F(Tls, ReadsTheHelloOfSsl2) {
    const std::string hello =
        u8(1) + u16(0x0301) + u16(9) + u16(0) + u16(16) + u24(0x010080) + u24(0x00002f) + u24(0x123456) + std::string(16, 'c');
    const std::string bytes =
        u8(0x80 | static_cast<unsigned>(hello.size() >> 8)) + u8(static_cast<unsigned>(hello.size())) + hello;
    EXPECT_EQ(protocol::tls.match(Direction::from_initiator, as_bytes(bytes), 1, 443), Match::yes);
    send(client, bytes, 5);
    send(server, tls_record(22, server_flight12(), 0x0301));
    player.finish();
    EXPECT_THAT(record(), HasSubstr(R"("cvf.tls.client.ssl2_hello":true)"));
    EXPECT_THAT(record(), HasSubstr(R"(["SSL_CK_RC4_128_WITH_MD5","TLS_RSA_WITH_AES_128_CBC_SHA","0x123456"])"));
}

TEST_F(Tls, CallsVersion3Ssl) {
    Hello hello;
    hello.version = 0x0300;
    send(client, tls_record(22, message(1, hello.body()), 0x0300));
    send(server, tls_record(22, message(2, server_hello_body(0x0300, 0x0005, "")), 0x0300));
    player.finish();
    EXPECT_THAT(record(), HasSubstr(R"("tls.protocol.name":"ssl","tls.protocol.version":"3.0")"));
    EXPECT_THAT(record(), HasSubstr(R"("tls.cipher":"TLS_RSA_WITH_RC4_128_SHA")"));
}

TEST_F(Tls, RefusesWhatIsNoTls) {
    Hello hello;
    const std::string good = message(1, hello.body());
    std::string bad = good;
    bad[4] = 9;  // version 9.3
    send(client, tls_record(22, bad));
    EXPECT_THAT(context.violations, ElementsAre("damaged ClientHello"));
    EXPECT_THAT(context.versions, IsEmpty());
}

TEST_F(Tls, PassesOverAMessageThatIsTooLong) {
    send(client, tls_record(22, client_hello()));
    send(server, tls_record(22, message(2, server_hello_body(0x0303, 0xc02f, ""))));
    std::string huge = message(11, std::string(200'000, 'x'));
    for (size_t at = 0; at < huge.size(); at += 16'000) send(server, tls_record(22, huge.substr(at, 16'000)));
    send(server, tls_record(22, message(14, "")));
    EXPECT_LT(player.pending(server), 20'000u);
    send(client, finish12());
    send(server, finish12());
    EXPECT_THAT(record(), HasSubstr(R"("tls.established":true)"));
    EXPECT_THAT(record(), HasSubstr(R"("cvf.truncated":true)"));
}

TEST_F(Tls, WritesNoRecordThatNobodyWants) {
    context.types_wanted.reset();
    send(client, tls_record(22, client_hello13()));
    send(server, tls_record(22, server_hello13()) + tls_record(23, std::string(900, 'e')));
    send(client, tls_record(23, std::string(53, 'f')));
    player.finish();
    EXPECT_THAT(context.records, IsEmpty());
    EXPECT_THAT(context.hosts, ElementsAre("example.org"));
}

TEST(TlsMatch, TellsBytesOfTlsFromOthers) {
    const auto match = [](const std::string& bytes, uint16_t port = 4000) {
        return protocol::tls.match(Direction::from_initiator, as_bytes(bytes), 50000, port);
    };
    const std::string hello = tls_record(22, message(1, Hello().body()), 0x0301);
    EXPECT_EQ(match(hello), Match::yes);
    EXPECT_EQ(match(hello.substr(0, 11)), Match::yes);
    for (size_t n = 1; n < 11; ++n) EXPECT_EQ(match(hello.substr(0, n)), Match::maybe) << n;
    EXPECT_EQ(match(""), Match::maybe);
    EXPECT_EQ(match(tls_record(21, u8(2) + u8(40))), Match::yes);
    EXPECT_EQ(match(tls_record(21, u8(3) + u8(40))), Match::no);
    EXPECT_EQ(match(tls_record(23, std::string(30, 'x')) + tls_record(23, "yy")), Match::yes);
    EXPECT_EQ(match(tls_record(23, std::string(30, 'x')) + "GET / HTTP"), Match::no);
    EXPECT_EQ(match(tls_record(23, std::string(5000, 'x')).substr(0, 1400)), Match::maybe);
    EXPECT_EQ(match(tls_record(23, std::string(5000, 'x')).substr(0, 1400), 443), Match::yes);
    EXPECT_EQ(match("GET / HTTP/1.1\r\n"), Match::no);
    EXPECT_EQ(match(u8(22) + u16(0x0405)), Match::no);
    EXPECT_EQ(match(std::string(20, '\x80')), Match::no);
}

}  // namespace
}  // namespace cvf::protocol
