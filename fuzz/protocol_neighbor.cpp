// ARP and LLDP: what stands behind an Ethernet header. The first byte picks which and whether there is a VLAN tag before it.
#include <vector>

#include "decode/packet.h"
#include "protocol/neighbor.h"
#include "record/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace cvf;
    if (size < 1) return 0;
    const std::vector<uint8_t> exact(data + 1, data + size);  // its own memory: reading beyond it is seen
    decode::Packet packet;
    packet.network = data[0] & 1 ? decode::Network::lldp : decode::Network::arp;
    packet.layer3 = exact;
    packet.has_mac = data[0] & 2;
    packet.vlan_count = data[0] >> 2 & 1;
    record::Record record;
    record.begin(data[0] & 1 ? record::RecordType::lldp : record::RecordType::arp, 0);
    if (data[0] & 1 ? protocol::lldp_record(packet, record) : protocol::arp_record(packet, record)) {
        // Written out, so that every borrowed piece of text is read.
        record::Buffer text;
        record::write_json(record, nullptr, text);
        if (text.view().empty()) __builtin_trap();
    }
    return 0;
}
