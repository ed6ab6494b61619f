// ICMP (RFC 792) and ICMPv6 (RFC 4443).
//
// Requests that are answered with their identifier and sequence number (echo, timestamp, …) make one record with their reply,
// whose event.duration is the round trip; one that is not answered within 5 s, or before the end, says so. All other messages are
// a record each.
#include <algorithm>
#include <boost/container/small_vector.hpp>

#include "protocol/dissector.h"
#include "protocol/icmp_codes.h"
#include "protocol/icmp_neighbor.h"
#include "protocol/icmp_quote.h"

namespace cvf::protocol {

namespace {

using record::Field;
using record::Record;

constexpr int64_t time_out = 5'000'000'000;
constexpr size_t max_open = 256;   // requests waiting for their reply, per conversation
constexpr size_t inline_open = 2;  // of them, without allocation
constexpr size_t header_size = 8;

struct Request {
    int64_t started, last_sent;
    uint32_t size, retransmits;
    uint16_t id, sequence;
    uint8_t type, code;
    Direction dir;
};

// The reply that a request's type asks for; 0: it is no request. (Echo reply is 0 in ICMP, so it has a constant of its own.)
constexpr uint16_t no_pair = 256;
uint16_t reply_type(bool v6, uint8_t type) {
    if (v6) return type == 128 ? 129 : type == 160 ? 161 : no_pair;
    switch (type) {
        case 8:
            return 0;  // echo
        case 13:
            return 14;  // timestamp
        case 15:
            return 16;  // information
        case 17:
            return 18;  // address mask
        case 42:
            return 43;  // extended echo: RFC 8335
        default:
            return no_pair;
    }
}

bool is_reply(bool v6, uint8_t type) {
    if (v6) return type == 129 || type == 161;
    return type == 0 || type == 14 || type == 16 || type == 18 || type == 43;
}

bool is_error(bool v6, uint8_t type) {
    if (v6) return type >= 1 && type <= 4;
    return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

bool is_extended_echo(bool v6, uint8_t type) {
    return v6 ? type == 160 || type == 161 : type == 42 || type == 43;
}

class IcmpDissector final : public Dissector {
 public:
    explicit IcmpDissector(bool v6) : v6_(v6) {}

    size_t data(Direction dir, Bytes bytes, Context& ctx) override;
    void finish(Context& ctx) override;
    size_t memory() const override { return open_.capacity() > inline_open ? open_.capacity() * sizeof(Request) : 0; }
    bool tick(Context& ctx) override {
        expire(ctx);
        return !open_.empty();
    }

 private:
    // The fields that every record has.
    Record& begin(uint8_t type, uint8_t code, size_t size, int64_t started, Context& ctx);
    void request(const Request& request, Context& ctx);
    void reply(Direction dir, const Request& reply, Context& ctx);
    void other(Bytes message, Context& ctx);
    void write_pair(const Request& request, Record& record);
    void unanswered(const Request& request, std::string_view why, Context& ctx);
    void expire(Context& ctx);

    const bool v6_;
    bool confirmed_ = false;
    boost::container::small_vector<Request, inline_open> open_;  // oldest first
};

size_t IcmpDissector::data(Direction dir, Bytes bytes, Context& ctx) {
    if (bytes.size() < header_size) {
        if (!ctx.cut) ctx.violation("shorter than an ICMP header");
        return bytes.size();
    }
    const uint8_t type = bytes[0], code = bytes[1];
    const bool answers = is_reply(v6_, type);
    if (!confirmed_) {
        confirmed_ = true;
        ctx.confirm();
        // A capture that began between request and reply: who answers is not who opened.
        if (answers && dir == Direction::from_initiator) {
            ctx.set_initiator(Direction::from_responder);
            dir = Direction::from_responder;
        }
    }
    if (!ctx.wanted(record::RecordType::icmp)) return bytes.size();
    expire(ctx);
    const bool asks = reply_type(v6_, type) != no_pair;
    if (!answers && !asks) {
        other(bytes, ctx);
        return bytes.size();
    }
    Request message{};
    message.started = message.last_sent = ctx.now;
    message.size = static_cast<uint32_t>(bytes.size());
    message.id = decode::load_be16(bytes.data() + 4);
    // RFC 8335 has one byte of sequence; the other holds flags that differ in the reply.
    message.sequence = is_extended_echo(v6_, type) ? bytes[6] : decode::load_be16(bytes.data() + 6);
    message.type = type;
    message.code = code;
    message.dir = dir;
    if (asks)
        request(message, ctx);
    else
        reply(dir, message, ctx);
    return bytes.size();
}

Record& IcmpDissector::begin(uint8_t type, uint8_t code, size_t size, int64_t started, Context& ctx) {
    Record& record = ctx.start(record::RecordType::icmp, started);
    record.uint(Field::icmp_type, type);
    record.uint(Field::icmp_code, code);
    if (const std::string_view name = icmp_type_name(v6_, type); !name.empty()) record.text(Field::icmp_message, name);
    if (const std::string_view name = icmp_code_name(v6_, type, code); !name.empty()) record.text(Field::icmp_reason, name);
    record.uint(Field::icmp_size, size);
    return record;
}

void IcmpDissector::request(const Request& request, Context& ctx) {
    for (Request& open : open_) {
        if (open.id != request.id || open.sequence != request.sequence || open.type != request.type || open.dir != request.dir)
            continue;
        ++open.retransmits;
        open.last_sent = ctx.now;
        return;
    }
    if (open_.size() == max_open) {
        const Request oldest = open_.front();
        open_.erase(open_.begin());
        unanswered(oldest, "overflow", ctx);
    }
    open_.push_back(request);
}

void IcmpDissector::write_pair(const Request& request, Record& record) {
    record.uint(Field::icmp_id, request.id);
    record.uint(Field::icmp_sequence, request.sequence);
    if (request.retransmits) record.uint(Field::icmp_retransmits, request.retransmits);
}

void IcmpDissector::reply(Direction dir, const Request& reply, Context& ctx) {
    const auto answered = [&](const Request& r) {
        return r.id == reply.id && r.sequence == reply.sequence && reply_type(v6_, r.type) == reply.type;
    };
    auto open = std::find_if(open_.begin(), open_.end(), [&](const Request& r) { return r.dir != dir && answered(r); });
    // A host that pings itself has both ends at one address: all its messages go one way.
    if (open == open_.end()) open = std::find_if(open_.begin(), open_.end(), answered);
    if (open == open_.end()) {
        Record& record = begin(reply.type, reply.code, reply.size, ctx.now, ctx);
        write_pair(reply, record);
        ctx.emit(record);
        return;
    }
    // An extended echo's reply tells in its code how it went.
    const uint8_t code = is_extended_echo(v6_, reply.type) ? reply.code : open->code;
    Record& record = begin(open->type, code, open->size, open->started, ctx);
    record.uint(Field::event_duration, static_cast<uint64_t>(std::max<int64_t>(ctx.now - open->started, 0)));
    write_pair(*open, record);
    ctx.emit(record);
    open_.erase(open);
}

void IcmpDissector::other(Bytes message, Context& ctx) {
    const uint8_t type = message[0], code = message[1];
    Record& record = begin(type, code, message.size(), ctx.now, ctx);
    const char* fault = nullptr;
    if (is_error(v6_, type)) {
        const uint32_t word = decode::load_be32(message.data() + 4);
        if (v6_) {
            if (type == 2) record.uint(Field::icmp_mtu, word);
            if (type == 4) record.uint(Field::icmp_pointer, word);
        } else {
            // RFC 1191 4; routers older than that leave it zero.
            if (type == 3 && code == 4 && (word & 0xffff)) record.uint(Field::icmp_mtu, word & 0xffff);
            if (type == 5) record.ip(Field::icmp_gateway, message.subspan(4, 4));
            if (type == 12 && code == 0) record.uint(Field::icmp_pointer, word >> 24);
        }
        if (!write_quoted_packet(v6_, message, record)) fault = "error does not quote an IP packet";
    } else {
        fault = v6_ ? write_link_message(message, record) : write_v4_router_message(message, record);
    }
    if (fault && ctx.cut) {
        record.flag(Field::cvf_truncated, true);
    } else if (fault) {
        record.text(Field::cvf_violation, fault);
        ctx.violation(fault);
    }
    ctx.emit(record);
}

void IcmpDissector::unanswered(const Request& request, std::string_view why, Context& ctx) {
    Record& record = begin(request.type, request.code, request.size, request.started, ctx);
    write_pair(request, record);
    record.text(Field::icmp_unanswered, why);
    if (why == "timeout") record.text(Field::error_type, why);
    ctx.emit(record);
}

// The oldest stands first, but one sent again lasts longer than its place tells: so all are looked at, once the first one is due.
void IcmpDissector::expire(Context& ctx) {
    if (open_.empty() || ctx.now - open_.front().started < time_out) return;
    for (size_t i = 0; i < open_.size();) {
        if (ctx.now - open_[i].last_sent < time_out) {
            ++i;
            continue;
        }
        const Request request = open_[i];
        open_.erase(open_.begin() + static_cast<ptrdiff_t>(i));
        unanswered(request, "timeout", ctx);
    }
}

void IcmpDissector::finish(Context& ctx) {
    expire(ctx);
    for (const Request& request : open_) unanswered(request, "end", ctx);
    open_.clear();
}

// Its number in the IP header says that it is ICMP; whether it is sound is for the dissector to say.
Match match_icmp(Direction, Bytes, uint16_t, uint16_t) {
    return Match::yes;
}

template <bool v6>
std::unique_ptr<Dissector> make() {
    return std::make_unique<IcmpDissector>(v6);
}

constexpr record::RecordType types[] = {record::RecordType::icmp};

}  // namespace

const Protocol icmp{"icmp", static_cast<uint8_t>(Transport::icmp), match_icmp, make<false>, types};
const Protocol icmpv6{"icmpv6", static_cast<uint8_t>(Transport::icmpv6), match_icmp, make<true>, types};

}  // namespace cvf::protocol
