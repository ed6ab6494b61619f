#include "sink/ipfix_message.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <string_view>
#include <unordered_map>

#include "decode/protocol_name.h"

namespace cvf::sink::ipfix {

using record::Buffer;
using record::Field;
using record::Record;
using record::Value;

namespace {

constexpr uint16_t version = 10, template_set = 2;
constexpr uint32_t reverse = 29305;  // RFC 5103: the same element for the other direction

struct Element {
    uint16_t id, size;
    uint32_t enterprise = 0;
};

// In the order of write_record(). The two ends' addresses come before it: 8 and 12, or 27 and 28.
constexpr Element elements[] = {
    {7, 2},                     // sourceTransportPort
    {11, 2},                    // destinationTransportPort
    {4, 1},                     // protocolIdentifier
    {239, 1},                   // biflowDirection
    {1, 8},                     // octetDeltaCount
    {1, 8, reverse},            //
    {2, 8},                     // packetDeltaCount
    {2, 8, reverse},            //
    {6, 2, reverse},            // tcpControlBits, the reverse one first: nfdump puts both in one place, where the last stays
    {6, 2},          {152, 8},  // flowStartMilliseconds
    {153, 8},                   // flowEndMilliseconds
    {136, 1},                   // flowEndReason
    {58, 2},                    // vlanId
    {148, 8},                   // flowId
};
constexpr Element ends_v4[] = {{8, 4}, {12, 4}};     // sourceIPv4Address, destinationIPv4Address
constexpr Element ends_v6[] = {{27, 16}, {28, 16}};  // sourceIPv6Address, destinationIPv6Address

template <typename T>
void put(char*& to, T value) {
    for (int shift = 8 * (sizeof(T) - 1); shift >= 0; shift -= 8) *to++ = static_cast<char>(value >> shift & 0xff);
}

void put_at(Buffer& out, size_t at, uint32_t value, int bytes) {
    for (int i = bytes - 1; i >= 0; i--, value >>= 8) out.at(at + static_cast<size_t>(i)) = static_cast<char>(value & 0xff);
}

uint64_t number(const Record& record, Field field) {
    const Value* v = record.lookup(field);
    return v ? v->uint : 0;
}

std::string_view text(const Record& record, Field field) {
    const Value* v = record.lookup(field);
    return v ? v->as_text() : std::string_view();
}

uint64_t parse(std::string_view text, int base) {
    uint64_t out = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, base);
    return error == std::errc() && end == text.data() + text.size() ? out : 0;
}

uint8_t protocol_number(const Record& record) {
    static const auto numbers = [] {
        std::unordered_map<std::string_view, uint8_t> out;
        for (unsigned i = 0; i < 256; i++)
            if (const auto name = decode::ip_protocol_name(static_cast<uint8_t>(i)); !name.empty())
                out.emplace(name, static_cast<uint8_t>(i));
        return out;
    }();
    if (const auto found = numbers.find(text(record, Field::network_transport)); found != numbers.end()) return found->second;
    return static_cast<uint8_t>(parse(text(record, Field::network_iana_number), 10));
}

// "SYN|ACK" as the bits of the TCP header, which RFC 7125 takes as they are.
uint16_t flag_bits(std::string_view flags) {
    static constexpr std::string_view names[] = {"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"};
    uint16_t bits = 0;
    while (!flags.empty()) {
        const std::string_view name = flags.substr(0, flags.find('|'));
        const auto found = std::ranges::find(names, name);
        if (found != std::end(names)) bits |= static_cast<uint16_t>(1 << (found - names));
        flags.remove_prefix(std::min(flags.size(), name.size() + 1));
    }
    return bits;
}

// RFC 5102 section 5.11.3.
uint8_t end_reason(const Record& record, bool final) {
    if (!final) return 2;  // active timeout: it goes on
    const std::string_view reason = text(record, Field::flow_reason);
    if (reason == "idle") return 1;
    if (reason == "evicted") return 5;                      // lack of resources
    if (reason == "end" || reason == "unwanted") return 4;  // forced end
    return 3;                                               // end of flow detected
}

uint64_t milliseconds(int64_t ns) {
    return ns > 0 ? static_cast<uint64_t>(ns / 1'000'000) : 0;
}

std::span<const Element> ends_of(uint16_t template_id) {
    return template_id == template_v4 ? std::span<const Element>(ends_v4) : std::span<const Element>(ends_v6);
}

}  // namespace

