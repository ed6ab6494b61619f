#include "protocol/quic_packet.h"

#include <algorithm>

namespace cvf::protocol::quic_wire {

using decode::Reader;

namespace {

constexpr uint8_t long_form = 0x80, fixed_bit = 0x40;

}  // namespace

uint64_t read_varint(Reader& r) {
    const uint8_t first = r.u8();
    const int more = (1 << (first >> 6)) - 1;
    uint64_t value = first & 0x3f;
    for (int i = 0; i < more; ++i) value = value << 8 | r.u8();
    return value;
}

std::optional<LongHeader> read_long_header(Bytes bytes) {
    Reader r(bytes);
    LongHeader h;
    h.first = r.u8();
    if ((h.first & long_form) == 0) return std::nullopt;
    h.version = r.u32();
    const uint8_t destination_size = r.u8();
    h.destination = r.take(destination_size);
    const uint8_t source_size = r.u8();
    h.source = r.take(source_size);
    if (r.failed()) return std::nullopt;
    h.known = find_version(h.version);
    if (!h.known) {
        h.rest = r.rest();
        return h;
    }
    if (destination_size > max_connection_id || source_size > max_connection_id) return std::nullopt;
    h.type = packet_type(*h.known, h.first);
    if (h.type == PacketType::retry) {
        constexpr size_t tag = 16;
        if (r.left() < tag) return std::nullopt;
        h.token = r.take(r.left() - tag);
        h.packet = bytes;
        return h;
    }
    if (h.type == PacketType::initial) {
        const uint64_t size = read_varint(r);
        if (size > r.left()) return std::nullopt;
        h.token = r.take(static_cast<size_t>(size));
    }
    const uint64_t length = read_varint(r);
    if (r.failed()) return std::nullopt;
    h.number_offset = bytes.size() - r.left();
    h.cut = length > r.left();
    h.packet = bytes.first(h.number_offset + static_cast<size_t>(std::min<uint64_t>(length, r.left())));
    return h;
}

Match match_datagram(Bytes bytes) {
    if (bytes.size() < 7 || (bytes[0] & long_form) == 0) return Match::no;
    const auto h = read_long_header(bytes);
    if (!h || h->destination.size() > max_connection_id || h->source.size() > max_connection_id) return Match::no;
    if (h->version == 0) {  // Version Negotiation: a list of versions, of which we know one
        if (h->rest.empty() || h->rest.size() % 4 != 0) return Match::no;
        for (size_t i = 0; i < h->rest.size(); i += 4)
            if (find_version(decode::load_be32(h->rest.data() + i))) return Match::yes;
        return Match::no;
    }
    if (!h->known)  // one that only asks which versions there are; its first flight is of full size
        return is_reserved_version(h->version) && bytes.size() >= min_initial_datagram && h->destination.size() >= min_original_id
                   ? Match::yes
                   : Match::no;
    if ((h->first & fixed_bit) == 0) return Match::no;
    switch (h->type) {
        case PacketType::retry:
            return h->token.empty() ? Match::no : Match::yes;
        case PacketType::initial:
        case PacketType::zero_rtt:
        case PacketType::handshake:
            return h->packet.size() >= h->number_offset + 4 ? Match::yes : Match::no;
    }
    return Match::no;
}

}  // namespace cvf::protocol::quic_wire
