#include "protocol/dns_edns.h"

#include <algorithm>

#include "protocol/dns_codes.h"
#include "record/json.h"

namespace cvf::protocol {

namespace {

using record::Field;

enum Option : uint16_t { nsid = 3, client_subnet = 8, cookie = 10, padding = 12, extended_error = 15 };

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

}  // namespace

bool read_edns(Bytes message, const DnsRr& opt, DnsEdns& out) {
    out.present = true;
    out.udp_size = opt.klass;
    out.upper_response_code = static_cast<uint8_t>(opt.ttl >> 24);
    out.version = static_cast<uint8_t>(opt.ttl >> 16);
    out.dnssec_ok = opt.ttl & 0x8000;
    decode::Reader r(message.subspan(opt.data, opt.size));
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
            case extended_error:
                if (size < 2) return false;
                out.has_error = true;
                out.error_code = decode::load_be16(value.data());
                out.error_text = value.subspan(2);
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
    if (edns.has_error) [[unlikely]] {
        record.uint(Field::dns_edns_error_code, edns.error_code);
        if (const std::string_view name = dns_extended_error_name(edns.error_code); !name.empty())
            record.text(Field::dns_edns_error_name, name);
        if (!edns.error_text.empty()) record.text(Field::dns_edns_error_text, decode::as_text(edns.error_text));
    }
    if (!edns.nsid.empty()) record.text(Field::dns_edns_nsid, nsid_text(edns.nsid, text));
    if (edns.has_padding) record.uint(Field::dns_edns_padding, edns.padding);
}

}  // namespace cvf::protocol
