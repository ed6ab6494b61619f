#include "protocol/dns_match.h"

#include <algorithm>

#include "protocol/dns_codes.h"
#include "protocol/dns_message.h"

namespace cvf::protocol {

namespace {

constexpr uint16_t dns_port = 53, mdns_port = 5353, llmnr_port = 5355, netbios_port = 137;

bool known_operation(uint8_t op_code) {
    return !dns_op_code_name(op_code).empty();
}

// NetBIOS name service (RFC 1002 4.2): a first label of 32 letters A to P, and types that DNS hardly uses.
bool is_netbios(Bytes message) {
    if (message.size() < dns_header_size + 34 || message[dns_header_size] != 32) return false;
    const Bytes label = message.subspan(dns_header_size + 1, 32);
    return std::all_of(label.begin(), label.end(), [](uint8_t c) { return c >= 'A' && c <= 'P'; });
}

bool known_class(uint16_t klass, bool mdns) {
    return !dns_class_name(mdns ? static_cast<uint16_t>(klass & 0x7fff) : klass).empty();
}

// Names as hosts and services have them: letters, digits, '-', '_', and for mDNS anything that is no control character.
bool plausible_name(DnsReader& reader, bool mdns) {
    char text[dns_name_room];
    const char* end = reader.name(text, mdns ? NameForm::utf8 : NameForm::as_sent);
    if (!end) return false;
    size_t escapes = 0;
    for (const char* p = text; p != end; ++p) escapes += *p == '\\';
    return mdns || escapes * 8 <= static_cast<size_t>(end - text);
}

bool plausible_question(DnsReader& reader, bool mdns) {
    uint16_t type, klass;
    return plausible_name(reader, mdns) && reader.u16(type) && reader.u16(klass) && !dns_type_name(type).empty() &&
           known_class(klass, mdns);
}

// Reads the whole message strictly. `whole`: it must end with the last record (a stream may show only the head of a message).
bool reads_as_dns(Bytes message, bool mdns, bool whole) {
    if (message.size() < dns_header_size) return false;
    const DnsHeader header = DnsHeader::read(message);
    DnsReader reader(message);
    const size_t records = size_t{header.answers} + header.authority + header.additional;
    if (header.questions == 0 && (!mdns || records == 0)) return false;
    if (!mdns && header.questions != 1) return false;
    for (uint16_t i = 0; i < header.questions; ++i)
        if (!plausible_question(reader, mdns)) return false;
    if (!whole) return true;
    for (size_t i = 0; i < records; ++i) {
        DnsRr rr;
        if (!reader.skip_name() || !reader.rr(rr)) return false;
        // Behind a sound question, records of any kind may follow (DNSCrypt pads with one of type 0); alone they must be known
        // ones.
        if (header.questions == 0 && (dns_type_name(rr.type).empty() || !known_class(rr.klass, mdns))) return false;
    }
    return reader.at() == message.size();
}

bool has_plausible_question(Bytes message) {
    DnsReader reader(message);
    return DnsHeader::read(message).questions > 0 && plausible_question(reader, false);
}

// The header of a message that may be damaged otherwise, on a port where DNS is at home.
bool meant_as_dns(Bytes message) {
    if (message.size() < dns_header_size || is_netbios(message)) return false;
    const DnsHeader header = DnsHeader::read(message);
    if (has_dns_form(message) && (header.questions <= 1 || header.op_code() != dns_op::query)) return true;
    return has_plausible_question(message);
}

bool either(uint16_t a, uint16_t b, uint16_t port) {
    return a == port || b == port;
}

// The part of `match` that streams have in common: the length in front. `at_home`: the port is the protocol's own.
Match match_stream(Bytes bytes, bool at_home) {
    if (bytes.size() < 2 + dns_header_size) {
        // A length too short for a header is told at once.
        if (bytes.size() >= 2 && decode::load_be16(bytes.data()) < dns_header_size) return Match::no;
        return Match::maybe;
    }
    const size_t size = decode::load_be16(bytes.data());
    if (size < dns_header_size) return Match::no;
    const Bytes rest = bytes.subspan(2), message = rest.first(std::min(size, rest.size()));
    if (at_home) return meant_as_dns(message) ? Match::yes : Match::no;
    if (!has_dns_form(message) || is_netbios(message)) return Match::no;
    const DnsHeader header = DnsHeader::read(message);
    if (header.questions != 1 || header.op_code() != dns_op::query) return Match::no;
    if (reads_as_dns(message, false, rest.size() >= size)) return Match::yes;
    // The question may still be under way, but a name is no longer than 255 bytes.
    return rest.size() < size && message.size() < dns_header_size + dns_max_name + 4 ? Match::maybe : Match::no;
}

}  // namespace

bool has_dns_form(Bytes message) {
    const DnsHeader header = DnsHeader::read(message);
    if (header.reserved_bit() || !known_operation(header.op_code())) return false;
    if (header.is_response()) return !dns_response_code_name(header.response_code()).empty();
    // In a query, nothing is answered yet: NOTIFY may bring the new SOA, UPDATE conditions, and mDNS the answers known (RFC
    // 6762 7.1).
    return header.response_code() == 0 && !header.recursion_available();
}

bool is_meant_as_dns(Bytes message) {
    return has_dns_form(message) || has_plausible_question(message);
}

Match match_dns(Direction, Bytes bytes, uint16_t initiator_port, uint16_t responder_port) {
    if (bytes.size() < dns_header_size || either(initiator_port, responder_port, netbios_port)) return Match::no;
    if (either(initiator_port, responder_port, dns_port)) return meant_as_dns(bytes) ? Match::yes : Match::no;
    if (!has_dns_form(bytes) || is_netbios(bytes)) return Match::no;
    return reads_as_dns(bytes, false, true) ? Match::yes : Match::no;
}

Match match_dns_tcp(Direction, Bytes bytes, uint16_t initiator_port, uint16_t responder_port) {
    return match_stream(bytes, either(initiator_port, responder_port, dns_port));
}

// Name servers on port 5353 are not rare; what tells multicast DNS from them is that nobody asks for or offers recursion.
Match match_mdns(Direction, Bytes bytes, uint16_t initiator_port, uint16_t responder_port) {
    if (bytes.size() < dns_header_size || !either(initiator_port, responder_port, mdns_port)) return Match::no;
    const DnsHeader header = DnsHeader::read(bytes);
    if (!has_dns_form(bytes) || header.op_code() != dns_op::query) return Match::no;
    if (initiator_port == responder_port) return Match::yes;
    if (header.recursion_desired() || header.recursion_available()) return Match::no;
    return reads_as_dns(bytes, true, true) ? Match::yes : Match::no;
}

Match match_llmnr(Direction, Bytes bytes, uint16_t initiator_port, uint16_t responder_port) {
    if (bytes.size() < dns_header_size || !either(initiator_port, responder_port, llmnr_port)) return Match::no;
    const DnsHeader header = DnsHeader::read(bytes);
    return has_dns_form(bytes) && header.op_code() == dns_op::query && header.questions == 1 ? Match::yes : Match::no;
}

Match match_llmnr_tcp(Direction, Bytes bytes, uint16_t initiator_port, uint16_t responder_port) {
    return either(initiator_port, responder_port, llmnr_port) ? match_stream(bytes, true) : Match::no;
}

}  // namespace cvf::protocol
