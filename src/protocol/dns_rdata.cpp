#include "protocol/dns_rdata.h"

#include <algorithm>

#include "protocol/dns_codes.h"
#include "protocol/dns_svcb.h"
#include "record/json.h"

namespace cvf::protocol {

namespace {

// How a type's data reads, one letter a part, parts separated by a blank in the text:
//   1 2 4 number of so many bytes   a A IPv4, IPv6 address       n name            s one string, quoted     S all the strings
//   that follow w one string, bare              q the rest, quoted           X the rest, hex   b the rest, base64       t a time
//   in seconds T a record type                 B type bit maps to the end   h length and bytes, hex ('-' when empty)   z length
//   and bytes, base32hex i six bytes of time (TSIG)      m two bytes of length and bytes, base64        e EUI: hex pairs l
//   location   v service parameters
// The comments give RFC and section.
std::string_view form_of(uint16_t type) {
    switch (type) {
        case 1:
            return "a";  // A: 1035 3.4.1
        case 2:          // NS
        case 3:          // MD
        case 4:          // MF
        case 5:          // CNAME
        case 7:          // MB
        case 8:          // MG
        case 9:          // MR
        case 12:         // PTR
        case 23:         // NSAP-PTR
        case 39:
            return "n";  // DNAME: 6672
        case 6:
            return "nn44444";  // SOA: 1035 3.3.13
        case 13:
            return "ss";  // HINFO: 1035 3.3.2
        case 14:          // MINFO: 1035 3.3.7
        case 17:
            return "nn";  // RP: 1183
        case 15:          // MX: 1035 3.3.9
        case 18:          // AFSDB: 1183
        case 21:          // RT: 1183
        case 36:          // KX: 2230
        case 107:
            return "2n";  // LP: 6742
        case 16:          // TXT: 1035 3.3.14
        case 99:          // SPF: 7208
        case 258:         // AVC
        case 261:
            return "S";  // RESINFO: 9606
        case 24:         // SIG
        case 46:
            return "T114tt2nb";  // RRSIG: 4034 3
        case 25:                 // KEY
        case 48:                 // DNSKEY: 4034 2
        case 60:
            return "211b";  // CDNSKEY: 7344
        case 28:
            return "A";  // AAAA: 3596
        case 29:
            return "l";  // LOC: 1876
        case 33:
            return "222n";  // SRV: 2782
        case 35:
            return "22sssn";  // NAPTR: 3403 4
        case 37:
            return "221b";  // CERT: 4398
        case 43:            // DS: 4034 5
        case 59:            // CDS: 7344
        case 32768:         // TA
        case 32769:
            return "211X";  // DLV: 4431
        case 44:
            return "11X";  // SSHFP: 4255
        case 47:
            return "nB";  // NSEC: 4034 4
        case 49:          // DHCID: 4701
        case 61:
            return "b";  // OPENPGPKEY: 7929
        case 50:
            return "112hzB";  // NSEC3: 5155 3
        case 51:
            return "112h";  // NSEC3PARAM: 5155 4
        case 52:            // TLSA: 6698
        case 53:
            return "111X";  // SMIMEA: 8162
        case 62:
            return "42B";  // CSYNC: 7477
        case 63:
            return "411X";  // ZONEMD: 8976
        case 64:            // SVCB: 9460
        case 65:
            return "2nv";  // HTTPS: 9460
        case 105:
            return "2a";  // L32: 6742
        case 108:         // EUI48: 7043
        case 109:
            return "e";  // EUI64: 7043
        case 249:
            return "ntt22mm";  // TKEY: 2930
        case 250:
            return "ni2m22m";  // TSIG: 8945 4.2
        case 256:
            return "22q";  // URI: 7553
        case 257:
            return "1wq";  // CAA: 8659
        default:
            return {};
    }
}

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
        if (i && (data.left() || std::string_view("Xbv").find(parts[i]) == std::string_view::npos) &&
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
    const std::string_view parts = foreign_address ? std::string_view() : form_of(rr.type);
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
