#include "protocol/dns_rdata.h"

#include <algorithm>

#include "protocol/dns_codes.h"
#include "protocol/dns_form.h"
#include "protocol/dns_svcb.h"
#include "record/json.h"

namespace cvf::protocol {

namespace {

// Base 32 with the extended hex alphabet, unpadded (RFC 5155 3.3).
void write_base32hex(Bytes bytes, DnsText& text) {
    char* out = text.room(bytes.size() * 8 / 5 + 2);
    uint32_t bits = 0;
    int have = 0;
    for (uint8_t b : bytes) {
        bits = bits << 8 | b;
        for (have += 8; have >= 5; have -= 5) *out++ = "0123456789ABCDEFGHIJKLMNOPQRSTUV"[bits >> (have - 5) & 31];
    }
    if (have) *out++ = "0123456789ABCDEFGHIJKLMNOPQRSTUV"[bits << (5 - have) & 31];
    text.wrote(out);
}

// YYYYMMDDHHMMSS, RFC 4034 3.2.
void write_time(uint32_t seconds, DnsText& text) {
    char whole[32];  // 2026-01-02T03:04:05.000000000Z
    record::write_time(whole, static_cast<int64_t>(seconds) * 1'000'000'000);
    char* out = text.room(14);
    for (int i = 0; i < 19; ++i)
        if (whole[i] >= '0' && whole[i] <= '9') *out++ = whole[i];
    text.wrote(out);
}

void write_type(uint16_t type, DnsText& text) {
    if (const std::string_view name = dns_type_name(type); !name.empty()) return text.add(name);
    text.add("TYPE");
    text.number(type);
}

// Windows of type bits, each once and in their order (RFC 4034 4.1.2). A bit costs eight characters and more, so that not all of
// 65536 are written: behind the last one "..." stands for the others.
bool write_type_bits(decode::Reader& data, DnsText& text) {
    constexpr size_t max_types = 256;
    size_t count = 0;
    int last = -1;
    while (data.left()) {
        const uint8_t window = data.u8();
        const Bytes bits = data.take(data.u8());
        if (data.failed() || bits.size() > 32 || window <= last) return false;
        last = window;
        for (size_t i = 0; i < bits.size() * 8 && count <= max_types; ++i) {
            if (!(bits[i / 8] & 0x80 >> i % 8)) continue;
            if (count) text.add(' ');
            if (count++ == max_types)
                text.add("...");
            else
                write_type(static_cast<uint16_t>(window << 8 | i), text);
        }
    }
    return true;
}

// A size or precision of LOC in metres: a digit and a power of ten, in centimetres.
void write_loc_size(uint8_t coded, DnsText& text) {
    uint64_t centimetres = coded >> 4;
    for (int i = 0; i < (coded & 15); ++i) centimetres *= 10;
    text.number(centimetres / 100);
    if (centimetres % 100) {
        text.add('.');
        if (centimetres % 100 < 10) text.add('0');
        text.number(centimetres % 100);
    }
    text.add('m');
}

void write_loc_angle(uint32_t coded, char positive, char negative, DnsText& text) {
    const int64_t angle = static_cast<int64_t>(coded) - (int64_t{1} << 31);  // thousandths of an arc second
    const uint64_t value = static_cast<uint64_t>(angle < 0 ? -angle : angle), thousandths = value % 1000;
    text.number(value / 3600000);
    text.add(' ');
    text.number(value / 60000 % 60);
    text.add(' ');
    text.number(value / 1000 % 60);
    text.add('.');
    if (thousandths < 100) text.add('0');
    if (thousandths < 10) text.add('0');
    text.number(thousandths);
    text.add(' ');
    text.add(angle < 0 ? negative : positive);
}

bool write_loc(decode::Reader& data, DnsText& text) {
    const uint8_t version = data.u8(), size = data.u8(), horizontal = data.u8(), vertical = data.u8();
    const uint32_t latitude = data.u32(), longitude = data.u32(), altitude = data.u32();
    if (data.failed() || version != 0) return false;
    for (uint8_t coded : {size, horizontal, vertical})
        if (coded >> 4 > 9 || (coded & 15) > 9) return false;
    write_loc_angle(latitude, 'N', 'S', text);
    text.add(' ');
    write_loc_angle(longitude, 'E', 'W', text);
    text.add(' ');
    const int64_t height = static_cast<int64_t>(altitude) - 10000000;  // centimetres above the reference spheroid
    if (height < 0) text.add('-');
    const uint64_t value = static_cast<uint64_t>(height < 0 ? -height : height);
    text.number(value / 100);
    text.add('.');
    text.number(value / 10 % 10);
    text.number(value % 10);
    text.add('m');
    for (uint8_t coded : {size, horizontal, vertical}) {
        text.add(' ');
        write_loc_size(coded, text);
    }
    return true;
}

// [!]family:address/prefix, the address without the zeros at its end (RFC 3123 4). Other families than IPv4 and IPv6 have no
// text.
bool write_prefixes(decode::Reader& data, DnsText& text) {
    for (bool first = true; data.left(); first = false) {
        const uint16_t family = data.u16();
        const uint8_t prefix = data.u8(), size = data.u8();
        const Bytes part = data.take(size & 0x7f);
        const size_t whole_size = family == 1 ? 4 : family == 2 ? 16 : 0;
        if (data.failed() || part.size() > whole_size || prefix > 8 * whole_size) return false;
        uint8_t whole[16] = {};
        std::copy(part.begin(), part.end(), whole);
        if (!first) text.add(' ');
        if (size & 0x80) text.add('!');
        text.number(family);
        text.add(':');
        text.wrote(record::write_ip(text.room(48), Bytes(whole, whole_size)));
        text.add('/');
        text.number(prefix);
    }
    return true;
}

// Numbers of the bits that are set; behind 256 of them "..." stands for the others.
void write_port_bits(Bytes bits, DnsText& text) {
    constexpr size_t max_ports = 256;
    size_t count = 0;
    for (size_t i = 0; i < bits.size() * 8 && count <= max_ports; ++i) {
        if (!(bits[i / 8] & 0x80 >> i % 8)) continue;
        if (count) text.add(' ');
        if (count++ == max_ports)
            text.add("...");
        else
            text.number(i);
    }
}

// One part of the data, from `data`, which stands at `at` of the message. False when it does not fit.
bool write_part(char part, DnsReader& names, decode::Reader& data, Bytes message, NameForm form, DnsText& text) {
    switch (part) {
        case '1':
            text.number(data.u8());
            break;
        case '2':
            text.number(data.u16());
            break;
        case '4':
            text.number(data.u32());
            break;
        case 'a':
        case 'A': {
            const Bytes address = data.take(part == 'a' ? 4 : 16);
            if (data.failed()) return false;
            text.wrote(record::write_ip(text.room(48), address));
            break;
        }
        case 'n': {
            const size_t start = static_cast<size_t>(data.position() - message.data()), end = start + data.left();
            names.seek(start);
            char* out = names.name(text.room(dns_name_room), form);
            if (!out || names.at() > end) return false;
            text.wrote(out);
            data.skip(names.at() - start);
            break;
        }
        case 's':
            text.quoted(data.take(data.u8()));
            break;
        case 'w':
            text.add(decode::as_text(data.take(data.u8())));
            break;
        case 'S':
            do {
                text.quoted(data.take(data.u8()));
                if (data.left()) text.add(' ');
            } while (data.left());
            break;
        case 'q':
            text.quoted(data.rest());
            break;
        case 'X':
            text.hex(data.rest(), true);
            break;
        case 'b':
            text.base64(data.rest());
            break;
        case 't':
            write_time(data.u32(), text);
            break;
        case 'T':
            write_type(data.u16(), text);
            break;
        case 'B':
            return write_type_bits(data, text);
        case 'h': {
            const Bytes salt = data.take(data.u8());
            if (salt.empty())
                text.add('-');
            else
                text.hex(salt, true);
            break;
        }
        case 'z':
            write_base32hex(data.take(data.u8()), text);
            break;
        case 'i': {
            const uint64_t high = data.u16();
            text.number(high << 32 | data.u32());
            break;
        }
        case 'm': {
            const uint16_t size = data.u16();
            const Bytes bytes = data.take(size);
            text.number(size);
            if (size) text.add(' ');
            text.base64(bytes);
            break;
        }
        case 'e': {
            const Bytes bytes = data.rest();
            for (size_t i = 0; i < bytes.size(); ++i) {
                if (i) text.add('-');
                text.hex(bytes.subspan(i, 1), false);
            }
            break;
        }
        case 'I':
            for (int i = 0; i < 4; ++i) {
                if (i) text.add(':');
                text.hex(data.take(2), false);
            }
            break;
        case 'p':
            return write_prefixes(data, text);
        case 'P':
            write_port_bits(data.rest(), text);
            break;
        case 'l':
            return write_loc(data, text);
        case 'v':
            return write_svcb_parameters(data, text);
        default:
            return false;
    }
    return data.ok();
}

bool write_known(std::string_view parts, Bytes message, const DnsRr& rr, NameForm form, DnsText& text) {
    decode::Reader data(message.subspan(rr.data, rr.size));
    DnsReader names(message);
    for (size_t i = 0; i < parts.size(); ++i) {
        // Parts that may be empty at the end bring no blank with them.
        if (i && (data.left() || std::string_view("XbvP").find(parts[i]) == std::string_view::npos) &&
            !(parts[i] == 'B' && !data.left()))
            text.add(' ');
        if (!write_part(parts[i], names, data, message, form, text)) return false;
    }
    return data.left() == 0;
}

}  // namespace

bool write_dns_rdata(Bytes message, const DnsRr& rr, NameForm form, DnsText& text, std::string_view& out) {
    // Prerequisites and deletions of UPDATE, and answers to queries for nothing, have no data.
    if (rr.size == 0) {
        out = {};
        return true;
    }
    // Most answers are addresses.
    if (rr.klass == 1 && ((rr.type == dns_type::a && rr.size == 4) || (rr.type == dns_type::aaaa && rr.size == 16))) [[likely]] {
        text.wrote(record::write_ip(text.room(48), message.subspan(rr.data, rr.size)));
        out = text.take();
        return true;
    }
    // The class decides what A and AAAA mean: only the Internet's (and mDNS's, whose top bit the caller took) are addresses.
    const bool foreign_address = (rr.type == dns_type::a || rr.type == dns_type::aaaa) && rr.klass != 1;
    const std::string_view parts = foreign_address ? std::string_view() : dns_form(rr.type);
    if (!parts.empty() && write_known(parts, message, rr, form, text)) {
        out = text.take();
        return true;
    }
    text.drop();
    text.add("\\# ");
    text.number(rr.size);
    text.add(' ');
    text.hex(message.subspan(rr.data, rr.size), false);
    out = text.take();
    return parts.empty();
}

}  // namespace cvf::protocol
