#include "protocol/neighbor.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "record/json.h"

namespace cvf::protocol {
namespace {

using decode::Bytes;
using decode::Packet;
using decode::Reader;
using record::Field;
using record::Record;

bool all_zero(Bytes b) {
    return std::ranges::all_of(b, [](uint8_t v) { return v == 0; });
}

void vlan(const Packet& packet, Record& record) {
    if (packet.vlan_count == 0) return;
    record.copy(Field::network_vlan_id, fmt::format_int(packet.vlans[0]).str());
}

// Kinds of an identifier. Chassis and ports number them differently; the values are formed alike.
enum class Kind : uint8_t { reserved, component, interface_alias, port_component, mac, address, interface, agent_circuit, local };

constexpr Kind chassis_kinds[] = {Kind::reserved, Kind::component, Kind::interface_alias, Kind::port_component,
                                  Kind::mac,      Kind::address,   Kind::interface,       Kind::local};
constexpr Kind port_kinds[] = {Kind::reserved, Kind::interface_alias, Kind::port_component, Kind::mac,
                               Kind::address,  Kind::interface,       Kind::agent_circuit,  Kind::local};

std::string_view name(Kind kind) {
    switch (kind) {
        case Kind::reserved:
            break;
        case Kind::component:
            return "component";
        case Kind::interface_alias:
            return "interface_alias";
        case Kind::port_component:
            return "port_component";
        case Kind::mac:
            return "mac";
        case Kind::address:
            return "address";
        case Kind::interface:
            return "interface";
        case Kind::agent_circuit:
            return "agent_circuit";
        case Kind::local:
            return "local";
    }
    return "reserved";
}

// A network address with its family before it (IANA: 1 IPv4, 2 IPv6); empty when it is neither.
Bytes network_address(Bytes value) {
    if (value.size() == 5 && value[0] == 1) return value.subspan(1);
    if (value.size() == 17 && value[0] == 2) return value.subspan(1);
    return {};
}

void hex(std::string& out, Bytes value, char separator) {
    for (size_t i = 0; i < value.size(); ++i) {
        if (i > 0 && separator != 0) out += separator;
        fmt::format_to(std::back_inserter(out), "{:02X}", value[i]);
    }
}

void address_text(std::string& out, Bytes address) {
    char text[46];
    const char* end = record::write_ip(text, address);
    out.append(text, static_cast<size_t>(end - text));
}

void identifier(Record& record, Field id, Field kind_field, Bytes value, std::span<const Kind> kinds) {
    const Kind kind = value[0] < kinds.size() ? kinds[value[0]] : Kind::reserved;
    const Bytes rest = value.subspan(1);
    record.text(kind_field, name(kind));
    std::string composed;
    if (kind == Kind::mac)
        hex(composed, rest, '-');
    else if (const Bytes address = network_address(rest); kind == Kind::address && !address.empty())
        address_text(composed, address);
    else if (kind == Kind::address || kind == Kind::reserved)
        hex(composed, rest, 0);
    else
        return record.text(id, decode::as_text(rest));
    record.copy(id, composed);
}

void capabilities(Record& record, Field field, uint16_t bits) {
    static constexpr std::string_view names[] = {
        "other",   "repeater",      "bridge",       "wlan_access_point", "router", "telephone", "docsis_cable",
        "station", "customer_vlan", "service_vlan", "two_port_mac_relay"};
    std::string_view set[std::size(names)];
    size_t count = 0;
    for (size_t bit = 0; bit < std::size(names); ++bit)
        if (bits >> bit & 1) set[count++] = names[bit];
    record.texts(field, {set, count});
}

// Of LLDP for Media Endpoint Devices (ANSI/TIA-1057 10.2.2.3).
std::string_view device_class(uint8_t number) {
    static constexpr std::string_view names[] = {"", "generic_endpoint", "media_endpoint", "communication_endpoint", "network"};
    return number < std::size(names) ? names[number] : std::string_view();
}

// What may come once only, or counts only once.
class Lldp {
 public:
    explicit Lldp(Record& record) : record_(record) {}

    // False when the message is broken.
    bool element(unsigned type, Bytes value) {
        Reader r(value);
        switch (type) {
            case 1:
                if (value.size() < 2 || !first(type)) return false;
                identifier(record_, Field::lldp_chassis_id, Field::lldp_chassis_kind, value, chassis_kinds);
                return true;
            case 2:
                if (value.size() < 2 || !first(type)) return false;
                identifier(record_, Field::lldp_port_id, Field::lldp_port_kind, value, port_kinds);
                return true;
            case 3:
                if (value.size() < 2 || !first(type)) return false;
                record_.uint(Field::lldp_ttl, r.u16());
                return true;
            case 4:
                text(type, Field::lldp_port_description, value);
                return true;
            case 5:
                text(type, Field::lldp_system_name, value);
                return true;
            case 6:
                text(type, Field::lldp_system_description, value);
                return true;
            case 7: {
                const uint16_t able = r.u16(), enabled = r.u16();
                if (r.failed() || !first(type)) return true;
                capabilities(record_, Field::lldp_capabilities, able);
                capabilities(record_, Field::lldp_enabled, enabled);
                return true;
            }
            case 8: {
                const Bytes address = network_address(r.take(r.u8()));
                if (!address.empty() && address_count_ < std::size(addresses_)) addresses_[address_count_++] = address;
                return true;
            }
            case 127: {
                const uint32_t owner_and_subtype = r.u32();
                if (r.ok()) of_organisation(owner_and_subtype, r);
                return true;
            }
            default:
                return true;
        }
    }

