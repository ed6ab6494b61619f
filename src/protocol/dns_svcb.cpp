#include "protocol/dns_svcb.h"

#include "record/json.h"

namespace cvf::protocol {

namespace {

constexpr std::string_view keys[] = {"mandatory", "alpn",     "no-default-alpn", "port",  "ipv4hint",
                                     "ech",       "ipv6hint", "dohpath",         "ohttp", "tls-supported-groups"};
constexpr size_t key_count = sizeof keys / sizeof *keys;
enum Key : uint16_t { mandatory, alpn, no_default_alpn, port, ipv4hint, ech, ipv6hint, dohpath, ohttp, tls_supported_groups };

void write_key(uint16_t key, DnsText& text) {
    if (key < key_count) return text.add(keys[key]);
    text.add("key");
    text.number(key);
}

// The protocol ids within alpn: bare where they are plain, as they nearly always are.
bool write_alpn(decode::Reader value, DnsText& text) {
    text.add('"');
    for (bool first = true; value.left(); first = false) {
        const Bytes id = value.take(value.u8());
        if (value.failed() || id.empty()) return false;
        if (!first) text.add(',');
        char* out = text.room(4 * id.size());
        for (uint8_t c : id) {
            if (c > ' ' && c < 127 && c != '"' && c != '\\' && c != ',') {
                *out++ = static_cast<char>(c);
                continue;
            }
            *out++ = '\\';
            *out++ = static_cast<char>('0' + c / 100);
            *out++ = static_cast<char>('0' + c / 10 % 10);
            *out++ = static_cast<char>('0' + c % 10);
        }
        text.wrote(out);
    }
    text.add('"');
    return true;
}

bool write_addresses(decode::Reader value, size_t size, DnsText& text) {
    if (value.left() == 0 || value.left() % size != 0) return false;
    for (bool first = true; value.left(); first = false) {
        if (!first) text.add(',');
        text.wrote(record::write_ip(text.room(48), value.take(size)));
    }
    return true;
}

bool write_numbers(decode::Reader value, bool as_keys, DnsText& text) {
    if (value.left() == 0 || value.left() % 2 != 0) return false;
    for (bool first = true; value.left(); first = false) {
        if (!first) text.add(',');
        const uint16_t number = value.u16();
        if (as_keys)
            write_key(number, text);
        else
            text.number(number);
    }
    return true;
}

bool write_value(uint16_t key, Bytes value, DnsText& text) {
    const decode::Reader reader(value);
    if (key == no_default_alpn || key == ohttp) return value.empty();
    if (value.empty()) return key >= key_count;
    text.add('=');
    switch (key) {
        case mandatory:
            return write_numbers(reader, true, text);
        case alpn:
            return write_alpn(reader, text);
        case port:
            if (value.size() != 2) return false;
            text.number(decode::load_be16(value.data()));
            return true;
        case ipv4hint:
            return write_addresses(reader, 4, text);
        case ipv6hint:
            return write_addresses(reader, 16, text);
        case ech:
            text.base64(value);
            return true;
        case tls_supported_groups:
            return write_numbers(reader, false, text);
        default:
            text.quoted(value);
            return true;
    }
}

}  // namespace

bool write_svcb_parameters(decode::Reader& data, DnsText& text) {
    for (bool first = true; data.left(); first = false) {
        const uint16_t key = data.u16(), size = data.u16();
        const Bytes value = data.take(size);
        if (data.failed()) return false;
        if (!first) text.add(' ');
        write_key(key, text);
        if (!write_value(key, value, text)) return false;
    }
    return true;
}

}  // namespace cvf::protocol
