#include "protocol/icmp_quote.h"

#include <charconv>

#include "decode/protocol_name.h"
#include "protocol/icmp_codes.h"

namespace cvf::protocol {

namespace {

using decode::Bytes;
using decode::load_be16;
using record::Field;

constexpr size_t icmp_header = 8;
constexpr size_t max_extension_headers = 8;
constexpr size_t max_labels = 16;

// Passes IPv6 extension headers; the protocol behind them. `rest` becomes what follows, empty when it is not the datagram's head.
uint8_t pass_extensions(uint8_t next, Bytes& rest) {
    for (size_t i = 0; i < max_extension_headers; ++i) {
        size_t size;
        switch (next) {
            case 0:    // hop by hop
            case 43:   // routing
            case 60:   // destination options
            case 135:  // mobility
                if (rest.size() < 2) return rest = {}, next;
                size = 8 * (size_t{rest[1]} + 1);
                break;
            case 51:  // authentication: RFC 4302 2.2 counts in 4 bytes
                if (rest.size() < 2) return rest = {}, next;
                size = 4 * (size_t{rest[1]} + 2);
                break;
            case 44:
                if (rest.size() < 8) return rest = {}, next;
                size = 8;
                break;
            default:
                return next;
        }
        const uint8_t following = rest[0];
        const bool later_fragment = next == 44 && (load_be16(rest.data() + 2) & 0xfff8);
        next = following;
        if (later_fragment || rest.size() < size) return rest = {}, next;
        rest = rest.subspan(size);
    }
    return rest = {}, next;
}

void write_transport(uint8_t protocol, Bytes rest, record::Record& record) {
    if (const std::string_view name = decode::ip_protocol_name(protocol); !name.empty()) {
        record.text(Field::icmp_quoted_transport, name);
    } else {
        char number[4];
        record.copy(Field::icmp_quoted_transport,
                    {number, static_cast<size_t>(std::to_chars(number, number + 4, protocol).ptr - number)});
    }
    switch (protocol) {
        case 6:
        case 17:
        case 33:
        case 132:
        case 136:
            if (rest.size() < 4) return;
            record.uint(Field::icmp_quoted_source_port, load_be16(rest.data()));
            record.uint(Field::icmp_quoted_destination_port, load_be16(rest.data() + 2));
            return;
        case 1:
        case 58: {
            if (rest.size() < 2) return;
            record.uint(Field::icmp_quoted_icmp_type, rest[0]);
            record.uint(Field::icmp_quoted_icmp_code, rest[1]);
            const bool echo = protocol == 1 ? rest[0] == 8 || rest[0] == 0 : rest[0] == 128 || rest[0] == 129;
            if (!echo || rest.size() < icmp_header) return;
            record.uint(Field::icmp_quoted_icmp_id, load_be16(rest.data() + 4));
            record.uint(Field::icmp_quoted_icmp_sequence, load_be16(rest.data() + 6));
            return;
        }
        default:
            return;
    }
}

// RFC 4884: a length in the header tells where the quote ends and the extensions begin; older routers put them at 128 bytes.
void write_extensions(bool v6, Bytes message, record::Record& record) {
    const uint8_t type = message[0];
    const bool may_extend = v6 ? type == 1 || type == 3 : type == 3 || type == 11 || type == 12;
    if (!may_extend) return;
    const size_t said = v6 ? size_t{message[4]} * 8 : size_t{message[5]} * 4;
    const size_t at = icmp_header + (said ? said : 128);
    if (message.size() < at + 8 || message[at] >> 4 != 2) return;
    decode::Reader objects(message.subspan(at + 4));
    while (objects.left() >= 4) {
        const uint16_t size = objects.u16();
        const uint16_t kind = objects.u16();
        if (size < 4) return;
        decode::Reader body = objects.sub(size - 4u);
        if (objects.failed()) return;
        if (kind != 0x0101) continue;  // MPLS label stack, incoming: RFC 4950 3
        uint64_t labels[max_labels];
        size_t count = 0;
        while (body.left() >= 4 && count < max_labels) {
            const uint32_t entry = body.u32();
            labels[count++] = entry >> 12;
            if (entry & 0x100) break;
        }
        if (count) record.uints(Field::icmp_mpls_labels, {labels, count});
        return;
    }
}

}  // namespace

bool write_quoted_packet(bool v6, Bytes message, record::Record& record) {
    write_extensions(v6, message, record);
    return write_quoted_ip(v6, message.subspan(icmp_header), record);
}

bool write_quoted_ip(bool v6, Bytes packet, record::Record& record) {
    if (packet.empty()) return false;
    if (!v6) {
        if (packet[0] >> 4 != 4 || packet.size() < 20) return false;
        const size_t header = size_t{packet[0] & 15u} * 4;
        if (header < 20) return false;
        record.ip(Field::icmp_quoted_source_address, packet.subspan(12, 4));
        record.ip(Field::icmp_quoted_destination_address, packet.subspan(16, 4));
        const bool later_fragment = load_be16(packet.data() + 6) & 0x1fff;
        write_transport(packet[9], later_fragment || packet.size() < header ? Bytes() : packet.subspan(header), record);
        return true;
    }
    if (packet[0] >> 4 != 6 || packet.size() < 40) return false;
    record.ip(Field::icmp_quoted_source_address, packet.subspan(8, 16));
    record.ip(Field::icmp_quoted_destination_address, packet.subspan(24, 16));
    Bytes rest = packet.subspan(40);
    const uint8_t protocol = pass_extensions(packet[6], rest);
    write_transport(protocol, rest, record);
    return true;
}

}  // namespace cvf::protocol
