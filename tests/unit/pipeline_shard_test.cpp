// What a shard counts, told by its health record.
#include "pipeline/shard.h"

#include <gtest/gtest.h>

#include <string>

#include "decode_frames.h"

namespace cvf::pipeline {
namespace {

struct Lines final : sink::Sink {
    explicit Lines(std::string& to) : text(to) {}
    std::string& text;
    void write(std::string_view lines, size_t) override { text += lines; }
    void flush() override {}
    sink::SinkStats stats() const override { return {}; }
    bool closed() const override { return false; }
    void interrupt() override {}
};

TEST(Shard, CountsNeighbourFramesThatBreakTheirProtocol) {
    std::string out;
    std::vector<std::unique_ptr<Outlet>> outlets;
    outlets.push_back(std::make_unique<Outlet>(Selection{}, std::make_unique<Lines>(out)));
    Shard shard({}, std::move(outlets));
    const auto send = [&](const std::string& frame, size_t captured = std::string::npos) {
        const std::string bytes = frame.substr(0, captured);
        decode::Packet packet;
        packet.time = 1'700'000'000'000'000'000;
        packet.wire_length = static_cast<uint32_t>(frame.size());
        packet.frame = {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
        shard.frame(packet);
    };
    using decode::test::eth;
    const std::string arp = std::string("\0\1\x08\0\6\4\0\1", 8) + std::string(20, 'a');
    send(eth(arp, 0x0806));
    send(eth(arp, 0x0806), 30);  // the capture cut it: nobody's fault
    send(eth(arp.substr(0, 20), 0x0806));
    send(eth("nonsense", 0x0806));
    send(eth("\x02\x01", 0x88cc));
    shard.health(1'700'000'001'000'000'000, "file", {}, true);
    shard.flush();
    EXPECT_NE(out.find("\"record.type\":\"arp\""), std::string::npos) << out;
    EXPECT_NE(out.find("\"cvf.violations.arp\":2"), std::string::npos) << out;
    EXPECT_NE(out.find("\"cvf.violations.lldp\":1"), std::string::npos) << out;
}

}  // namespace
}  // namespace cvf::pipeline
