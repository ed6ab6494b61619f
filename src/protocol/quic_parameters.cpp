#include "protocol/quic_parameters.h"

#include <algorithm>
#include <array>
#include <utility>

#include "protocol/digest.h"
#include "protocol/quic_packet.h"
#include "record/text.h"

namespace cvf::protocol::quic_wire {

using decode::Reader;

namespace {

enum class Form : uint8_t { number, bytes, flag, versions, text };

constexpr struct Parameter {
    uint64_t id;
    std::string_view name;
    Form form;
} parameters[] = {
    {0x00, "original_destination_connection_id", Form::bytes},
    {0x01, "max_idle_timeout", Form::number},
    {0x02, "stateless_reset_token", Form::bytes},
    {0x03, "max_udp_payload_size", Form::number},
    {0x04, "initial_max_data", Form::number},
    {0x05, "initial_max_stream_data_bidi_local", Form::number},
    {0x06, "initial_max_stream_data_bidi_remote", Form::number},
    {0x07, "initial_max_stream_data_uni", Form::number},
    {0x08, "initial_max_streams_bidi", Form::number},
    {0x09, "initial_max_streams_uni", Form::number},
    {0x0a, "ack_delay_exponent", Form::number},
    {0x0b, "max_ack_delay", Form::number},
    {0x0c, "disable_active_migration", Form::flag},
    {0x0d, "preferred_address", Form::bytes},
    {0x0e, "active_connection_id_limit", Form::number},
    {0x0f, "initial_source_connection_id", Form::bytes},
    {0x10, "retry_source_connection_id", Form::bytes},
    {0x11, "version_information", Form::versions},
    {0x20, "max_datagram_frame_size", Form::number},
    {0x2ab2, "grease_quic_bit", Form::flag},
    {0x3127, "initial_rtt", Form::number},
    {0x3128, "google_connection_options", Form::bytes},
    {0x3129, "user_agent", Form::text},
    {0x4752, "google_version", Form::bytes},
    {0xff04de1b, "min_ack_delay", Form::number},
    {0xff73db, "version_information", Form::versions},  // its draft
};

// Parameters reserved to keep peers tolerant: 31 * N + 27 (RFC 9000 18.1).
bool is_reserved(uint64_t id) {
    return id >= 27 && (id - 27) % 31 == 0;
}

std::string_view in_arena(record::Record& record, const char* begin, const char* end) {
    return record.arena().copy({begin, static_cast<size_t>(end - begin)});
}

// Of a parameter without a name: 0x and the digits of its id.
std::string_view number_text(uint64_t id, record::Record& record) {
    char text[24] = {'0', 'x'};
    uint8_t big_endian[8];
    size_t digits = 0;
    for (int i = 7; i >= 0; --i) {
        const auto byte = static_cast<uint8_t>(id >> (8 * i));
        if (byte != 0 || digits > 0 || i == 0) big_endian[digits++] = byte;
    }
    return in_arena(record, text, write_hex(text + 2, {big_endian, digits}));
}

std::string_view value_text(Form form, Bytes value, record::Record& record) {
    char text[256];
    switch (form) {
        case Form::number: {
            Reader r(value);
            const uint64_t number = read_varint(r);
            if (r.failed()) return {};
            return in_arena(record, text, record::write_uint(text, number));
        }
        case Form::flag:
            return "true";
        case Form::text:
            return decode::as_text(value.first(std::min<size_t>(value.size(), 256)));
        case Form::versions: {  // the one chosen, then those at hand
            char* p = text;
            Reader r(value);
            while (r.left() >= 4 && p - text < 200) {
                const uint32_t number = r.u32();
                if (p != text) *p++ = ',';
                const Version* known = find_version(number);
                if (known) {
                    p = std::ranges::copy(known->name, p).out;
                } else {
                    *p++ = '0';
                    *p++ = 'x';
                    p = write_hex(p, Bytes(r.position() - 4, 4));
                }
            }
            return in_arena(record, text, p);
        }
        case Form::bytes:
            return in_arena(record, text, write_hex(text, value.first(std::min<size_t>(value.size(), 64))));
    }
    return {};
}

}  // namespace

void write_transport_parameters(Bytes bytes, record::Record& record) {
    std::array<std::pair<std::string_view, std::string_view>, 40> entries;
    size_t count = 0;
    std::string_view user_agent;
    Reader r(bytes);
    while (r.left() > 0 && count < entries.size()) {
        const uint64_t id = read_varint(r);
        const uint64_t size = read_varint(r);
        if (r.failed() || size > r.left()) break;
        const Bytes value = r.take(static_cast<size_t>(size));
        const auto* known = std::ranges::find(parameters, id, &Parameter::id);
        const bool named = known != std::end(parameters);
        if (!named && is_reserved(id)) continue;
        if (named && known->form == Form::text) {
            user_agent = value_text(known->form, value, record);
            continue;
        }
        const std::string_view name = named ? known->name : number_text(id, record);
        // A key of a map stands once; the first counts.
        const bool twice =
            std::ranges::any_of(entries.begin(), entries.begin() + count, [&](const auto& e) { return e.first == name; });
        if (!twice) entries[count++] = {name, value_text(named ? known->form : Form::bytes, value, record)};
    }
    if (count > 0) record.map(record::Field::quic_client_transport_parameters, std::span(entries.data(), count));
    if (!user_agent.empty()) record.text(record::Field::quic_client_user_agent, user_agent);
}

}  // namespace cvf::protocol::quic_wire
