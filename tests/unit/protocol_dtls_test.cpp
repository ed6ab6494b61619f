#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_context.h"
#include "protocol/dtls_fragments.h"
#include "tls_bytes.h"

namespace cvf::protocol {
namespace {

using namespace cvf::protocol::test;
using namespace cvf::tls_bytes;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::string dtls_record(unsigned type, const std::string& body, unsigned epoch = 0, unsigned version = 0xfefd) {
    return u8(type) + u16(version) + u16(epoch) + u16(0) + u32(7) + with_u16(body);
}
std::string fragment(unsigned type, unsigned sequence, const std::string& body, size_t from = 0,
                     size_t size = std::string::npos) {
    const std::string part = body.substr(from, size);
    return u8(type) + u24(static_cast<unsigned>(body.size())) + u16(sequence) + u24(static_cast<unsigned>(from)) + with_u24(part);
}

struct Dtls : testing::Test {
    FakeContext context;
    std::unique_ptr<Dissector> dissector = protocol::dtls.make();

    Dtls() { context.now = 1'000'000'000; }
    void send(int end, const std::string& datagram) {
        context.now += 1'000'000;
        const std::vector<uint8_t> bytes(datagram.begin(), datagram.end());
        dissector->data(static_cast<Direction>(end), bytes, context);
    }
    static std::string client_hello(const std::string& more = "", char random = 'r') {
        Hello hello;
        hello.random = std::string(32, random);
        hello.datagram = true;
        hello.version = 0xfefd;
        hello.extensions = server_name_extension("dtls.example") + groups_extension({0x1d}) + more;
        return hello.body();
    }
    std::string record() const { return context.records.size() == 1 ? context.records[0] : ""; }
};

TEST_F(Dtls, ReportsASessionWithItsCookieExchangeAndFragments) {
    send(0, dtls_record(22, fragment(1, 0, client_hello()), 0, 0xfeff));
    send(1, dtls_record(22, fragment(3, 0, u16(0xfeff) + with_u8("cookie")), 0, 0xfeff));
    send(0, dtls_record(22, fragment(1, 1, client_hello())));
    const std::string certificate = certificate_message({std::string(700, 'c')}).substr(4);
    // Out of order, one fragment twice, the last one together with another record.
    send(1, dtls_record(22, fragment(11, 2, certificate, 400)));
    send(1, dtls_record(22, fragment(2, 1, server_hello_body(0xfefd, 0xc02f, ""))) +
                dtls_record(22, fragment(11, 2, certificate, 0, 300)));
    send(1, dtls_record(22, fragment(11, 2, certificate, 0, 300)));
    send(1, dtls_record(22, fragment(11, 2, certificate, 250, 200) +
                                fragment(12, 3, u8(3) + u16(0x17) + with_u8("p") + u16(0x0403) + with_u16("g")) +
                                fragment(14, 4, "")));
    send(0, dtls_record(22, fragment(16, 2, "key")) + dtls_record(20, u8(1)) + dtls_record(22, std::string(48, 'f'), 1));
    EXPECT_THAT(context.records, IsEmpty());
    send(1, dtls_record(20, u8(1)) + dtls_record(22, std::string(48, 'f'), 1));
    EXPECT_THAT(record(),
                HasSubstr(R"("tls.protocol.name":"dtls","tls.protocol.version":"1.2","tls.client.server_name":"dtls.example")"));
    EXPECT_THAT(record(), HasSubstr(R"("cvf.tls.hello_retry":true)"));
    EXPECT_THAT(record(), HasSubstr(R"("tls.curve":"secp256r1")"));
    EXPECT_THAT(record(), HasSubstr(R"("cvf.tls.server.chain.length":1)"));
    EXPECT_THAT(record(), HasSubstr(R"("tls.established":true)"));
    EXPECT_THAT(context.violations, IsEmpty());
}

TEST_F(Dtls, KnowsVersion13ByItsHelloAndItsOwnRecordHeaders) {
    send(0, dtls_record(22, fragment(1, 0, client_hello(versions_extension({0xfefc})))));
    send(1, dtls_record(22, fragment(2, 0,
                                     server_hello_body(
                                         0xfefd, 0x1301,
                                         hello_extension(43, u16(0xfefc)) + hello_extension(51, u16(0x1d) + with_u16("k"))))) +
                u8(0x2e) + std::string(200, 'e'));
    send(0, u8(0x2e) + std::string(40, 'a'));  // an acknowledgement
    EXPECT_THAT(context.records, IsEmpty());
    send(0, u8(0x2e) + std::string(80, 'f'));
    EXPECT_THAT(record(), HasSubstr(R"("tls.protocol.version":"1.3")"));
    EXPECT_THAT(record(), HasSubstr(R"("tls.established":true)"));
    EXPECT_THAT(record(), HasSubstr(R"("cvf.tls.client.ja4":"dd3d)"));
}

TEST_F(Dtls, TellsAlertsAndIgnoresWhatElseRunsOnThePorts) {
    send(0, from_hex("000100002112a442") + std::string(12, 's'));  // STUN
    send(0, dtls_record(22, fragment(1, 0, client_hello())));
    send(1, u8(0x80) + std::string(30, 'r'));  // RTP
    send(1, dtls_record(21, u8(2) + u8(70)));
    EXPECT_THAT(record(), HasSubstr(R"("cvf.tls.alert.description":"protocol_version","cvf.tls.alert.from":"server")"));
    EXPECT_THAT(context.violations, IsEmpty());
}

TEST_F(Dtls, SeesAnotherSessionOfTheSamePortsWhenOneIsOver) {
    for (const char random : {'a', 'b'}) {
        send(0, dtls_record(22, fragment(1, 0, client_hello("", random))));
        send(1, dtls_record(21, u8(2) + u8(40)));
        send(0, dtls_record(22, fragment(1, 0, client_hello("", random))));  // late or repeated
        send(0, dtls_record(23, "data", 1));
    }
    dissector->finish(context);
    EXPECT_THAT(context.records, ElementsAre(HasSubstr("dtls.example"), HasSubstr("dtls.example")));
}

TEST_F(Dtls, RefusesDamagedFragments) {
    std::string bad = fragment(1, 0, client_hello());
    bad[11] = static_cast<char>(0xff);  // longer than its message
    send(0, dtls_record(22, bad));
    EXPECT_THAT(context.violations, ElementsAre("damaged handshake fragment"));
}

TEST_F(Dtls, Matches) {
    const auto match = [](const std::string& bytes) {
        return protocol::dtls.match(Direction::from_initiator, as_bytes(bytes), 1, 2);
    };
    EXPECT_EQ(match(dtls_record(22, fragment(1, 0, client_hello()))), Match::yes);
    EXPECT_EQ(match(dtls_record(23, "data", 1)), Match::yes);
    EXPECT_EQ(match(dtls_record(23, "data", 1) + "x"), Match::no);
    EXPECT_EQ(match(dtls_record(22, fragment(99, 0, "x"))), Match::no);
    EXPECT_EQ(match(dtls_record(22, "", 0, 0x0303)), Match::no);
    EXPECT_EQ(match(""), Match::no);
}

TEST(DtlsAssembly, HoldsNoMoreThanItsBound) {
    tls1::DtlsAssembly assembly;
    const std::vector<uint8_t> byte(1), most(1500);
    bool complete = false;
    for (uint16_t sequence = 0; sequence < 64; ++sequence) {
        assembly.add({11, 40'000, sequence, 0, byte}, complete);
        EXPECT_FALSE(complete);
    }
    EXPECT_LT(assembly.held(), 64u * 256) << "what fragments claim costs nothing";
    for (uint32_t i = 1; i < 1000; ++i) assembly.add({11, 40'000, static_cast<uint16_t>(i % 64), i * 16, most}, complete);
    EXPECT_GT(assembly.held(), 32u * 1024);
    EXPECT_LE(assembly.held(), 64u * 1024);
    // A message that needs no memory still passes.
    assembly.add({14, 1, 5, 0, byte}, complete);
    EXPECT_TRUE(complete);
    assembly.add({14, 1, 5, 0, byte}, complete);
    EXPECT_FALSE(complete) << "twice";
}

}  // namespace
}  // namespace cvf::protocol