size_t record_bytes(uint16_t template_id) {
    size_t size = 0;
    for (const Element& e : ends_of(template_id)) size += e.size;
    for (const Element& e : elements) size += e.size;
    return size;
}

std::optional<uint16_t> template_for(const Record& record) {
    const Value* source = record.lookup(Field::source_address);
    const Value* destination = record.lookup(Field::destination_address);
    if (!source || !destination || source->short_size != destination->short_size) return std::nullopt;
    return source->short_size == 4 ? template_v4 : template_v6;
}

void begin(uint16_t template_id, Buffer& out) {
    char* to = out.reserve(header_bytes + set_header_bytes);
    std::fill_n(to, header_bytes, '\0');
    to += header_bytes;
    put<uint16_t>(to, template_id);
    put<uint16_t>(to, 0);
    out.commit(to);
}

void write_record(const Record& record, const record::FlowDelta& delta, uint16_t template_id, Buffer& out) {
    char* to = out.reserve(record_bytes(template_id));
    const size_t address_bytes = template_id == template_v4 ? 4 : 16;
    for (const Field field : {Field::source_address, Field::destination_address})
        to = std::copy_n(reinterpret_cast<const char*>(record.lookup(field)->inline_bytes), address_bytes, to);
    put<uint16_t>(to, static_cast<uint16_t>(number(record, Field::source_port)));
    put<uint16_t>(to, static_cast<uint16_t>(number(record, Field::destination_port)));
    put<uint8_t>(to, protocol_number(record));
    put<uint8_t>(to, 1);  // biflowDirection: the source is who opened it
    for (int i : {0, 1}) put<uint64_t>(to, delta.bytes[i]);
    for (int i : {0, 1}) put<uint64_t>(to, delta.packets[i]);
    put<uint16_t>(to, flag_bits(text(record, Field::destination_tcp_flags)));
    put<uint16_t>(to, flag_bits(text(record, Field::source_tcp_flags)));
    put<uint64_t>(to, milliseconds(delta.start));
    put<uint64_t>(to, milliseconds(delta.end));
    put<uint8_t>(to, end_reason(record, delta.final));
    put<uint16_t>(to, static_cast<uint16_t>(parse(text(record, Field::network_vlan_id), 10)));
    put<uint64_t>(to, parse(text(record, Field::flow_id), 16));
    out.commit(to);
}

void write_templates(Buffer& out) {
    begin(template_set, out);
    for (const uint16_t id : {template_v4, template_v6}) {
        char* to = out.reserve(4 + 8 * (2 + std::size(elements)));
        put<uint16_t>(to, id);
        put<uint16_t>(to, static_cast<uint16_t>(2 + std::size(elements)));
        const auto element = [&](const Element& e) {
            put<uint16_t>(to, static_cast<uint16_t>(e.id | (e.enterprise ? 0x8000 : 0)));
            put<uint16_t>(to, e.size);
            if (e.enterprise) put<uint32_t>(to, e.enterprise);
        };
        for (const Element& e : ends_of(id)) element(e);
        for (const Element& e : elements) element(e);
        out.commit(to);
    }
}

void seal(Buffer& message, uint32_t export_time, uint32_t sequence, uint32_t domain) {
    put_at(message, 0, version, 2);
    put_at(message, 2, static_cast<uint32_t>(message.size()), 2);
    put_at(message, 4, export_time, 4);
    put_at(message, 8, sequence, 4);
    put_at(message, 12, domain, 4);
    put_at(message, header_bytes + 2, static_cast<uint32_t>(message.size() - header_bytes), 2);
}

}  // namespace cvf::sink::ipfix
