#include "decode/fragments.h"

#include <functional>
#include <string_view>

#include "decode/layers.h"

namespace cvf::decode {
namespace {

constexpr uint32_t longest_datagram = 65535;
constexpr uint16_t most_fragments = 8192;  // of one datagram: 8 bytes each
constexpr size_t entry_cost = 512;         // what a datagram takes besides its bytes, for the account

// Bytes of an IPv6 packet up to and with its fragment header, 0 when there is none; `link` is where the byte stands that named
// it.
size_t ipv6_fragment_part(Bytes packet, size_t& link) {
    link = 6;
    size_t at = 40;
    while (at + 8 <= packet.size()) {
        const uint8_t type = packet[link];
        if (type == 44) return at + 8;
        // Only these may stand before it.
        if (type != 0 && type != 43 && type != 60 && type != 135) return 0;
        link = at;
        at += (packet[at + 1] + 1u) * 8;
    }
    return 0;
}

}  // namespace

size_t FragmentTable::KeyHash::operator()(const Key& key) const {
    const auto bytes = [](const Address& a) {
        return std::hash<std::string_view>{}({reinterpret_cast<const char*>(a.bytes.data()), a.bytes.size()});
    };
    return bytes(key.source) ^ (bytes(key.destination) * 31) ^
           std::hash<uint64_t>{}(static_cast<uint64_t>(key.tunnel_id) << 32 | key.id);
}

bool FragmentTable::measure(const Packet& p, Piece& piece) const {
    size_t link;
    if (p.layer3.size() < 20) return false;
    piece.header_size = p.network == Network::ipv4 ? (p.layer3[0] & 15u) * 4 : ipv6_fragment_part(p.layer3, link);
    if (piece.header_size == 0 || p.layer3.size() <= piece.header_size || p.ip_length <= piece.header_size) return false;
    piece.offset = p.fragment_offset;
    piece.bytes = p.layer3.subspan(piece.header_size);
    piece.length = p.ip_length - static_cast<uint32_t>(piece.header_size);
    // A length that lies is taken for what is there; one that the snap length cut is believed.
    if (!(p.faults & fault_truncated)) piece.length = std::min(piece.length, static_cast<uint32_t>(piece.bytes.size()));
    if (p.more_fragments && piece.length % 8 != 0) return false;
    return piece.length <= longest_datagram && piece.offset + piece.length <= longest_datagram;
}

FragmentTable::Datagram* FragmentTable::find_or_make(const Packet& p) {
    Key key;
    key.source = p.source;
    key.destination = p.destination;
    key.id = p.fragment_id;
    key.family = family(p);
    key.ip_protocol = key.family == 4 ? p.layer3[9] : 0;
    if (p.tunnel_count > 0) {
        key.tunnel = p.tunnels[p.tunnel_count - 1].type;
        key.tunnel_id = p.tunnels[p.tunnel_count - 1].id;
    }
    if (const auto found = by_key_.find(key); found != by_key_.end()) return &*found->second;
    if (limits_.datagrams == 0) return nullptr;
    while (by_age_.size() >= limits_.datagrams) {
        ++stats_.evicted;
        give_up(by_age_.begin());
    }
    Datagram& d = by_age_.emplace_back();
    d.key = key;
    d.first_time = p.time;
    by_key_.emplace(key, std::prev(by_age_.end()));
    return &d;
}

FragmentTable::Stored FragmentTable::store(Datagram& d, const Packet& p, const Piece& piece) {
    const uint32_t begin = piece.offset, end = begin + piece.length;
    const uint32_t known = d.ranges.empty() ? 0 : d.ranges.back().end;
    if (!p.more_fragments) {
        if ((d.end != 0 && d.end != end) || known > end) return Stored::refused;
    } else if (d.end != 0 && end > d.end) {
        return Stored::refused;
    }
    if (d.count >= most_fragments) return Stored::refused;

    size_t first = 0;
    while (first < d.ranges.size() && d.ranges[first].end < begin) ++first;
    size_t last = first;
    Range merged{begin, end};
    bool overlap = false, nothing_new = false;
    for (; last < d.ranges.size() && d.ranges[last].begin <= end; ++last) {
        const Range& there = d.ranges[last];
        overlap |= there.begin < end && begin < there.end;
        nothing_new |= there.begin <= begin && there.end >= end;
        merged.begin = std::min(merged.begin, there.begin);
        merged.end = std::max(merged.end, there.end);
    }
    if (overlap && !nothing_new) return Stored::overlapping;
    const uint32_t captured_end = begin + static_cast<uint32_t>(std::min<size_t>(piece.bytes.size(), piece.length));
    if (nothing_new) {
        // What the capture cut off of either can't be compared.
        const uint32_t comparable = std::min(captured_end, d.readable);
        if (comparable > begin && std::memcmp(d.data.data() + begin, piece.bytes.data(), comparable - begin) != 0) {
            if (d.key.family == 6) return Stored::overlapping;
            ++stats_.overlaps;
        }
    }
    if (!p.more_fragments) d.end = end;
    ++d.count;
    d.wire_length += p.wire_length;
    d.faults |= p.faults;

    if (!nothing_new) {
        // Bytes that were not captured stay zero, behind `readable`.
        if (d.data.size() < end) d.data.resize(end);
        if (begin < captured_end) std::memcpy(d.data.data() + begin, piece.bytes.data(), captured_end - begin);
        if (captured_end < end) d.readable = std::min(d.readable, captured_end);
    }
    d.ranges.erase(d.ranges.begin() + static_cast<std::ptrdiff_t>(first), d.ranges.begin() + static_cast<std::ptrdiff_t>(last));
    d.ranges.insert(d.ranges.begin() + static_cast<std::ptrdiff_t>(first), merged);

    if (begin == 0 && d.header.empty()) {
        d.header.assign(p.layer3.begin(), p.layer3.begin() + static_cast<std::ptrdiff_t>(piece.header_size));
        if (d.key.family == 6) {
            size_t link;
            const size_t size = ipv6_fragment_part(p.layer3, link);
            d.header[link] = d.header[size - 8];  // the next header
            d.header.resize(size - 8);
        }
    }
    const size_t cost = d.data.capacity() + d.header.capacity() + d.ranges.capacity() * sizeof(Range) + entry_cost;
    bytes_ += cost - d.charged;
    d.charged = cost;
    return Stored::taken;
}

const Packet* FragmentTable::finish(Datagram& d, const Packet& last) {
    const uint32_t readable = std::min(d.end, d.readable);
    const auto header = static_cast<uint32_t>(d.header.size());
    buffer_.assign(d.header.begin(), d.header.end());
    buffer_.insert(buffer_.end(), d.data.begin(), d.data.begin() + readable);
    // Too long for the length field is written as 0, which is read as "all there is".
    const uint32_t length = d.key.family == 4 ? header + d.end : header - 40 + d.end;
    const uint16_t field = length <= 0xffff ? static_cast<uint16_t>(length) : 0;
    const size_t field_at = d.key.family == 4 ? 2 : 4;
    buffer_[field_at] = static_cast<uint8_t>(field >> 8);
    buffer_[field_at + 1] = static_cast<uint8_t>(field);
    if (d.key.family == 4) buffer_[6] = buffer_[7] = 0;

    whole_ = last;
    const uint16_t ether_type_before = last.ether_type;
    clear_network(whole_);
    whole_.ether_type = ether_type_before;
    whole_.nesting = 0;
    whole_.wire_length = d.wire_length;
    whole_.faults = d.faults;
    const uint16_t count = d.count;
    const Part part{buffer_.data(), header + readable, header + d.end};
    give_up(by_key_.find(d.key)->second);
    ++stats_.reassembled;
    ip_by_version(whole_, part);
    whole_.fragment_count = count;
    return &whole_;
}

void FragmentTable::give_up(Datagrams::iterator d) {
    bytes_ -= d->charged;
    by_key_.erase(d->key);
    by_age_.erase(d);
}

void FragmentTable::make_room(const Datagram* keep) {
    while (bytes_ > limits_.bytes && !by_age_.empty() && &by_age_.front() != keep) {
        ++stats_.evicted;
        give_up(by_age_.begin());
    }
}

void FragmentTable::expire(int64_t now) {
    while (!by_age_.empty() && now - by_age_.front().first_time > limits_.timeout) {
        ++stats_.timed_out;
        give_up(by_age_.begin());
    }
}

void FragmentTable::finish() {
    stats_.unfinished += by_age_.size();
    while (!by_age_.empty()) give_up(by_age_.begin());
}

const Packet* FragmentTable::add(const Packet& fragment) {
    expire(fragment.time);
    const Packet* p = &fragment;
    // Each turn takes one layer of tunnelled fragments; tunnels are bounded, and so are the turns.
    for (size_t turn = 0; turn <= std::size(p->tunnels) && p->is_fragment; ++turn) {
        ++stats_.fragments;
        Piece piece;
        if (!measure(*p, piece)) {
            ++stats_.invalid;
            return nullptr;
        }
        Datagram* d = find_or_make(*p);
        if (d == nullptr) return nullptr;
        switch (store(*d, *p, piece)) {
            case Stored::taken:
                break;
            case Stored::refused:
                ++stats_.invalid;
                return nullptr;
            case Stored::overlapping:
                ++stats_.overlaps;
                ++stats_.overlapped;
                give_up(by_key_.find(d->key)->second);
                return nullptr;
        }
        const bool complete = d->end != 0 && !d->header.empty() && d->ranges.size() == 1 && d->ranges[0].end == d->end;
        if (!complete) {
            make_room(d);
            return nullptr;
        }
        p = finish(*d, *p);
    }
    return p->is_fragment ? nullptr : p;
}

}  // namespace cvf::decode
