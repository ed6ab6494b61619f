// ARP (RFC 826, 5227) and LLDP (IEEE 802.1AB with the elements of 802.1Q, 802.3 and ANSI/TIA-1057) as records: who is next on the
// link. Neither has flows; each frame is one record.
//
// The record has been begun with its type and time; these add the fields. Text that the record borrows is of the packet's frame
// or of the record's own arena. False when the bytes are no such message: the record is then not to be written. Functions of
// bytes to values.
#pragma once

#include "decode/packet.h"
#include "record/record.h"

namespace cvf::protocol {

// `packet.network` is Network::arp. Sender is source, target is destination.
bool arp_record(const decode::Packet& packet, record::Record& record);

// `packet.network` is Network::lldp.
bool lldp_record(const decode::Packet& packet, record::Record& record);

}  // namespace cvf::protocol
