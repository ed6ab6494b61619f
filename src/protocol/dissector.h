// The shape of every protocol: match the first bytes, then turn in-order bytes or datagrams into records.
//
// A dissector is a function of bytes to values. It sees no clock, thread, file or global: what it needs comes in through
// `Context`. One dissector object serves one conversation. All bytes are hostile: every length is checked, everything kept is
// bounded.
//
// Streams (TCP): data() is given everything of one direction that has not been consumed, contiguous, and returns how many bytes
// it is done with; the rest comes again, with more behind it. A message that is complete is consumed whole; one that is not is
// left (return 0), up to `max_pending` bytes, beyond which the unconsumed bytes are lost and gap() is called. Call ctx.skip(dir,
// n) for bytes nobody needs to see (a body): the next n bytes after the consumed ones are then counted, not delivered, and the
// kernel may withhold them. Datagrams (UDP, ICMP): data() is called once for each, and its return value does not matter.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "decode/bytes.h"
#include "record/record.h"

namespace cvf::protocol {

using decode::Bytes;

// Which end sent it. The initiator is who opened the conversation: `source` on its records.
enum class Direction : uint8_t { from_initiator = 0, from_responder = 1 };
constexpr Direction opposite(Direction d) {
    return static_cast<Direction>(1 - static_cast<uint8_t>(d));
}

enum class Transport : uint8_t { tcp = 1, udp = 2, icmp = 4, icmpv6 = 8, sctp = 16, igmp = 32 };

enum class Match : uint8_t {
    no,     // these bytes are not this protocol
    maybe,  // too few bytes to tell: ask again with more
    yes,    // the bytes follow the protocol's form
};

// Bytes of one direction that may stand unconsumed: the longest DNS message over TCP is one more than 64 KiB with its length.
inline constexpr size_t max_pending = 64 * 1024 + 2;
inline constexpr uint64_t skip_all = UINT64_MAX;

// How much of a direction the dissector still wants to see: the verdict that goes to the kernel's payload budget.
enum class Want : uint8_t {
    all,    // every byte (multiplexed protocols)
    heads,  // the first bytes of each turn
    none,   // nothing more: count only
};

// What a dissector may ask of the flow it belongs to. Calls are synchronous; records handed to emit() are written before it
// returns.
class Context {
 public:
    // Capture or kernel time of the newest byte given to data(), ns since 1970 UTC.
    int64_t now = 0;
    // Datagrams only: the capture kept only the head of the datagram now given to data(); what is missing is no fault of the
    // sender.
    bool cut = false;

    // A record with @timestamp and record.type set and nothing else. The flow's own fields (flow.id, addresses, ports, owners …)
    // are added by emit(). One record at a time: the object is the same each time.
    virtual record::Record& start(record::RecordType type, int64_t timestamp) = 0;
    virtual void emit(record::Record& record) = 0;

    // The bytes are this protocol: it becomes network.protocol.name of the flow. `version` may be empty; borrowed, must be
    // constant.
    virtual void confirm(std::string_view version = {}) = 0;
    // The bytes broke the protocol. Counted per protocol and put on the flow; `reason` is constant text. After a violation before
    // confirm() the dissector is dropped and others may try.
    virtual void violation(std::string_view reason) = 0;
    // The host name this conversation was for (SNI, Host:, a DNS answer); copied onto the flow record.
    virtual void host(std::string_view name) = 0;

    // Streams only; see above. skip() counts from the end of what this call of data() consumes.
    virtual void skip(Direction dir, uint64_t bytes) = 0;
    // Bytes of this direction skipped so far, over all skips. When a finite skip has passed, data() is called at its end, with no
    // bytes if there are none yet. A skip asked for in gap() counts from the end of the gap.
    virtual uint64_t skipped(Direction dir) const { return (void)dir, 0; }
    virtual void want(Direction dir, Want want) = 0;
    // Hands the rest of the stream, from the bytes not consumed, to another protocol (STARTTLS, CONNECT, upgrade). `protocol`
    // names it; empty: find it by content.
    virtual void hand_over(std::string_view protocol) = 0;

    // False when nobody asked for records of this type: parse only what the flow needs.
    virtual bool wanted(record::RecordType type) const = 0;
    // The ports, initiator's and responder's; a hint at most, never a proof.
    virtual uint16_t port(Direction end) const = 0;
    // True when the two ends have changed places on the evidence of the bytes (a capture that began in the middle): from now on
    // the direction given here is from_initiator. Only before the first record of the flow.
    virtual void set_initiator(Direction dir) = 0;
    // A name was seen to stand for an address (DNS A and AAAA answers, under the name that was asked for): other flows to `ip`
    // may be called so for `ttl` seconds. `name` is lower-case, without the trailing dot, and borrowed; `ip` has 4 or 16 bytes.
    virtual void name_seen(std::string_view name, Bytes ip, uint32_t ttl) { (void)name, (void)ip, (void)ttl; }

 protected:
    ~Context() = default;
};

class Dissector {
 public:
    virtual ~Dissector() = default;
    // See the head of this file. Returns the bytes consumed.
    virtual size_t data(Direction dir, Bytes bytes, Context& ctx) = 0;
    // `bytes` bytes of this direction were not seen (lost, cut by the payload budget, or over the limit). What was pending is
    // gone and counted in.
    virtual void gap(Direction dir, uint64_t bytes, Context& ctx) { (void)dir, (void)bytes, (void)ctx; }
    // The direction has ended (FIN). Not called for datagrams.
    virtual void close(Direction dir, Context& ctx) { (void)dir, (void)ctx; }
    // The conversation is over or is being evicted: emit what is still open (a request without its answer). Nothing follows.
    virtual void finish(Context& ctx) { (void)ctx; }
    // Bytes kept beyond this object for what comes later, about: asked for after each of the calls above and counted against the
    // memory that all conversations share. When that is full, finish() is called and the dissector dropped.
    virtual size_t memory() const { return 0; }
    // Called about once a second per conversation that asked for it by returning true: for time-outs of pairs.
    virtual bool tick(Context& ctx) {
        (void)ctx;
        return false;
    }
};

// What the registry knows of a protocol. Constant data, one per protocol file.
struct Protocol {
    std::string_view name;  // network.protocol.name
    uint8_t transports;     // Transport values, or'ed
    // Judges the first bytes of one direction (everything of it so far). Cheap and without side effects. Called for each
    // direction until one protocol says yes or all say no.
    Match (*match)(Direction dir, Bytes bytes, uint16_t initiator_port, uint16_t responder_port);
    std::unique_ptr<Dissector> (*make)();
    // The types of record it emits.
    std::span<const record::RecordType> types;
};

// Defined one per file; listed in registry.cpp, most specific first.
extern const Protocol dns, dns_tcp, mdns, llmnr, llmnr_tcp, http, tls, dtls, quic, icmp, icmpv6, igmp;
// These in starttls.cpp, up to their upgrade to TLS.
extern const Protocol smtp, imap, pop3, ftp, xmpp, ldap, postgresql, mysql;

std::span<const Protocol* const> all_protocols();
const Protocol* protocol_by_name(std::string_view name);

}  // namespace cvf::protocol
