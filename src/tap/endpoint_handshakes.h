// Packets that are kept until it is known whose they are: a listener's handshakes, which belong to the connection that may come
// of them, and payload that was faster than its socket's opening.
//
// Packets keep their own times. Memory is bounded by constants here; what is cut is counted. One thread.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "bpf/shared.h"
#include "decode/bytes.h"
#include "host/clock.h"
#include "tap/endpoint.h"

namespace cvf::tap {

class HeldPackets {
 public:
    struct Held {
        uint64_t time = 0;
        bool egress = false;
        uint32_t length = 0, captured = 0;
        uint64_t at = 0;  // in the bytes kept
    };

    // False: there is no room.
    bool add(const cvf_payload& event, decode::Bytes packet);
    const std::vector<Held>& all() const { return packets_; }
    size_t size() const { return bytes_.size(); }  // of what is kept
    decode::Bytes bytes(const Held& packet) const { return decode::Bytes(bytes_.data() + packet.at, packet.captured); }

 private:
    std::vector<Held> packets_;
    std::vector<uint8_t> bytes_;
};

struct Handshake {
    uint64_t first = 0;
    uint32_t netns = 0;
    uint64_t listener = 0;  // its cookie
    HeldPackets packets;
};

class Handshakes {
 public:
    // False: there are too many handshakes.
    bool add(const cvf_payload& event, decode::Bytes packet);
    // By namespace and the opener's initial sequence number. Null: there is none.
    const Handshake* find(uint32_t netns, uint32_t isn) const;
    void remove(uint32_t netns, uint32_t isn);
    // Takes out, each to `give_up`, those begun before `time`.
    template <typename F>
    void expire(uint64_t time, F&& give_up) {
        boost::unordered::erase_if(all_, [&](auto& h) {
            if (h.second.first >= time) return false;
            give_up(h.second);
            bytes_ -= h.second.packets.size();
            return true;
        });
    }
    // Packets of which not all bytes were kept.
    uint64_t packets_cut() const { return cut_; }

 private:
    static uint64_t key(uint32_t netns, uint32_t isn) { return static_cast<uint64_t>(netns) << 32 | isn; }
    boost::unordered_flat_map<uint64_t, Handshake> all_;
    uint64_t cut_ = 0;
    size_t bytes_ = 0;  // kept of all
};

// A handshake of which nothing came, as the listener's end of a conversation; without cookie and owner. Nothing when its packets
// cannot be read.
std::optional<Socket> half_open(const Handshake& handshake);
Counters counters_of(const Handshake& handshake, const host::Clock& clock);

}  // namespace cvf::tap
