#include "tap/endpoint_handshakes.h"

#include <algorithm>

namespace cvf::tap {

namespace {

constexpr size_t most_handshakes = 16384, most_bytes = 64 * 1024, most_handshake_packets = 16;
// Whoever can reach a listener can send it SYNs with data. Beyond this much of all handshakes only headers are kept.
constexpr size_t most_bytes_of_all = 16u << 20, headers = 128;

}  // namespace

bool HeldPackets::add(const cvf_payload& p, decode::Bytes packet) {
    if (bytes_.size() + packet.size() > most_bytes) return false;
    packets_.push_back({p.event.time, p.event.egress != 0, p.length, static_cast<uint32_t>(packet.size()), bytes_.size()});
    bytes_.insert(bytes_.end(), packet.begin(), packet.end());
    return true;
}

bool Handshakes::add(const cvf_payload& p, decode::Bytes packet) {
    auto at = all_.find(key(p.event.netns, p.isn));
    if (at == all_.end()) {
        if (all_.size() >= most_handshakes) return false;
        at = all_.try_emplace(key(p.event.netns, p.isn)).first;
        at->second.first = p.event.time;
        at->second.netns = p.event.netns;
        at->second.listener = p.event.cookie;
    }
    Handshake& h = at->second;
    const size_t whole = packet.size();
    if (bytes_ + whole > most_bytes_of_all) packet = packet.first(std::min(whole, headers));
    const bool kept = h.packets.all().size() < most_handshake_packets && h.packets.add(p, packet);
    if (kept) bytes_ += packet.size();
    if (!kept || packet.size() < whole) cut_++;
    return true;
}

void Handshakes::remove(uint32_t netns, uint32_t isn) {
    const auto at = all_.find(key(netns, isn));
    if (at == all_.end()) return;
    bytes_ -= at->second.packets.size();
    all_.erase(at);
}

const Handshake* Handshakes::find(uint32_t netns, uint32_t isn) const {
    const auto at = all_.find(key(netns, isn));
    return at == all_.end() ? nullptr : &at->second;
}

std::optional<Socket> half_open(const Handshake& h) {
    if (h.packets.all().empty()) return std::nullopt;
    const HeldPackets::Held& p = h.packets.all().front();
    const uint8_t* ip = h.packets.bytes(p).data();
    Socket s;
    size_t transport = 40;
    if (p.captured >= 24 && ip[0] >> 4 == 4) {
        transport = (ip[0] & 15) * 4u;
        s.family = 4;
        s.remote = decode::Address::v4(ip + (p.egress ? 16 : 12));
        s.local = decode::Address::v4(ip + (p.egress ? 12 : 16));
    } else if (p.captured >= 44 && ip[0] >> 4 == 6) {
        s.family = 6;
        s.remote = decode::Address::v6(ip + (p.egress ? 24 : 8));
        s.local = decode::Address::v6(ip + (p.egress ? 8 : 24));
    } else {
        return std::nullopt;
    }
    if (transport + 4 > p.captured) return std::nullopt;
    const uint16_t from = decode::load_be16(ip + transport), to = decode::load_be16(ip + transport + 2);
    s.netns = h.netns;
    s.ip_protocol = 6;
    s.role = Role::server;
    s.local_port = p.egress ? from : to;
    s.remote_port = p.egress ? to : from;
    return s;
}

Counters counters_of(const Handshake& h, const host::Clock& clock) {
    Counters c;
    for (const HeldPackets::Held& packet : h.packets.all()) {
        (packet.egress ? c.packets_out : c.packets_in)++;
        (packet.egress ? c.bytes_out : c.bytes_in) += packet.length;
        c.last_ns = clock.utc(packet.time);
    }
    c.first_ns = clock.utc(h.first);
    return c;
}

}  // namespace cvf::tap
