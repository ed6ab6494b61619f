#include "protocol/dns_edns.h"

#include <algorithm>

#include "protocol/dns_codes.h"
#include "record/json.h"

namespace cvf::protocol {

namespace {

using record::Field;

enum Option : uint16_t { nsid = 3, client_subnet = 8, cookie = 10, keepalive = 11, padding = 12, extended_error = 15 };

constexpr size_t max_errors = 8;

// address/source-prefix[/scope-prefix]; empty when the option does not follow RFC 7871 6.
std::string_view subnet_text(Bytes option, bool from_response, DnsText& text) {
    decode::Reader r(option);
    const uint16_t family = r.u16();
    const uint8_t source_prefix = r.u8(), scope_prefix = r.u8();
    const Bytes address = r.rest();
    const size_t size = family == 1 ? 4 : family == 2 ? 16 : 0;
    if (r.failed() || size == 0 || address.size() > size || source_prefix > 8 * size) return {};
    uint8_t whole[16] = {};
    std::copy(address.begin(), address.end(), whole);
    text.wrote(record::write_ip(text.room(48), Bytes(whole, size)));
    text.add('/');
    text.number(source_prefix);
    if (from_response) {
        text.add('/');
        text.number(scope_prefix);
    }
    return text.take();
}

// NSID is bytes; nearly all servers put a host name there, others are shown as hex.
std::string_view nsid_text(Bytes bytes, DnsText& text) {
    if (std::all_of(bytes.begin(), bytes.end(), [](uint8_t c) { return c >= ' ' && c < 127; })) return decode::as_text(bytes);
    text.add("0x");
    text.hex(bytes, false);
    return text.take();
}

// A message may have several extended errors (RFC 8914 2), most to the point first as servers write them.
void write_errors(Bytes options, record::Record& record, DnsText& text) {
    uint64_t codes[max_errors];
    std::string_view names[max_errors], texts[max_errors];
    size_t count = 0;
    bool any_text = false;
    decode::Reader r(options);
    while (r.left() && count < max_errors) {
        const uint16_t code = r.u16();
        const Bytes value = r.take(r.u16());
        if (code != extended_error || value.size() < 2) continue;
        const uint16_t error = decode::load_be16(value.data());
        codes[count] = error;
        names[count] = dns_extended_error_name(error);
        if (names[count].empty()) {
            text.number(error);
            names[count] = text.take();
        }
        texts[count] = decode::as_text(value.subspan(2));
        any_text = any_text || !texts[count].empty();
        ++count;
    }
    record.uints(Field::dns_edns_error_code, {codes, count});
    record.texts(Field::dns_edns_error_name, {names, count});
    if (any_text) record.texts(Field::dns_edns_error_text, {texts, count});
}

}  // namespace

bool read_edns(Bytes message, const DnsRr& opt, DnsEdns& out) {
    out.present = true;
    out.udp_size = opt.klass;
    out.upper_response_code = static_cast<uint8_t>(opt.ttl >> 24);
    out.version = static_cast<uint8_t>(opt.ttl >> 16);
    out.dnssec_ok = opt.ttl & 0x8000;
    const Bytes options = message.subspan(opt.data, opt.size);
    decode::Reader r(options);
    while (r.left()) {
        const uint16_t code = r.u16(), size = r.u16();
        const Bytes value = r.take(size);
        if (r.failed()) return false;
        switch (code) {
            case nsid:
                out.nsid = value;
                break;
            case client_subnet:
                out.client_subnet = value;
                break;
            case cookie:
                out.cookie = value;
                break;
            case padding:
                out.has_padding = true;
                out.padding = size;
                break;
            case keepalive:
                if (size != 0 && size != 2) return false;
                out.has_keepalive = size == 2;  // a query has no time in it
                if (size == 2) out.keepalive = decode::load_be16(value.data());
                break;
            case extended_error:
                if (size < 2) return false;
                out.has_error = true;
                out.options = options.first(options.size() - r.left());
                break;
            default:
                break;
        }
    }
    return true;
}

void write_edns(const DnsEdns& edns, bool from_response, record::Record& record, DnsText& text) {
    record.uint(Field::dns_edns_version, edns.version);
    record.uint(Field::dns_edns_udp_size, edns.udp_size);
    if (!edns.client_subnet.empty()) [[unlikely]] {
        if (const std::string_view subnet = subnet_text(edns.client_subnet, from_response, text); !subnet.empty())
            record.text(Field::dns_edns_client_subnet, subnet);
    }
    if (!edns.cookie.empty()) record.hex(Field::dns_edns_cookie, edns.cookie);
    if (edns.has_error) [[unlikely]]
        write_errors(edns.options, record, text);
    if (!edns.nsid.empty()) record.text(Field::dns_edns_nsid, nsid_text(edns.nsid, text));
    if (edns.has_padding) record.uint(Field::dns_edns_padding, edns.padding);
    constexpr uint64_t tenth_of_second = 100'000'000;
    if (edns.has_keepalive) record.uint(Field::dns_edns_keepalive, edns.keepalive * tenth_of_second);
}

}  // namespace cvf::protocol
