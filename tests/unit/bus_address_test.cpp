// URLs of buses, and what is said of wrong ones.
#include <gtest/gtest.h>

#include "bus/address.h"
#include "bus/bus.h"

namespace cvf::bus {

namespace {

std::string error_of(std::string_view url) {
    auto address = parse_address(url);
    return address ? "no error" : address.error();
}

}  // namespace

TEST(BusAddress, servers_get_the_port_of_their_kind) {
    auto a = parse_address("nats://a,b:1234,nats://c,[::1],[fe80::1]:99/");
    ASSERT_TRUE(a) << a.error();
    EXPECT_EQ(a->transport, Transport::nats);
    EXPECT_FALSE(a->tls);
    EXPECT_EQ(a->servers, (std::vector<std::string>{"a:4222", "b:1234", "c:4222", "[::1]:4222", "[fe80::1]:99"}));
    EXPECT_TRUE(parse_address("tls://a")->tls);
    EXPECT_EQ(parse_address("kafka://a")->servers[0], "a:9092");
    EXPECT_EQ(parse_address("kafka+tls://a")->servers[0], "a:9093");
    EXPECT_EQ(parse_address("local:")->transport, Transport::local);
    EXPECT_EQ(parse_address("local:x")->name, "x");
    EXPECT_EQ(parse_address("local://")->name, "");
}

TEST(BusAddress, logins_are_decoded) {
    auto a = parse_address("nats://us%40er:p%3aw%2f@host:1,nats://other");
    ASSERT_TRUE(a) << a.error();
    EXPECT_EQ(a->user, "us@er");
    EXPECT_EQ(a->password, "p:w/");
    EXPECT_EQ(a->servers, (std::vector<std::string>{"host:1", "other:4222"}));
    EXPECT_EQ(parse_address("nats://to%2fken@host")->token, "to/ken");
    EXPECT_EQ(parse_address("kafka://u:p@host")->password, "p");
    EXPECT_EQ(parse_address("nats://u:p://x@host")->password, "p://x");
}

TEST(BusAddress, an_error_says_what_is_wrong) {
    EXPECT_NE(error_of("nats://a:0").find("\"0\" is no port"), std::string::npos) << error_of("nats://a:0");
    EXPECT_NE(error_of("nats://a:65536").find("is no port"), std::string::npos);
    EXPECT_NE(error_of("nats://a:4x").find("\"4x\" is no port"), std::string::npos);
    EXPECT_NE(error_of("nats://").find("a server's name is missing"), std::string::npos);
    EXPECT_NE(error_of("nats://a,,b").find("a server's name is missing"), std::string::npos);
    EXPECT_NE(error_of("nats://::1").find("in brackets"), std::string::npos);
    EXPECT_NE(error_of("nats://[::1").find("lacks the ]"), std::string::npos);
    EXPECT_NE(error_of("nats://a/subject").find("host:port"), std::string::npos);
    EXPECT_NE(error_of("nats://a,tls://b").find("same scheme"), std::string::npos);
    EXPECT_NE(error_of("kafka://token@a").find("no tokens"), std::string::npos);
    EXPECT_NE(error_of("nats://%zz:p@a").find("two hex digits"), std::string::npos);
    EXPECT_NE(error_of("").find("none of nats://, tls://, kafka://, kafka+tls://, local:"), std::string::npos) << error_of("");
    EXPECT_NE(error_of("host:4222").find("begins with none of"), std::string::npos);
}

TEST(BusAddress, the_nearest_scheme_is_named) {
    const std::pair<const char*, const char*> slips[] = {
        {"nat://a", "nats://"},    {"natss://a", "tls://"},        {"nast://a", "nats://"},
        {"kafak://a", "kafka://"}, {"kafkas://a", "kafka+tls://"}, {"kafka+ssl://a", "kafka+tls://"},
        {"tsl://a", "tls://"},     {"Nats://a", "nats://"},        {"locl://", "local:"}};
    for (const auto& [url, nearest] : slips) {
        EXPECT_NE(error_of(url).find(std::string("did you mean ") + nearest), std::string::npos) << url << ": " << error_of(url);
    }
    EXPECT_EQ(error_of("amqp://a").find("did you mean"), std::string::npos);
}

TEST(BusAddress, no_error_repeats_a_password) {
    for (const char* url :
         {"nats://u:hunter2@", "nats://u:hunter2@a:b", "nats://u:hunter2@a/b", "natz://u:hunter2@a", "u:hunter2@a",
          "nats://u:hunter2%@a", "nats://hunter2@a:x", "kafka://hunter2@a", "nats://u:hunter2@[::1", "nats://u:hunter2@::1",
          "u:hunter2://@a", "nats://a,nats://u:hunter2@b:c", "nats://u:hun/ter2@b", "hunter2@natz://a"}) {
        EXPECT_EQ(error_of(url).find("hunter2"), std::string::npos) << error_of(url);
        EXPECT_EQ(error_of(url).find("ter2"), std::string::npos) << error_of(url);
        Options options;
        options.url = url;
        auto bus = Bus::connect(options);
        if (!bus) EXPECT_EQ(bus.error().find("ter2"), std::string::npos) << bus.error();
    }
}

}  // namespace cvf::bus
