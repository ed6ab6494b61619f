// Puts fragmented IPv4 and IPv6 datagrams together (RFC 791; RFC 8200, 4.5).
//
// Bounded in datagrams and in bytes: when a new one does not fit, the oldest is given up and counted. A datagram that is not
// complete 30 seconds (of packet time) after its first fragment came is given up too. So is a datagram of which fragments overlap
// (RFC 8200, 4.5; what receives them, Linux for one, does it for IPv4 alike), and the overlap is counted. A fragment that brings
// nothing new is passed over; when its bytes are others than those there, IPv6 gives up, and IPv4 stays with the first, as Linux
// does. A fragment that the capture cut short leaves the datagram readable up to the cut.
//
// Only packets with is_fragment are handed in, so that others cost nothing. One thread owns a table.
#pragma once

#include <cstdint>
#include <list>
#include <unordered_map>
#include <vector>

#include "decode/packet.h"

namespace cvf::decode {

struct FragmentLimits {
    size_t datagrams = 1024;
    size_t bytes = 4u << 20;
    int64_t timeout = 30'000'000'000;  // ns
};

struct FragmentStats {
    uint64_t fragments = 0;    // handed in
    uint64_t reassembled = 0;  // datagrams
    uint64_t timed_out = 0;    // datagrams
    uint64_t evicted = 0;      // datagrams given up for want of room
    uint64_t overlapped = 0;   // datagrams given up because their fragments overlap
    uint64_t unfinished = 0;   // datagrams that were not complete when the input ended
    uint64_t overlaps = 0;     // fragments that covered bytes of another in part, or with other bytes
    uint64_t invalid = 0;      // fragments that cannot be: not a multiple of 8, beyond 64 KiB, against what is known of the end

    // Datagrams given up, and fragments that no datagram could take.
    uint64_t lost() const { return timed_out + evicted + overlapped + unfinished + invalid; }
};

class FragmentTable {
 public:
    explicit FragmentTable(FragmentLimits limits = {}) : limits_(limits) {}
    FragmentTable(const FragmentTable&) = delete;
    FragmentTable& operator=(const FragmentTable&) = delete;

    // Takes a packet with is_fragment. Null while its datagram is incomplete; else the whole, decoded: tunnels, tags and
    // addresses as of the fragment that completed it, its time, wire_length the sum over all, fragment_count their number, the
    // union of their faults. Borrowed until the next call. A whole that turns out to be a fragment itself (tunnelled) is taken
    // on, too.
    const Packet* add(const Packet& fragment);

    // Gives up what is too old. add() does it as well; this is for quiet times.
    void expire(int64_t now);
    // The input is over: gives up all.
    void finish();

    const FragmentStats& stats() const { return stats_; }
    size_t datagrams() const { return by_age_.size(); }
    size_t bytes() const { return bytes_; }

 private:
    struct Key {
        Address source, destination;
        uint32_t id = 0;
        uint32_t tunnel_id = 0;  // two tenants may use the same addresses
        uint8_t family = 0, ip_protocol = 0;
        TunnelType tunnel = TunnelType::none;
        bool operator==(const Key&) const = default;
    };
    struct KeyHash {
        size_t operator()(const Key& key) const;
    };
    struct Range {
        uint32_t begin, end;
    };
    struct Datagram {
        Key key;
        int64_t first_time = 0;
        std::vector<uint8_t>
            header;  // what stands before the fragmented part, ready for the whole; empty until the first fragment came
        std::vector<uint8_t> data;
        std::vector<Range> ranges;       // that came; sorted, disjoint, not touching
        uint32_t end = 0;                // of the data, 0: not known
        uint32_t readable = UINT32_MAX;  // where the first cut fragment was cut
        uint32_t wire_length = 0;
        uint16_t faults = 0;
        uint16_t count = 0;
        size_t charged = 0;
    };
    using Datagrams = std::list<Datagram>;
    // What one fragment brings.
    struct Piece {
        uint32_t offset, length;  // in the data, by its headers
        Bytes bytes;              // captured
        size_t header_size;       // of layer3, before the fragmented part; IPv6: with the fragment header
    };

    bool measure(const Packet& p, Piece& piece) const;
    Datagram* find_or_make(const Packet& p);
    enum class Stored : uint8_t {
        taken,
        refused,      // it contradicts what is known of the datagram, which stays
        overlapping,  // the datagram must be given up
    };
    Stored store(Datagram& d, const Packet& p, const Piece& piece);
    const Packet* finish(Datagram& d, const Packet& last);
    void give_up(Datagrams::iterator d);
    void make_room(const Datagram* keep);

    FragmentLimits limits_;
    FragmentStats stats_;
    Datagrams by_age_;  // oldest first
    std::unordered_map<Key, Datagrams::iterator, KeyHash> by_key_;
    size_t bytes_ = 0;
    std::vector<uint8_t> buffer_;  // the whole that was given out last
    Packet whole_;
};

}  // namespace cvf::decode
