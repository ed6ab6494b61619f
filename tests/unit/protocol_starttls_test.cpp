// Protocols that go on as TLS: how they are known, and where TLS takes over.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_context.h"

namespace {

using namespace cvf;
using namespace cvf::protocol;
using namespace std::literals;
using test::as_bytes;
using test::FakeContext;
using test::Player;

constexpr int client = 0, server = 1;
constexpr auto hello = "\x16\x03\x01\x00\x70\x01\x00\x00\x6c\x03\x03"sv;

Match match(const Protocol& protocol, int end, std::string_view bytes) {
    return protocol.match(static_cast<Direction>(end), as_bytes(bytes), 40000, 0);
}

const std::string mysql_greeting = "\x4a\x00\x00\x00\x0a"s + "8.0.36\0"s + std::string(67, '\x01');
const auto ldap_request = "\x30\x1d\x02\x01\x01\x77\x18\x80\x16\x31.3.6.1.4.1.1466.20037"sv;
const auto postgresql_request = "\x00\x00\x00\x08\x04\xd2\x16\x2f"sv;

TEST(Starttls, each_is_known_by_how_it_begins) {
    const std::tuple<const Protocol*, int, std::string_view> all[] = {
        {&smtp, server, "220 mx.example ESMTP ready\r\n"},
        {&smtp, server, "220-mx.example smtp\r\n220 more\r\n"},
        {&smtp, client, "EHLO a.example\r\n"},
        {&smtp, client, "helo a.example\r\n"},
        {&imap, server, "* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n"},
        {&pop3, server, "+OK ready\r\n"},
        {&ftp, server, "220 (vsFTPd 3.0.3)\r\n"},
        {&xmpp, client, "<?xml version='1.0'?><stream:stream to='a' xmlns='jabber:client'>"},
        {&xmpp, client, "<stream:stream to='a' xmlns='jabber:client'>"},
        {&ldap, client, ldap_request},
        {&postgresql, client, postgresql_request},
        {&mysql, server, mysql_greeting},
    };
    for (const auto& [protocol, end, bytes] : all) {
        EXPECT_EQ(match(*protocol, end, bytes), Match::yes) << protocol->name << ": " << bytes;
        for (const Protocol* other : all_protocols())
            if (other != protocol && other->transports & static_cast<uint8_t>(Transport::tcp))
                EXPECT_NE(match(*other, end, bytes), Match::yes) << other->name << ": " << bytes;
        // In pieces it is never refused on the way.
        for (size_t n = 1; n < bytes.size(); n++)
            EXPECT_NE(match(*protocol, end, bytes.substr(0, n)), Match::no) << bytes.substr(0, n);
    }
}

TEST(Starttls, what_only_looks_like_one_is_refused) {
    EXPECT_EQ(match(smtp, server, "220 some service\r\n"), Match::no);
    EXPECT_EQ(match(ftp, server, "220 some service\r\n"), Match::no);
    EXPECT_EQ(match(ftp, server, "220 mx.example ESMTP ready\r\n"), Match::no);
    EXPECT_EQ(match(smtp, client, "220 mx.example ESMTP ready\r\n"), Match::no);
    EXPECT_EQ(match(smtp, server, "220 " + std::string(600, 'x')), Match::no);
    EXPECT_EQ(match(imap, server, "* OK ready\r\n"), Match::no);
    EXPECT_EQ(match(xmpp, client, "<?xml version='1.0'?>" + std::string(600, ' ')), Match::no);
    EXPECT_EQ(match(postgresql, client, "\x00\x00\x00\x08\x04\xd2\x16\x30"sv), Match::no);
    EXPECT_EQ(match(ldap, client, "\x30\x1d\x02\x01\x01\x77\x18\x80\x16\x31.3.6.1.4.1.1466.20036"sv), Match::no);
    EXPECT_EQ(match(ldap, client, "\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00 a bind, longer now"sv), Match::no);
    EXPECT_EQ(match(mysql, server, std::string(200, '\0')), Match::no);
}

TEST(Starttls, tls_takes_over_at_the_first_byte_of_the_hello_in_segments_of_any_size) {
    for (size_t segment : {0, 1, 2, 3, 7}) {
        FakeContext ctx;
        const auto dissector = smtp.make();
        Player play{*dissector, ctx};
        play.send(server, "220 mx.example ESMTP\r\n", segment);
        play.send(client, "EHLO a.example\r\n", segment);
        play.send(server, "250-mx.example\r\n250 STARTTLS\r\n", segment);
        play.send(client, "STARTTLS\r\n", segment);
        play.send(server, "220 go ahead\r\n", segment);
        EXPECT_FALSE(ctx.handed_over) << segment;
        play.send(client, hello, segment);
        EXPECT_EQ(ctx.handed_over, "tls") << segment;
        EXPECT_GE(play.pending(client), 6u) << "all of the hello that came is left to it";
        EXPECT_FALSE(ctx.versions.empty());
        EXPECT_TRUE(ctx.violations.empty());
    }
}

TEST(Starttls, a_request_and_the_hello_in_one_segment_are_told_apart) {
    FakeContext ctx;
    const auto dissector = mysql.make();
    Player play{*dissector, ctx};
    play.send(server, mysql_greeting);
    play.send(client, "\x20\x00\x00\x01\x85\xae\xff\x19"s + std::string(28, '\0') + std::string(hello));
    EXPECT_EQ(ctx.handed_over, "tls");
    EXPECT_EQ(play.pending(client), hello.size());
}

TEST(Starttls, without_an_upgrade_nothing_more_is_wanted_after_some_commands) {
    FakeContext ctx;
    const auto dissector = smtp.make();
    Player play{*dissector, ctx};
    play.send(server, "220 mx.example ESMTP\r\n");
    for (int i = 0; i < 100 && play.skip_left(client) == 0; i++) play.send(client, "NOOP " + std::string(60, 'x') + "\r\n");
    EXPECT_EQ(play.skip_left(client), skip_all);
    play.send(server, "250 fine\r\n");
    EXPECT_EQ(play.skip_left(server), skip_all);
    EXPECT_FALSE(ctx.handed_over);
    ASSERT_GE(ctx.wants.size(), 2u);
    EXPECT_EQ(ctx.wants.back().second, Want::none);
}

}  // namespace
