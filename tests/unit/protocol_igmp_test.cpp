#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_context.h"
#include "tls_bytes.h"

namespace cvf::protocol {
namespace {

using namespace cvf::protocol::test;
using namespace cvf::tls_bytes;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

struct Igmp : testing::Test {
    FakeContext context;
    std::unique_ptr<Dissector> dissector = igmp.make();

    const std::string& send(const std::string& hex) {
        static const std::string none;
        const std::string text = from_hex(hex);
        const std::vector<uint8_t> exact(text.begin(), text.end());
        dissector->data(Direction::from_initiator, exact, context);
        return context.records.empty() ? none : context.records.back();
    }
    std::string groups() const { return json_value(context.records.back(), "cvf.icmp.mld.groups"); }
};

TEST_F(Igmp, TellsReportsAndLeavesWithTheirGroup) {
    EXPECT_EQ(json_value(send("1200000000000000"), "cvf.icmp.message"), R"("membership report")");
    EXPECT_EQ(json_value(send("16000904e00000fb"), "cvf.icmp.type"), "22");
    EXPECT_EQ(groups(), R"(["224.0.0.251"])");
    EXPECT_EQ(json_value(send("17000804e00000fb"), "cvf.icmp.message"), R"("leave group")");
    EXPECT_EQ(groups(), R"(["224.0.0.251"])");
    EXPECT_THAT(context.versions, ElementsAre("1", "2", "2"));
}

TEST_F(Igmp, TellsTheVersionOfAQuery) {
    send("1100eeff00000000");
    EXPECT_EQ(groups(), "") << "to all";
    send("1164ee9b00000000");
    send("1164ec1e00000000027d0000");
    EXPECT_THAT(context.versions, ElementsAre("1", "2", "3"));
}

TEST_F(Igmp, TellsTheGroupsOfAVersion3ReportAndWhatBecameOfThem) {
    send(
        "2200000000000003"
        "04000000e00000fb"
        "01000002ef010203c0000201c0000202"
        "07010000ef01020400000000");
    EXPECT_EQ(groups(), R"(["224.0.0.251","239.1.2.3","239.1.2.4"])");
    EXPECT_EQ(json_value(context.records.back(), "cvf.icmp.mld.record_types"), R"(["to exclude","is include","unknown"])");
    EXPECT_THAT(context.violations, IsEmpty());
}

TEST_F(Igmp, CountsWhatEndsEarlyUnlessTheCaptureCutIt) {
    send("22000000000000");
    send("220000000000000204000000e00000fb");
    EXPECT_THAT(context.violations, ElementsAre("shorter than an IGMP header", "message ends early"));
    ASSERT_THAT(context.records, SizeIs(1));
    EXPECT_EQ(groups(), R"(["224.0.0.251"])");
    context.cut = true;
    EXPECT_EQ(json_value(send("220000000000000204000000e00000fb"), "cvf.truncated"), "true");
    EXPECT_THAT(context.violations, SizeIs(2));
}

}  // namespace
}  // namespace cvf::protocol
