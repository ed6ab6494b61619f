#include "tap/endpoint_pairs.h"

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstring>
#include <string_view>

#include "tap/endpoint_values.h"

namespace cvf::tap {

namespace {

constexpr uint32_t most_under_way = 4u << 20;  // bytes by which two ends' numbers may differ

struct Tuple {
    uint8_t bytes[36];
    bool operator==(const Tuple& o) const { return std::memcmp(bytes, o.bytes, sizeof bytes) == 0; }
};
struct Hash {
    size_t operator()(const Tuple& t) const {
        return std::hash<std::string_view>()({reinterpret_cast<const char*>(t.bytes), sizeof t.bytes});
    }
};

Tuple tuple_of(const cvf_tuple& t, bool mirrored) {
    Tuple k{};
    const uint8_t *a = mirrored ? t.remote : t.local, *b = mirrored ? t.local : t.remote;
    auto put = [&](const uint8_t* from, size_t at) {
        if (t.family == 6 && is_mapped(from))
            std::memcpy(k.bytes + at, from + 12, 4);
        else
            std::memcpy(k.bytes + at, from, 16);
    };
    put(a, 0);
    put(b, 16);
    const uint16_t ports[2] = {mirrored ? t.remote_port : t.local_port, mirrored ? t.local_port : t.remote_port};
    std::memcpy(k.bytes + 32, ports, 4);
    return k;
}

bool is_near(uint32_t a, uint32_t b) {
    return static_cast<uint32_t>(a - b + most_under_way) < 2 * most_under_way;
}

uint64_t numbers(uint32_t sent, uint32_t received) {
    return static_cast<uint64_t>(sent) << 32 | received;
}

}  // namespace

std::vector<std::pair<const cvf_report*, const cvf_report*>> connected_pairs(const std::vector<cvf_report>& reports) {
    std::vector<std::pair<const cvf_report*, const cvf_report*>> pairs;
    boost::unordered_flat_map<uint64_t, const cvf_report*> by_numbers;
    boost::unordered_flat_map<Tuple, const cvf_report*, Hash> by_tuple;
    for (const cvf_report& r : reports) {
        if (!r.tcp.has_tcp || r.socket.tuple.state == tcp_state_listen || !(r.socket.flags & CVF_S_MET)) continue;
        const auto other = by_numbers.find(numbers(r.tcp.rcv_nxt, r.tcp.snd_nxt));
        const cvf_report* peer = other == by_numbers.end() ? nullptr : other->second;
        if (!peer) {
            const auto t = by_tuple.find(tuple_of(r.socket.tuple, true));
            if (t != by_tuple.end() && is_near(t->second->tcp.snd_nxt, r.tcp.rcv_nxt) &&
                is_near(t->second->tcp.rcv_nxt, r.tcp.snd_nxt))
                peer = t->second;
        }
        if (peer) {
            pairs.push_back({peer, &r});
            continue;
        }
        by_numbers[numbers(r.tcp.snd_nxt, r.tcp.rcv_nxt)] = &r;
        by_tuple[tuple_of(r.socket.tuple, false)] = &r;
    }
    return pairs;
}

}  // namespace cvf::tap
