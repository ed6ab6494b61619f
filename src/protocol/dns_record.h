// One DNS transaction, as bytes, becomes one record.
#pragma once

#include "protocol/dissector.h"
#include "protocol/dns_message.h"

namespace cvf::protocol {

// What is known of a zone transfer besides its first query: RFC 5936, RFC 1995.
struct DnsTransfer {
    uint32_t messages = 0;
    uint64_t records = 0, bytes = 0;
    uint16_t response_flags = 0;  // of the first message
    uint32_t serial = 0;          // of the first SOA, which the last one repeats
    uint8_t serial_seen = 0;      // how often
    uint8_t serial_needed = 2;    // an incremental transfer has it three times
};

// Messages are borrowed for the call. Either of query and response may be empty, not both.
struct DnsTransaction {
    Bytes query, response;
    bool query_cut = false;  // `query` is only the head of it
    bool response_cut = false;
    uint32_t query_size = 0;  // bytes of the whole query
    uint32_t retransmits = 0;
    int64_t started = 0;  // when the first message was seen
    int64_t ended = 0;    // when the response was; 0: none
    std::string_view unanswered;
    const DnsTransfer* transfer = nullptr;  // then there is no `response`
};

// Emits the record; reports names and addresses to ctx.name_seen(), and what broke the protocol to ctx.violation().
void emit_dns(const DnsTransaction& transaction, DnsFlavor flavor, Context& ctx);

// Only ctx.name_seen(): for when nobody wants DNS records.
void note_dns_names(Bytes response, DnsFlavor flavor, Context& ctx);

}  // namespace cvf::protocol