    // What an organisation defined: its identifier (24 bits) and subtype, and what follows them.
    void of_organisation(uint32_t owner_and_subtype, Reader r) {
        constexpr uint32_t ieee_802_1 = 0x0080c200, ieee_802_3 = 0x00120f00, media_endpoint = 0x0012bb00;
        switch (owner_and_subtype) {
            case ieee_802_1 | 1:
                number(1, Field::lldp_port_vlan, r);
                return;
            case ieee_802_1 | 3: {
                const uint16_t id = r.u16();
                const Bytes vlan = r.take(r.u8());
                if (r.ok() && vlan_count_ < std::size(vlans_))
                    vlans_[vlan_count_++] = record_.arena().copy(fmt::format("{} {}", id, decode::as_text(vlan)));
                return;
            }
            case ieee_802_3 | 4:
                number(2, Field::lldp_port_max_frame_size, r);
                return;
            case media_endpoint | 1: {
                r.skip(2);  // which of the elements below it can send
                const std::string_view kind = device_class(r.u8());
                if (r.ok() && !kind.empty() && once(0)) record_.text(Field::lldp_device_class, kind);
                return;
            }
            default:
                break;
        }
        constexpr Field inventory[] = {Field::lldp_hardware_revision, Field::lldp_firmware_revision,
                                       Field::lldp_software_revision, Field::lldp_serial_number,
                                       Field::lldp_manufacturer,      Field::lldp_model,
                                       Field::lldp_asset_id};
        constexpr uint32_t first_of_inventory = media_endpoint | 5;
        const uint32_t index = owner_and_subtype - first_of_inventory;
        if (index < std::size(inventory) && r.left() > 0 && once(8 + index))
            record_.text(inventory[index], decode::as_text(r.rest()));
    }

    // The three that are mandatory came.
    bool complete() const { return (seen_[0] & 0b1110) == 0b1110; }
    void finish() {
        if (address_count_ > 0) record_.ips(Field::lldp_management, {addresses_, address_count_});
        if (vlan_count_ > 0) record_.texts(Field::lldp_vlans, {vlans_, vlan_count_});
    }

 private:
    bool first(unsigned type) {
        uint64_t& word = seen_[type / 64];
        const uint64_t bit = uint64_t{1} << type % 64;
        const bool is_first = !(word & bit);
        word |= bit;
        return is_first;
    }
    // The same for what organisations defined, by numbers of our own.
    bool once(unsigned number) { return !(std::exchange(organisation_seen_, organisation_seen_ | 1u << number) >> number & 1); }
    void number(unsigned own_number, Field field, Reader r) {
        const uint16_t value = r.u16();
        if (r.ok() && once(own_number)) record_.uint(field, value);
    }
    void text(unsigned type, Field field, Bytes value) {
        if (!value.empty() && first(type)) record_.text(field, decode::as_text(value));
    }

    Record& record_;
    uint64_t seen_[2] = {};
    uint32_t organisation_seen_ = 0;
    Bytes addresses_[8];
    std::string_view vlans_[32];
    size_t address_count_ = 0, vlan_count_ = 0;
};

}  // namespace

bool arp_record(const Packet& packet, Record& record) {
    Reader r(packet.layer3);
    const uint16_t hardware = r.u16(), protocol = r.u16();
    const uint8_t hardware_size = r.u8(), protocol_size = r.u8();
    const uint16_t operation = r.u16();
    const Bytes sender_mac = r.take(hardware_size), sender = r.take(protocol_size), target_mac = r.take(hardware_size),
                target = r.take(protocol_size);
    if (r.failed() || hardware == 0 || protocol != 0x0800 || protocol_size != 4) return false;
    const bool request = operation == 1;
    if (request)
        record.text(Field::arp_operation, "request");
    else if (operation == 2)
        record.text(Field::arp_operation, "reply");
    else
        record.copy(Field::arp_operation, fmt::format("op-{}", operation));
    record.ip(Field::source_address, sender);
    record.ip(Field::destination_address, target);
    if (hardware_size == 6) {
        record.mac(Field::source_mac, sender_mac.data());
        // In a request the target's address is what is asked for: zero, or whatever the sender left there.
        if (!request && !all_zero(target_mac)) record.mac(Field::destination_mac, target_mac.data());
    }
    if (request && all_zero(sender))
        record.flag(Field::arp_probe, true);
    else if (std::ranges::equal(sender, target))
        record.flag(Field::arp_gratuitous, true);
    vlan(packet, record);
    return true;
}

bool lldp_record(const Packet& packet, Record& record) {
    Lldp lldp(record);
    Reader r(packet.layer3);
    while (r.left() >= 2) {
        const uint16_t head = r.u16();
        const unsigned type = head >> 9;
        const Bytes value = r.take(head & 0x1ff);
        if (type == 0) break;
        if (r.failed()) {
            record.flag(Field::cvf_truncated, true);
            break;
        }
        if (!lldp.element(type, value)) return false;
    }
    if (!lldp.complete()) return false;
    lldp.finish();
    if (packet.has_mac) record.mac(Field::source_mac, packet.source_mac);
    vlan(packet, record);
    return true;
}

}  // namespace cvf::protocol
