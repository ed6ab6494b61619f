// Flow records to an IPFIX collector (RFC 7011), over UDP or TCP, as bidirectional flows (RFC 5103). Which element holds what:
// docs/sinks.md, from the table in ipfix_message.cpp.
//
// One message per batch, sent when it is full or `linger` old. Counts are deltas: what came since the record before of the same
// conversation. Templates go first on each connection and after each failure, and over UDP again every `template_interval`.
// Sequence numbers count the records handed to the kernel, so that a collector sees what the network lost.
//
// Delivered means taken by the kernel: IPFIX has no acknowledgments. Over UDP a collector that is gone is noticed by the next
// message where its host answers with ICMP, else never. Records of other types than flow count as lost.
//
// Thread rule and accounting: as in record_sink.h and outbox.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>

#include "sink/record_sink.h"
#include "sink/sink.h"

namespace cvf::sink {

enum class IpfixTransport : uint8_t { udp, tcp };

struct IpfixOptions {
    std::string address;  // HOST:PORT, [ADDRESS]:PORT; names are looked up at each connection
    IpfixTransport transport = IpfixTransport::udp;
    std::string node;                // gives the observation domain where that is not set
    std::optional<uint32_t> domain;  // observation domain id
    size_t message_bytes = 0;        // at most; 0: 1400 over UDP, 16384 over TCP. At least 512, at most 65535
    std::chrono::milliseconds linger{1000};
    std::chrono::milliseconds template_interval{60000};
    std::chrono::milliseconds timeout{10000};  // for a connection, or a message that is not taken
    std::chrono::milliseconds first_wait{500}, longest_wait{30000};
    size_t memory_bytes = 16u << 20;
    Complaint complain = {};
};

std::expected<std::unique_ptr<RecordSink>, std::string> make_ipfix_sink(IpfixOptions options);

}  // namespace cvf::sink
