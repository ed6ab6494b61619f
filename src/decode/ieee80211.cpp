// IEEE 802.11 data frames, bare or behind a radiotap, Prism or AVS header. Encrypted frames have nothing to read; of an aggregate
// (A-MSDU) the first subframe is read. Management and control frames are Network::other.
#include "decode/layers.h"

namespace cvf::decode {

// Radiotap (radiotap.org): little-endian; a length, then bitmaps of which fields follow. Only Flags is of interest here: a frame
// check sequence at the end, padding behind the 802.11 header.
void ieee80211_radiotap(Packet& p, Part x) {
    if (!have(p, x, 8)) return;
    const uint32_t size = load_le16(x.at + 2);
    if (size < 8) {
        p.faults |= fault_bad_length;
        return;
    }
    if (!have(p, x, size)) return;
    constexpr uint32_t has_time = 1u << 0, has_flags = 1u << 1, more = 1u << 31;
    constexpr uint8_t flag_check_sequence = 0x10, flag_padded = 0x20;
    const uint32_t present = load_le32(x.at + 4);
    uint32_t fields = 8;
    for (uint32_t word = present; (word & more) && fields + 4 <= size; fields += 4) word = load_le32(x.at + fields);
    if (present & has_time) fields = (fields + 7) / 8 * 8 + 8;
    const uint8_t flags = (present & has_flags) && fields < size ? x.at[fields] : 0;
    x = behind(x, size);
    if ((flags & flag_check_sequence) && x.length >= 4) {
        x.length -= 4;
        x.captured = std::min(x.captured, x.length);
    }
    ieee80211(p, x, flags & flag_padded);
}

// Prism monitor header: message code, message length (the host's byte order), device name, values. AVS (of the linux-wlan
// project), also found under Prism's number: version 0x802110xx, length (big-endian), values.
void ieee80211_prism(Packet& p, Part x) {
    if (!have(p, x, 8)) return;
    uint32_t size = load_le32(x.at + 4);
    if (load_be24(x.at) == 0x802110 || size > 0xffff) size = load_be32(x.at + 4);
    if (size < 8 || size > 0xffff) {
        p.faults |= fault_bad_length;
        return;
    }
    if (!have(p, x, size)) return;
    ieee80211(p, behind(x, size));
}

void ieee80211(Packet& p, Part x, bool padded) {
    p.network = Network::other;
    if (!have(p, x, 24)) return;
    const uint8_t control = x.at[0], flags = x.at[1];
    constexpr uint8_t to_ds = 1, from_ds = 2, protected_frame = 0x40, order = 0x80;
    const bool is_data = (control & 0x0f) == 0x08, has_no_data = control & 0x40, has_qos = control & 0x80;
    if (!is_data || has_no_data) return;

    const bool four_addresses = (flags & to_ds) && (flags & from_ds);
    uint32_t header = 24;
    if (four_addresses) header += 6;
    const uint32_t qos_at = header;
    if (has_qos) header += 2;
    if (has_qos && (flags & order)) header += 4;  // HT control
    if (padded) header = (header + 3) / 4 * 4;
    if (!have(p, x, header)) return;
    const uint8_t* destination = x.at + ((flags & to_ds) ? 16 : 4);
    const uint8_t* source = four_addresses ? x.at + 24 : x.at + ((flags & from_ds) ? 16 : 10);
    if (!p.has_mac && p.tunnel_count == 0) {
        p.has_mac = true;
        std::memcpy(p.destination_mac, destination, 6);
        std::memcpy(p.source_mac, source, 6);
    }
    if (flags & protected_frame) return;
    const bool aggregate = has_qos && (x.at[qos_at] & 0x80);
    x = behind(x, header);
    if (aggregate) {
        if (!have(p, x, 14)) return;
        x = limited(p, behind(x, 14), load_be16(x.at + 12));
    }
    // 802.11 carries LLC; a few bridges put an EtherType there without the SNAP header, which nothing announces.
    llc(p, x);
}

}  // namespace cvf::decode
