// IGMP versions 1 to 3 (RFC 1112 appendix I, RFC 2236, RFC 3376): which multicast groups the hosts of a link listen to. One
// record is one message; its fields are those of ICMPv6's listener messages, of which IGMP is the IPv4 twin.
#include <algorithm>
#include <cstdint>

#include "protocol/dissector.h"

namespace cvf::protocol {

namespace {

using decode::Reader;
using record::Field;
using record::Record;

constexpr size_t header_size = 8, max_groups = 64;

enum Type : uint8_t {
    query = 0x11,
    report_v1 = 0x12,
    report_v2 = 0x16,
    leave = 0x17,
    report_v3 = 0x22,
};

std::string_view name_of(uint8_t type) {
    switch (type) {
        case query:
            return "membership query";
        case report_v1:
            return "membership report";
        case report_v2:
            return "version 2 membership report";
        case leave:
            return "leave group";
        case report_v3:
            return "version 3 membership report";
        default:
            return {};
    }
}

// Which version's form a message has; a query is told by its length and its response time (RFC 3376 7.1).
std::string_view version_of(Bytes message) {
    switch (message[0]) {
        case query:
            return message.size() >= 12 ? "3" : message[1] != 0 ? "2" : "1";
        case report_v1:
            return "1";
        case report_v2:
        case leave:
            return "2";
        case report_v3:
            return "3";
        default:
            return {};
    }
}

// Group records, each with a kind and the group (RFC 3376 4.2). False when they end early.
bool write_groups(Bytes message, Record& record) {
    constexpr std::string_view names[] = {"",           "is include",        "is exclude",       "to include",
                                          "to exclude", "allow new sources", "block old sources"};
    Reader r(message);
    r.skip(6);
    const uint16_t count = r.u16();
    std::span<const uint8_t> groups[max_groups];
    std::string_view kinds[max_groups];
    size_t n = 0;
    for (uint16_t i = 0; i < count && n < max_groups; ++i) {
        const uint8_t kind = r.u8(), auxiliary = r.u8();
        const uint16_t sources = r.u16();
        const Bytes group = r.take(4);
        if (r.failed()) break;
        groups[n] = group;
        kinds[n++] = kind > 0 && kind < std::size(names) ? names[kind] : std::string_view("unknown");
        r.skip((size_t{sources} + auxiliary) * 4);
    }
    if (n > 0) {
        record.ips(Field::icmp_mld_groups, {groups, n});
        record.texts(Field::icmp_mld_record_types, {kinds, n});
    }
    return r.ok();
}

// One group, or none in a query to all.
void write_group(Bytes message, Record& record) {
    const std::span<const uint8_t> group[] = {message.subspan(4, 4)};
    if (std::ranges::any_of(group[0], [](uint8_t b) { return b != 0; })) record.ips(Field::icmp_mld_groups, group);
}

class Messages final : public Dissector {
 public:
    size_t data(Direction, Bytes bytes, Context& ctx) override {
        if (bytes.size() < header_size) {
            if (!ctx.cut) ctx.violation("shorter than an IGMP header");
            return bytes.size();
        }
        const std::string_view name = name_of(bytes[0]);
        ctx.confirm(version_of(bytes));
        if (!ctx.wanted(record::RecordType::icmp)) return bytes.size();
        Record& record = ctx.start(record::RecordType::icmp, ctx.now);
        record.uint(Field::icmp_type, bytes[0]);
        if (!name.empty()) record.text(Field::icmp_message, name);
        record.uint(Field::icmp_size, bytes.size());
        if (bytes[0] == report_v3) {
            if (!write_groups(bytes, record)) {
                if (ctx.cut) {
                    record.flag(Field::cvf_truncated, true);
                } else {
                    record.text(Field::cvf_violation, "message ends early");
                    ctx.violation("message ends early");
                }
            }
        } else if (!name.empty()) {
            write_group(bytes, record);
        }
        ctx.emit(record);
        return bytes.size();
    }
};

// Its number in the IP header says what it is.
Match match(Direction, Bytes, uint16_t, uint16_t) {
    return Match::yes;
}

std::unique_ptr<Dissector> make() {
    return std::make_unique<Messages>();
}

constexpr record::RecordType types[] = {record::RecordType::icmp};

}  // namespace

const Protocol igmp{"igmp", static_cast<uint8_t>(Transport::igmp), match, make, types};

}  // namespace cvf::protocol
