#include <gtest/gtest.h>

#include "protocol/digest.h"
#include "protocol/tls_fingerprint.h"
#include "tls_bytes.h"

namespace cvf::protocol::tls1 {
namespace {

using namespace cvf::tls_bytes;

std::string ja4_of(const Hello& hello, Carrier carrier = Carrier::tls) {
    const std::string body = hello.body();
    ClientHello parsed;
    EXPECT_TRUE(parse_client_hello(as_bytes(body), carrier, parsed));
    return std::string(fingerprint(parsed, carrier).ja4_text());
}

std::string prefix_of(std::string_view text) {
    const auto digest = sha256(as_bytes(text));
    char hex[12];
    write_hex(hex, {digest.data(), 6});
    return {hex, sizeof hex};
}

std::string ja3_of(const Hello& hello) {
    const std::string body = hello.body();
    ClientHello parsed;
    EXPECT_TRUE(parse_client_hello(as_bytes(body), Carrier::tls, parsed));
    return ja3_string(parsed);
}

// The worked example of the public description of JA4, GREASE put in where a browser puts it.
Hello example() {
    Hello hello;
    hello.ciphers = {0x3a3a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030,
                     0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035};
    hello.extensions = hello_extension(0xdada, "") + hello_extension(0x001b, "x") + server_name_extension("example.org") +
                       key_share_extension({0x1a1a, 0x1d}) + alpn_extension({"h2", "http/1.1"}) + hello_extension(0x4469, "") +
                       hello_extension(0x0017, "") + hello_extension(0x002d, "") +
                       signatures_extension({0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601}) +
                       hello_extension(0x0005, "") + hello_extension(0x0023, "") + hello_extension(0x0012, "") +
                       versions_extension({0x4a4a, 0x0304, 0x0303}) + hello_extension(0xff01, u8(0)) +
                       hello_extension(0x000b, u8(1) + u8(0)) + groups_extension({0x2a2a, 0x1d, 0x17, 0x18}) +
                       hello_extension(0x0015, "");
    return hello;
}

TEST(Ja4, IsThatOfThePublishedExample) {
    EXPECT_EQ(ja4_of(example()), "t13d1516h2_8daaf6152771_e5627efa2ab1");
}

TEST(Ja4, IsTheSameWhenRememberedAndWhenExtensionsChangePlaces) {
    EXPECT_EQ(ja4_of(example()), ja4_of(example()));
    Hello shuffled = example();
    const std::string first = hello_extension(0xdada, "") + hello_extension(0x001b, "x");
    shuffled.extensions = shuffled.extensions.substr(first.size()) + first;
    EXPECT_EQ(ja4_of(shuffled), ja4_of(example()));
    EXPECT_NE(ja3_of(shuffled), ja3_of(example()));
}

TEST(Ja4, SaysWhatCarriedTheHello) {
    EXPECT_EQ(ja4_of(example(), Carrier::quic).substr(0, 10), "q13d1516h2");
    Hello dtls;
    dtls.datagram = true;
    dtls.version = 0xfefd;
    EXPECT_EQ(ja4_of(dtls, Carrier::dtls).substr(0, 10), "dd2i030000");
    dtls.extensions = versions_extension({0xfefc, 0xfefd});
    EXPECT_EQ(ja4_of(dtls, Carrier::dtls).substr(0, 3), "dd3");
}

TEST(Ja4, TakesTheHighestVersionOfferedAndZerosForAnUnknownOne) {
    Hello hello;
    for (const auto& [version, text] :
         std::vector<std::pair<unsigned, std::string>>{{0x0300, "s3"}, {0x0301, "10"}, {0x0302, "11"}, {0x0303, "12"}}) {
        hello.version = version;
        EXPECT_EQ(ja4_of(hello).substr(1, 2), text);
    }
    hello.extensions = versions_extension({0x0303, 0x7f1c});
    EXPECT_EQ(ja4_of(hello).substr(1, 2), "00");
}

TEST(Ja4, TakesFirstAndLastCharacterOfTheFirstApplicationProtocol) {
    const auto alpn = [](const std::string& name) {
        Hello hello;
        hello.extensions = alpn_extension({name, "zz"});
        return ja4_of(hello).substr(8, 2);
    };
    EXPECT_EQ(alpn("http/1.1"), "h1");
    EXPECT_EQ(alpn("h"), "hh");
    EXPECT_EQ(alpn("\xab"), "ab");
    EXPECT_EQ(alpn("\xab\xcd"), "ad");
    EXPECT_EQ(alpn("\x30\xab"), "3b");
    EXPECT_EQ(alpn("\x30\x31\xab\xcd"), "3d");
    EXPECT_EQ(alpn("\x30\xab\xcd\x31"), "01");
    EXPECT_EQ(alpn("\xab"
                   "1"),
              "a1");
    Hello none;
    EXPECT_EQ(ja4_of(none).substr(8, 2), "00");
    none.extensions = hello_extension(16, with_u16(""));
    EXPECT_EQ(ja4_of(none).substr(8, 2), "00");
}

TEST(Ja4, HashesNothingAsZerosAndLeavesTheUnderscoreAwayWithoutSignatures) {
    Hello hello;
    hello.ciphers = {0x0a0a};
    EXPECT_EQ(ja4_of(hello), "t12i000000_000000000000_000000000000");
    hello.extensions = hello_extension(0x0005, "") + hello_extension(0x000a, "");
    EXPECT_EQ(ja4_of(hello).substr(24), prefix_of("0005,000a"));
    hello.extensions += signatures_extension({0x0a0a, 0x0403});
    EXPECT_EQ(ja4_of(hello).substr(24), prefix_of("0005,000a,000d_0403"));
}

TEST(Ja4, CountsNoFurtherThanNinetyNine) {
    Hello hello;
    hello.ciphers.clear();
    for (unsigned i = 0; i < 150; ++i) hello.ciphers.push_back(0xc000 + i);
    EXPECT_EQ(ja4_of(hello).substr(4, 2), "99");
}

TEST(Ja3, ListsEverythingInTheOrderSentWithoutGrease) {
    EXPECT_EQ(ja3_of(example()),
              "771,4865-4866-4867-49195-49199-49196-49200-52393-52392-49171-49172-156-157-47-53,"
              "27-0-51-16-17513-23-45-13-5-35-18-43-65281-11-10-21,29-23-24,0");
    EXPECT_EQ(ja3_of(Hello()), "771,4865-4866-49199,,,");
}

TEST(Ja3, IsMd5OfThatListAndJa3sOfTheServersOwn) {
    const std::string body = Hello().body();
    ClientHello client;
    ASSERT_TRUE(parse_client_hello(as_bytes(body), Carrier::tls, client));
    char hex[32];
    write_hex(hex, md5(as_bytes("771,4865-4866-49199,,,")));
    EXPECT_EQ(fingerprint(client, Carrier::tls).ja3_text(), std::string_view(hex, 32));

    const std::string answer =
        server_hello_body(0x0303, 0xc02f, hello_extension(0xff01, u8(0)) + hello_extension(0x0b, u8(1) + u8(0)));
    ServerHello server;
    ASSERT_TRUE(parse_server_hello(as_bytes(answer), server));
    EXPECT_EQ(ja3s_string(server), "771,49199,65281-11");
    write_hex(hex, md5(as_bytes("771,49199,65281-11")));
    const auto hash = ja3s(server);
    EXPECT_EQ(std::string_view(hash.data(), 32), std::string_view(hex, 32));
}

}  // namespace
}  // namespace cvf::protocol::tls1
