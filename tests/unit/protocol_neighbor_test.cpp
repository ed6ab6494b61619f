#include "protocol/neighbor.h"

#include <gtest/gtest.h>

#include <string>

#include "record/json.h"

namespace cvf::protocol {
namespace {

using namespace std::string_literals;

std::string octets(std::initializer_list<int> list) {
    std::string s;
    for (int v : list) s += static_cast<char>(v);
    return s;
}

// The record as JSON, "" when there is none.
template <class Fill>
std::string json(Fill fill, const std::string& bytes, record::RecordType type) {
    decode::Packet p;
    p.layer3 = {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
    record::Record r;
    r.begin(type, 0);
    if (!fill(p, r)) return "";
    record::Buffer out;
    record::write_json(r, nullptr, out);
    return std::string(out.view());
}
std::string arp(int operation, const std::string& sender_mac, const std::string& sender, const std::string& target_mac,
                const std::string& target) {
    return json(arp_record, octets({0, 1, 8, 0, 6, 4, 0, operation}) + sender_mac + sender + target_mac + target,
                record::RecordType::arp);
}
const std::string mac_a = octets({2, 0, 0, 0, 0, 0xaa}), mac_b = octets({2, 0, 0, 0, 0, 0xbb}), none(6, '\0');
const std::string ip_a = octets({10, 0, 0, 1}), ip_b = octets({10, 0, 0, 2});

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

TEST(Arp, TellsRequestsFromReplies) {
    const std::string request = arp(1, mac_a, ip_a, none, ip_b);
    EXPECT_TRUE(has(request, R"("cvf.arp.operation":"request")")) << request;
    EXPECT_TRUE(has(request, R"("source.address":"10.0.0.1")"));
    EXPECT_TRUE(has(request, R"("destination.address":"10.0.0.2")"));
    EXPECT_TRUE(has(request, R"("source.mac":"02-00-00-00-00-AA")"));
    EXPECT_FALSE(has(request, "destination.mac"));
    const std::string reply = arp(2, mac_b, ip_b, mac_a, ip_a);
    EXPECT_TRUE(has(reply, R"("cvf.arp.operation":"reply")"));
    EXPECT_TRUE(has(reply, R"("destination.mac":"02-00-00-00-00-AA")"));
    EXPECT_FALSE(has(reply, "gratuitous"));
    EXPECT_TRUE(has(arp(9, mac_b, ip_b, mac_a, ip_a), "op-9"));
}

TEST(Arp, KnowsAnnouncementsAndProbes) {
    EXPECT_TRUE(has(arp(1, mac_a, ip_a, none, ip_a), R"("cvf.arp.gratuitous":true)"));
    EXPECT_TRUE(has(arp(1, mac_a, octets({0, 0, 0, 0}), none, ip_a), R"("cvf.arp.probe":true)"));
}

TEST(Arp, RefusesWhatIsNoneOrCut) {
    const std::string whole = octets({0, 1, 8, 0, 6, 4, 0, 1}) + mac_a + ip_a + none + ip_b;
    for (size_t n = 0; n < whole.size(); ++n) EXPECT_EQ(json(arp_record, whole.substr(0, n), record::RecordType::arp), "") << n;
    EXPECT_EQ(json(arp_record, std::string(40, '\1'), record::RecordType::arp), "");
}

std::string element(int type, const std::string& value) {
    return octets({type << 1 | static_cast<int>(value.size() >> 8), static_cast<int>(value.size() & 0xff)}) + value;
}
const std::string mandatory = element(1, "\4"s + mac_a) + element(2, "\5eth0"s) + element(3, "\0\x78"s);

TEST(Lldp, ReadsTheNeighbour) {
    const std::string frame = mandatory + element(4, "uplink") + element(5, "switch-1") + element(6, "Some OS 1.0") +
                              element(7, "\0\x14\0\4"s) + element(8, octets({5, 1, 10, 0, 0, 9, 2, 0, 0, 0, 1, 0})) +
                              element(8, octets({17, 2}) + std::string(15, '\0') + "\1" + octets({2, 0, 0, 0, 1, 0})) +
                              element(127, octets({0, 0x80, 0xc2, 1, 0, 42})) + element(0, "");
    const std::string out = json(lldp_record, frame, record::RecordType::lldp);
    EXPECT_TRUE(has(out, R"("cvf.lldp.chassis.id":"02-00-00-00-00-AA")")) << out;
    EXPECT_TRUE(has(out, R"("cvf.lldp.chassis.kind":"mac")"));
    EXPECT_TRUE(has(out, R"("cvf.lldp.port.id":"eth0")"));
    EXPECT_TRUE(has(out, R"("cvf.lldp.port.kind":"interface")"));
    EXPECT_TRUE(has(out, R"("cvf.lldp.ttl":120)"));
    EXPECT_TRUE(has(out, R"("cvf.lldp.port.description":"uplink")"));
    EXPECT_TRUE(has(out, R"("cvf.lldp.system.name":"switch-1")"));
    EXPECT_TRUE(has(out, R"("cvf.lldp.system.description":"Some OS 1.0")"));
    EXPECT_TRUE(has(out, R"("cvf.lldp.system.capabilities":["bridge","router"])"));
    EXPECT_TRUE(has(out, R"("cvf.lldp.system.enabled":["bridge"])"));
    EXPECT_TRUE(has(out, R"("cvf.lldp.management.addresses":["10.0.0.9","::1"])"));
    EXPECT_TRUE(has(out, R"("cvf.lldp.port.vlan":42)"));
}

TEST(Lldp, ReadsWhatOrganisationsAdded) {
    const auto of = [](std::initializer_list<int> owner_and_subtype, const std::string& value) {
        return element(127, octets(owner_and_subtype) + value);
    };
    const std::string frame = mandatory + of({0, 0x80, 0xc2, 3}, octets({0, 42, 5}) + "voice") +
                              of({0, 0x80, 0xc2, 3}, octets({0, 43, 9}) + "short") + of({0, 0x12, 0x0f, 4}, octets({5, 0xee})) +
                              of({0, 0x12, 0x0f, 4}, octets({9, 9})) + of({0, 0x12, 0xbb, 1}, octets({0, 0x33, 3})) +
                              of({0, 0x12, 0xbb, 5}, "rev B") + of({0, 0x12, 0xbb, 6}, "1.2") + of({0, 0x12, 0xbb, 7}, "3.4") +
                              of({0, 0x12, 0xbb, 8}, "SN-1") + of({0, 0x12, 0xbb, 9}, "Maker") +
                              of({0, 0x12, 0xbb, 10}, "Phone 9") + of({0, 0x12, 0xbb, 11}, "A-77") +
                              of({0, 0x12, 0xbb, 12}, "later") + of({0, 0x12, 0xbb}, "") + element(0, "");
    const std::string out = json(lldp_record, frame, record::RecordType::lldp);
    EXPECT_TRUE(has(out, R"("cvf.lldp.vlans":["42 voice"])")) << out;
    EXPECT_TRUE(has(out, R"("cvf.lldp.port.max_frame_size":1518)")) << out;
    EXPECT_TRUE(has(out, R"("cvf.lldp.device.class":"communication_endpoint")")) << out;
    EXPECT_TRUE(has(out, R"("cvf.lldp.device.hardware_revision":"rev B")"));
    EXPECT_TRUE(has(out, R"("cvf.lldp.device.firmware_revision":"1.2")"));
    EXPECT_TRUE(has(out, R"("cvf.lldp.device.software_revision":"3.4")"));
    EXPECT_TRUE(has(out, R"("cvf.lldp.device.serial_number":"SN-1")"));
    EXPECT_TRUE(has(out, R"("cvf.lldp.device.manufacturer":"Maker")"));
    EXPECT_TRUE(has(out, R"("cvf.lldp.device.model":"Phone 9")"));
    EXPECT_TRUE(has(out, R"("cvf.lldp.device.asset_id":"A-77")"));
    EXPECT_FALSE(has(out, "truncated")) << out;
}

TEST(Lldp, WantsTheThreeMandatoryElementsOnce) {
    EXPECT_NE(json(lldp_record, mandatory, record::RecordType::lldp), "");
    EXPECT_EQ(json(lldp_record, mandatory.substr(0, 15), record::RecordType::lldp), "");
    EXPECT_EQ(json(lldp_record, mandatory + mandatory, record::RecordType::lldp), "");
    EXPECT_EQ(json(lldp_record, element(1, "\4"), record::RecordType::lldp), "");
    const std::string cut = json(lldp_record, mandatory + element(5, "switch-1").substr(0, 5), record::RecordType::lldp);
    EXPECT_TRUE(has(cut, R"("cvf.truncated":true)")) << cut;
    EXPECT_NE(json(lldp_record, mandatory + element(5, "a") + element(5, "b"), record::RecordType::lldp), "")
        << "said twice, kept once";
}

}  // namespace
}  // namespace cvf::protocol
