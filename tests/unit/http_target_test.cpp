#include "http/target.h"

#include <gtest/gtest.h>

#include "http/address.h"

namespace cvf::http {
namespace {

TEST(Target, splits_path_and_query_and_undoes_the_encoding) {
    const auto target = parse_target("/api/v1/records?filter=dns.question.name%20%3D%3D%20%22a%26b%22&types=dns,http&x=1+2&flag");
    ASSERT_TRUE(target);
    EXPECT_EQ(target->path, "/api/v1/records");
    EXPECT_EQ(target->parameter("filter"), "dns.question.name == \"a&b\"");
    EXPECT_EQ(target->parameter("types"), "dns,http");
    EXPECT_EQ(target->parameter("x"), "1 2");
    EXPECT_EQ(target->parameter("flag"), "");
    EXPECT_EQ(target->parameter("none"), std::nullopt);
}

TEST(Target, of_absolute_form_loses_its_authority) {
    EXPECT_EQ(parse_target("http://host:80/a?b=c")->path, "/a");
    EXPECT_EQ(parse_target("http://host")->path, "/");
    EXPECT_EQ(parse_target("http://host?x=1#f")->path, "/");
    EXPECT_EQ(parse_target("http://host?x=1&y=/a")->parameter("x"), "1") << "no path is no reason to lose the query";
    EXPECT_EQ(parse_target("https://host#f")->path, "/");
}

TEST(Target, with_broken_encoding_is_refused) {
    for (const char* bad : {"", "a", "*", "/%", "/%4", "/%zz", "/%00", "/a?b=%", "/a?%00=1"})
        EXPECT_FALSE(parse_target(bad)) << bad;
}

TEST(Target, with_too_many_parameters_is_refused) {
    std::string text = "/?a=1";
    for (size_t i = 1; i < max_parameters; ++i) text += "&a=1";
    EXPECT_TRUE(parse_target(text));
    EXPECT_FALSE(parse_target(text + "&a=1"));
}

TEST(Encoding, comes_back_as_it_was_for_every_byte_but_nul) {
    std::string all;
    for (int c = 1; c < 256; ++c) all += static_cast<char>(c);
    EXPECT_EQ(decode_component(encode_component(all), true), all);
}

TEST(Place, is_a_host_with_port_or_a_unix_socket) {
    EXPECT_EQ(parse_place("http://127.0.0.1:7380")->port, 7380);
    EXPECT_EQ(parse_place("http://[::1]:81/")->host, "::1");
    EXPECT_EQ(parse_place("http://[::1]:81/")->authority(), "[::1]:81");
    EXPECT_EQ(parse_place("https://host")->port, 443);
    EXPECT_TRUE(parse_place("https://host:7380")->tls);
    EXPECT_FALSE(parse_place("http://host")->tls);
    EXPECT_EQ(parse_place("unix:/run/x.sock")->unix_path, "/run/x.sock");
    EXPECT_EQ(parse_place("/run/x.sock")->unix_path, "/run/x.sock");
    for (const char* bad :
         {"", "https://", "http://", "http://a:b", "http://a:70000", "http://a/b", "http://::1", "http://[::1", "http://u@h"})
        EXPECT_FALSE(parse_place(bad)) << bad;
    EXPECT_FALSE(parse_place("unix:/" + std::string(200, 'x')));
    EXPECT_FALSE(parse_host_port("127.0.0.1"));
}

}  // namespace
}  // namespace cvf::http
