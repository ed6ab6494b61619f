// Frames for tests, put together layer by layer from the inside out: eth(ipv4(17, udp(1, 2, "x"))).
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "decode/packet.h"

namespace cvf::decode::test {

using namespace std::string_literals;

inline std::string be16(unsigned v) {
    return {static_cast<char>(v >> 8), static_cast<char>(v)};
}
inline std::string be32(uint32_t v) {
    return be16(v >> 16) + be16(v & 0xffff);
}
inline std::string octets(std::initializer_list<int> list) {
    std::string s;
    for (int v : list) s += static_cast<char>(v);
    return s;
}

inline std::string eth(const std::string& inside, unsigned type = 0x0800) {
    return octets({2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1}) + be16(type) + inside;
}
inline std::string vlan(unsigned id, const std::string& inside, unsigned type = 0x0800) {
    return be16(id) + be16(type) + inside;
}

// 10.0.0.1 to 10.0.0.2 unless `last` says which hosts.
struct V4 {
    int source = 1, destination = 2;
    unsigned id = 0, fragment = 0;
    int length = -1;  // by its header; -1: the truth
    std::string options = {};
};
inline std::string ipv4(int protocol, const std::string& inside, V4 o = {}) {
    const size_t header = 20 + o.options.size();
    const size_t total = o.length >= 0 ? static_cast<size_t>(o.length) : header + inside.size();
    return octets({static_cast<int>(0x40 | header / 4), 0}) + be16(static_cast<unsigned>(total)) + be16(o.id) + be16(o.fragment) +
           octets({64, protocol, 0, 0, 10, 0, 0, o.source, 10, 0, 0, o.destination}) + o.options + inside;
}
inline std::string v6_address(int last, uint32_t prefix = 0xfd000000) {
    return be32(prefix) + std::string(11, '\0') + static_cast<char>(last);
}
inline std::string ipv6(int next, const std::string& inside, int length = -1, uint32_t prefix = 0xfd000000) {
    return be32(0x60000000) + be16(static_cast<unsigned>(length >= 0 ? static_cast<size_t>(length) : inside.size())) +
           octets({next, 64}) + v6_address(1, prefix) + v6_address(2, prefix) + inside;
}
inline std::string udp(unsigned from, unsigned to, const std::string& inside, int length = -1) {
    return be16(from) + be16(to) + be16(static_cast<unsigned>(length >= 0 ? static_cast<size_t>(length) : inside.size() + 8)) +
           be16(0) + inside;
}
inline std::string tcp(unsigned from, unsigned to, int flags, const std::string& inside, const std::string& options = {}) {
    return be16(from) + be16(to) + be32(1000) + be32(2000) + octets({static_cast<int>((20 + options.size()) / 4 << 4), flags}) +
           be16(512) + be32(0) + options + inside;
}

// Decodes and keeps the bytes.
class Decoded {
 public:
    explicit Decoded(std::string frame, LinkType link = LinkType::ethernet, uint32_t wire_length = 0) : bytes_(std::move(frame)) {
        dirty();
        packet.link = link;
        packet.frame = {reinterpret_cast<const uint8_t*>(bytes_.data()), bytes_.size()};
        packet.wire_length = wire_length != 0 ? wire_length : static_cast<uint32_t>(bytes_.size());
        decode_frame(packet);
    }
    const Packet* operator->() const { return &packet; }
    std::string_view payload() const { return as_text(packet.payload); }
    Packet packet;

 private:
    // What an earlier packet may have left behind must not show.
    void dirty() {
        packet.faults = 0xffff;
        packet.ether_type = 0xffff;
        packet.network = Network::lldp;
        packet.has_mac = packet.is_fragment = packet.more_fragments = packet.has_transport = true;
        packet.vlan_count = packet.mpls_count = packet.tunnel_count = 4;
        packet.nesting = 200;
        packet.ip_protocol = 99;
        packet.fragment_offset = packet.fragment_count = packet.source_port = packet.destination_port = 9;
        packet.ip_length = packet.payload_length = 9;
        packet.tcp.mss = 9;
        packet.tcp.has_window_scale = packet.tcp.sack_permitted = packet.tcp.mptcp = true;
        packet.source.bytes.fill(9);
        packet.destination.bytes.fill(9);
    }
    std::string bytes_;
};

}  // namespace cvf::decode::test
