// Whether text is a pcap-filter(7) expression that can run on frames of Ethernet, as libpcap has it.
//
// Names of hosts and networks are refused: looking them up would make whoever checks an expression wait for name servers, and the
// expression another one on each node. Names of ports and protocols are this machine's own affair (/etc/services) and taken.
//
// Thread rule: any thread; calls take turns, for libpcap asks of old functions of the C library. Never waits for the network.
// Nothing: it is right; else what is wrong, in libpcap's words where they are its own.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cvf::agent {

std::optional<std::string> wrong_with_pcap_filter(std::string_view text);

}  // namespace cvf::agent
