#include "protocol/icmp_neighbor.h"

#include <algorithm>
#include <charconv>

#include "protocol/dns_message.h"
#include "protocol/icmp_quote.h"
#include "record/json.h"

namespace cvf::protocol {

namespace {

using decode::Bytes;
using record::Field;
using record::Record;

constexpr size_t max_items = 64;
constexpr const char* ends_early = "message ends early";
constexpr uint64_t second = 1'000'000'000;

// Items of several options that make one list.
struct Lists {
    std::span<const uint8_t> servers[max_items];
    std::string_view prefixes[max_items], routes[max_items], domains[max_items];
    size_t server_count = 0, prefix_count = 0, route_count = 0, domain_count = 0;
};

std::string_view prefix_text(Bytes address, uint8_t length, Record& record) {
    char text[64];
    char* end = record::write_ip(text, address);
    *end++ = '/';
    end = std::to_chars(end, text + sizeof text, length).ptr;
    return record.arena().copy({text, static_cast<size_t>(end - text)});
}

// Route information: prefix length, preference, lifetime, and as much of the prefix as is needed (RFC 4191 2.3).
void add_route(Bytes body, Lists& lists, Record& record) {
    if (body.size() < 6 || lists.route_count == max_items) return;
    const Bytes prefix = body.subspan(6);
    uint8_t whole[16] = {};
    if (prefix.size() > sizeof whole || body[0] > 128 || body[0] > prefix.size() * 8) return;
    std::copy(prefix.begin(), prefix.end(), whole);
    lists.routes[lists.route_count++] = prefix_text(whole, body[0], record);
}

// DNS search list: names as DNS has them, never compressed, zeros behind the last (RFC 8106 5.2).
void add_domains(Bytes body, Lists& lists, Record& record) {
    constexpr size_t before_names = 6;
    DnsReader reader(body, before_names);
    while (reader.at() < body.size() && body[reader.at()] != 0 && lists.domain_count < max_items) {
        char text[dns_name_room];
        const char* end = reader.name(text, NameForm::lower);
        if (!end) return;
        lists.domains[lists.domain_count++] = record.arena().copy({text, static_cast<size_t>(end - text)});
    }
}

// Options: type, length in units of 8 bytes, body (RFC 4861 4.6).
const char* write_options(decode::Reader r, Record& record) {
    Lists lists;
    bool source = false, target = false, mtu = false, quote = false;
    const char* fault = nullptr;
    while (r.left()) {
        const uint8_t type = r.u8(), units = r.u8();
        if (r.ok() && units == 0) {
            fault = "neighbour discovery option of length 0";
            break;
        }
        const Bytes body = r.take(size_t{units} * 8 - 2);
        if (r.failed()) {
            fault = ends_early;
            break;
        }
        switch (type) {
            case 1:
                if (!source && units == 1) record.mac(Field::icmp_nd_source_mac, body.data());
                source = true;
                break;
            case 2:
                if (!target && units == 1) record.mac(Field::icmp_nd_target_mac, body.data());
                target = true;
                break;
            case 3:  // prefix information
                if (units == 4 && lists.prefix_count < max_items)
                    lists.prefixes[lists.prefix_count++] = prefix_text(body.subspan(14, 16), body[0], record);
                break;
            case 4:  // the packet that was redirected, behind six reserved bytes
                if (!quote && body.size() > 6) write_quoted_ip(true, body.subspan(6), record);
                quote = true;
                break;
            case 5:
                if (!mtu && units == 1) record.uint(Field::icmp_mtu, decode::load_be32(body.data() + 2));
                mtu = true;
                break;
            case 24:
                add_route(body, lists, record);
                break;
            case 25:  // recursive DNS servers: RFC 8106 5.1
                for (size_t at = 6; at + 16 <= body.size() && lists.server_count < max_items; at += 16)
                    lists.servers[lists.server_count++] = body.subspan(at, 16);
                break;
            case 31:
                add_domains(body, lists, record);
                break;
            default:
                break;
        }
    }
    if (lists.prefix_count) record.texts(Field::icmp_router_prefixes, {lists.prefixes, lists.prefix_count});
    if (lists.route_count) record.texts(Field::icmp_router_routes, {lists.routes, lists.route_count});
    if (lists.server_count) record.ips(Field::icmp_router_dns_servers, {lists.servers, lists.server_count});
    if (lists.domain_count) record.texts(Field::icmp_router_search_domains, {lists.domains, lists.domain_count});
    return fault;
}

const char* write_router_advertisement(decode::Reader r, Record& record) {
    const uint8_t hop_limit = r.u8(), flags = r.u8();
    const uint16_t lifetime = r.u16();
    r.skip(8);  // reachable time, retransmit timer
    if (r.failed()) return ends_early;
    std::string_view names[4];
    size_t n = 0;
    if (flags & 0x80) names[n++] = "managed";
    if (flags & 0x40) names[n++] = "other";
    if (flags & 0x20) names[n++] = "home agent";
    if (flags & 0x04) names[n++] = "proxy";
    if (n) record.texts(Field::icmp_nd_flags, {names, n});
    record.uint(Field::icmp_router_lifetime, lifetime * second);
    if (hop_limit) record.uint(Field::icmp_router_hop_limit, hop_limit);
    // RFC 4191 2.2; the reserved value counts as medium.
    const uint8_t preference = flags >> 3 & 3;
    record.text(Field::icmp_router_preference, preference == 1 ? "high" : preference == 3 ? "low" : "medium");
    return write_options(r, record);
}

const char* write_neighbor(uint8_t type, decode::Reader r, Record& record) {
    const uint32_t flags = r.u32();
    const Bytes target = r.take(16);
    if (r.failed()) return ends_early;
    record.ip(Field::icmp_nd_target, target);
    std::string_view names[3];
    size_t n = 0;
    if (type == 136) {
        if (flags & 0x80000000) names[n++] = "router";
        if (flags & 0x40000000) names[n++] = "solicited";
        if (flags & 0x20000000) names[n++] = "override";
    }
    if (n) record.texts(Field::icmp_nd_flags, {names, n});
    return write_options(r, record);
}

const char* write_redirect(decode::Reader r, Record& record) {
    r.skip(4);
    const Bytes gateway = r.take(16), target = r.take(16);
    if (r.failed()) return ends_early;
    record.ip(Field::icmp_gateway, gateway);
    record.ip(Field::icmp_nd_target, target);
    return write_options(r, record);
}

// Version 1 query, report and done, and version 2 query, begin alike; the general query asks for the group ::.
const char* write_listener(decode::Reader r, Record& record) {
    r.skip(4);
    const Bytes group = r.take(16);
    if (r.failed()) return ends_early;
    if (std::all_of(group.begin(), group.end(), [](uint8_t b) { return b == 0; })) return nullptr;
    const std::span<const uint8_t> groups[] = {group};
    record.ips(Field::icmp_mld_groups, groups);
    return nullptr;
}

const char* write_listener_report(decode::Reader r, Record& record) {
    constexpr std::string_view types[] = {"",           "is include",        "is exclude",       "to include",
                                          "to exclude", "allow new sources", "block old sources"};
    r.skip(2);
    const uint16_t count = r.u16();
    std::span<const uint8_t> groups[max_items];
    std::string_view kinds[max_items];
    size_t n = 0;
    for (uint16_t i = 0; i < count && n < max_items; ++i) {
        const uint8_t type = r.u8(), auxiliary = r.u8();
        const uint16_t sources = r.u16();
        const Bytes group = r.take(16);
        if (r.failed()) break;
        groups[n] = group;
        kinds[n++] = type > 0 && type < 7 ? types[type] : std::string_view("unknown");
        r.skip(size_t{sources} * 16 + size_t{auxiliary} * 4);
    }
    if (n) {
        record.ips(Field::icmp_mld_groups, {groups, n});
        record.texts(Field::icmp_mld_record_types, {kinds, n});
    }
    return r.failed() ? ends_early : nullptr;
}

}  // namespace

const char* write_link_message(Bytes message, Record& record) {
    const decode::Reader body(message.subspan(4));
    switch (message[0]) {
        case 130:
        case 131:
        case 132:
            return write_listener(body, record);
        case 133:
            return write_options(decode::Reader(message.subspan(8)), record);
        case 134:
            return write_router_advertisement(body, record);
        case 135:
        case 136:
            return write_neighbor(message[0], body, record);
        case 137:
            return write_redirect(body, record);
        case 143:
            return write_listener_report(body, record);
        default:
            return nullptr;
    }
}

const char* write_v4_router_message(Bytes message, Record& record) {
    if (message[0] != 9) return nullptr;
    decode::Reader r(message.subspan(4));
    const uint8_t count = r.u8(), words = r.u8();
    record.uint(Field::icmp_router_lifetime, r.u16() * second);
    if (words < 1) return "router address entry of length 0";
    std::span<const uint8_t> routers[max_items];
    size_t n = 0;
    for (uint8_t i = 0; i < count && n < max_items; ++i) {
        const Bytes entry = r.take(size_t{words} * 4);
        if (r.failed()) break;
        routers[n++] = entry.first(4);
    }
    if (n) record.ips(Field::icmp_router_addresses, {routers, n});
    return r.failed() ? ends_early : nullptr;
}

}  // namespace cvf::protocol
