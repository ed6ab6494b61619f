// From a filter's necessary conditions to the kernel's selector.
#include "agent/selector.h"

#include <gtest/gtest.h>

namespace cvf::agent {
namespace {

directive::Pushdown of(std::string_view expression) {
    auto filter = filter::Filter::compile(expression);
    EXPECT_TRUE(filter) << expression;
    return filter ? directive::pushdown_of(*filter) : directive::Pushdown();
}

TEST(SelectorOf, NothingWantedIsNothingAndAnythingIsEverything) {
    const tap::Selector none = selector_of({});
    EXPECT_FALSE(none.tcp || none.udp || none.others);
    EXPECT_TRUE(selector_of(of("http.response.status_code >= 500")).everything());
    const tap::Selector never = selector_of(of("destination.port == 80 && false"));
    EXPECT_FALSE(never.tcp || never.udp || never.others);
}

TEST(SelectorOf, PortsAndAddressesOfBothFamiliesGoOver) {
    const tap::Selector s =
        selector_of(of("destination.port >= 8000 && destination.port < 8010 && "
                       "(cidr(\"10.1.0.0/16\").containsIP(source.address) || source.address == \"fd00::1\")"));
    ASSERT_TRUE(s.ports && s.addresses);
    ASSERT_EQ(s.addresses->size(), 2u);
    EXPECT_EQ((*s.addresses)[0].family, 4);
    EXPECT_EQ((*s.addresses)[0].bits, 16);
    EXPECT_EQ((*s.addresses)[0].address.bytes[1], 1);
    EXPECT_EQ((*s.addresses)[1].family, 6);
    EXPECT_EQ((*s.addresses)[1].bits, 128);
    EXPECT_TRUE(s.tcp && s.udp && s.others);
}

TEST(SelectorOf, TransportsByNameAndByTheBeginningOfOne) {
    tap::Selector s = selector_of(of("network.transport == \"udp\""));
    EXPECT_TRUE(!s.tcp && s.udp && !s.others);
    s = selector_of(of("network.transport == \"tcp\""));
    EXPECT_TRUE(s.tcp && !s.udp && !s.others);
    s = selector_of(of("network.transport == \"icmp\""));
    EXPECT_TRUE(!s.tcp && !s.udp && s.others);
    s = selector_of(of("network.transport.startsWith(\"u\")"));
    EXPECT_TRUE(!s.tcp && s.udp && s.others);  // udplite
}

TEST(SelectorOf, OwnersAreNotJudgedInTheKernel) {
    EXPECT_TRUE(selector_of(of("source.process.executable.name == \"nginx\"")).everything());
}

}  // namespace
}  // namespace cvf::agent
