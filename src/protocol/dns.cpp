// DNS over UDP and TCP (RFC 1035, 7766), multicast DNS (RFC 6762) and LLMNR (RFC 4795).
//
// DNS: one record per transaction, made when the response comes, or when it has not come 6 s after the query was last sent
// (resolvers send again after 5 s: the repeat belongs to the same transaction), or at the end. mDNS and LLMNR speak to groups, so
// that queries and responses are conversations apart: one record per message.
#include <algorithm>
#include <boost/container/small_vector.hpp>
#include <cstring>
#include <memory>

#include "protocol/dissector.h"
#include "protocol/dns_match.h"
#include "protocol/dns_message.h"
#include "protocol/dns_record.h"

namespace cvf::protocol {

namespace {

constexpr int64_t time_out = 6'000'000'000;
constexpr size_t max_open = 256;         // queries waiting for their response, per conversation
constexpr size_t inline_open = 2;        // of them, without allocation
constexpr size_t inline_query = 88;      // bytes of a query kept without allocation: nearly all
constexpr size_t max_kept_query = 1024;  // bytes of a longer one

// A query waiting for its response. Its message is kept: what the record needs of it is read when the record is made.
struct OpenQuery {
    int64_t started, last_sent;
    std::unique_ptr<uint8_t[]> heap;
    std::unique_ptr<DnsTransfer> transfer;
    uint32_t size, retransmits;
    uint16_t id, kept, question_end;  // question_end: dns_header_size when the question can't be read
    Direction dir;
    bool cut;
    uint8_t here[inline_query];

    Bytes bytes() const { return {heap ? heap.get() : here, kept}; }
    Bytes question() const { return bytes().subspan(dns_header_size, question_end - dns_header_size); }
    uint16_t question_type() const {
        return question_end > dns_header_size ? decode::load_be16(bytes().data() + question_end - 4) : uint16_t{0};
    }
};

uint8_t lower(uint8_t c) {
    return c >= 'A' && c <= 'Z' ? static_cast<uint8_t>(c + 32) : c;
}

// Two questions in wire form; names compare without case (some resolvers mix it on purpose).
bool same_question(Bytes a, Bytes b) {
    if (a.size() != b.size()) return false;
    if (std::memcmp(a.data(), b.data(), a.size()) == 0) return true;
    return std::equal(a.begin(), a.end(), b.begin(), [](uint8_t x, uint8_t y) { return lower(x) == lower(y); });
}

// Where the first question ends; dns_header_size when there is none to be read.
uint16_t find_question_end(Bytes message, const DnsHeader& header) {
    if (header.questions == 0) return dns_header_size;
    DnsReader reader(message);
    if (!reader.skip_name() || message.size() - reader.at() < 4) return dns_header_size;
    return static_cast<uint16_t>(reader.at() + 4);
}

class DnsDissector final : public Dissector {
 public:
    DnsDissector(DnsFlavor flavor, bool stream) : flavor_(flavor), stream_(stream) {}

    size_t data(Direction dir, Bytes bytes, Context& ctx) override;
    void gap(Direction dir, uint64_t bytes, Context& ctx) override;
    void finish(Context& ctx) override;
    bool tick(Context& ctx) override {
        expire(ctx);
        return !open_.empty();
    }
    size_t memory() const override {
        return heap_bytes_ + (open_.capacity() > inline_open ? open_.capacity() * sizeof(OpenQuery) : 0);
    }

 private:
    void message(Direction dir, Bytes message, Context& ctx);
    void query(Direction dir, Bytes message, const DnsHeader& header, Context& ctx);
    void response(Direction dir, Bytes message, const DnsHeader& header, Context& ctx);
    void alone(Bytes message, bool is_response, Context& ctx);
    bool transfer(OpenQuery& open, Bytes message, const DnsHeader& header, Context& ctx);
    void unanswered(const OpenQuery& open, std::string_view why, Context& ctx);
    void remove(OpenQuery* open) {
        if (open->heap) heap_bytes_ -= open->kept;
        if (open != &open_.back()) *open = std::move(open_.back());
        open_.pop_back();
    }
    void expire(Context& ctx);
    void expire_old(Context& ctx);

    const DnsFlavor flavor_;
    const bool stream_;
    bool confirmed_ = false;
    bool broken_[2] = {};              // stream: the message boundaries of this direction are lost
    int64_t next_expiry_ = INT64_MAX;  // no open query runs out before
    boost::container::small_vector<OpenQuery, inline_open> open_;
    size_t heap_bytes_ = 0;  // of the queries in it
};

size_t DnsDissector::data(Direction dir, Bytes bytes, Context& ctx) {
    if (!stream_) {
        message(dir, bytes, ctx);
        return bytes.size();
    }
    bool& broken = broken_[static_cast<size_t>(dir)];
    size_t done = 0;
    while (bytes.size() - done >= 2) {
        const size_t size = decode::load_be16(bytes.data() + done);
        const Bytes rest = bytes.subspan(done + 2);
        bool good = size >= dns_header_size;
        // An odd header is judged with its question behind it; where a message begins after a gap is only guessed, and must look
        // like one at once.
        if (good && rest.size() >= dns_header_size && !has_dns_form(rest))
            good = !broken && (rest.size() < size || is_meant_as_dns(rest.first(size)));
        if (!good) {
            if (!broken) ctx.violation("not a DNS message where one must begin");
            broken = true;
            ctx.want(dir, Want::none);
            return bytes.size();
        }
        if (rest.size() < size) break;
        broken = false;
        message(dir, rest.first(size), ctx);
        done += 2 + size;
    }
    return done;
}

// After a gap the next bytes are tried as the beginning of a message: mostly they are, for a message is written at once.
void DnsDissector::gap(Direction dir, uint64_t, Context&) {
    broken_[static_cast<size_t>(dir)] = stream_;
}

void DnsDissector::message(Direction dir, Bytes message, Context& ctx) {
    if (message.size() < dns_header_size) {
        ctx.violation("shorter than a DNS header");
        return;
    }
    const DnsHeader header = DnsHeader::read(message);
    if (!confirmed_) {
        confirmed_ = true;
        ctx.confirm();
        // A capture that began between query and response: who answers is not who opened. Among mDNS peers, anyone may announce.
        const bool peers = flavor_ == DnsFlavor::multicast && ctx.port(dir) == ctx.port(opposite(dir));
        if (header.is_response() && dir == Direction::from_initiator && !peers) {
            ctx.set_initiator(Direction::from_responder);
            dir = Direction::from_responder;
        }
    } else if (!stream_ && !is_meant_as_dns(message)) {
        ctx.violation("not a DNS message");
        return;
    }
    if (!ctx.wanted(record::RecordType::dns)) {
        if (header.is_response()) note_dns_names(message, flavor_, ctx);
        return;
    }
    if (ctx.now >= next_expiry_) expire_old(ctx);
    if (flavor_ != DnsFlavor::unicast)
        alone(message, header.is_response(), ctx);
    else if (header.is_response())
        response(dir, message, header, ctx);
    else
        query(dir, message, header, ctx);
}

void DnsDissector::query(Direction dir, Bytes message, const DnsHeader& header, Context& ctx) {
    // Stateful operations with id 0 expect no answer: RFC 8490 5.4.
    if (header.op_code() == dns_op::stateful && header.id == 0) return alone(message, false, ctx);
    const uint16_t question_end = find_question_end(message, header);
    const Bytes question = message.subspan(dns_header_size, question_end - dns_header_size);
    for (OpenQuery& open : open_) {
        if (open.id != header.id || open.dir != dir || open.transfer || !same_question(open.question(), question)) continue;
        ++open.retransmits;
        open.last_sent = ctx.now;
        return;
    }
    if (open_.size() == max_open) {
        const auto oldest = std::min_element(open_.begin(), open_.end(), [](auto& a, auto& b) { return a.started < b.started; });
        unanswered(*oldest, "overflow", ctx);
        remove(&*oldest);
    }
    OpenQuery& open = open_.emplace_back(boost::container::default_init);
    open.started = open.last_sent = ctx.now;
    open.size = static_cast<uint32_t>(message.size());
    open.retransmits = 0;
    open.id = header.id;
    open.kept = static_cast<uint16_t>(std::min(message.size(), max_kept_query));
    open.question_end = question_end;
    open.dir = dir;
    open.cut = ctx.cut || open.kept < message.size();
    if (open.kept > inline_query) {
        open.heap = std::make_unique_for_overwrite<uint8_t[]>(open.kept);
        heap_bytes_ += open.kept;
    }
    std::memcpy(open.heap ? open.heap.get() : open.here, message.data(), open.kept);
    next_expiry_ = std::min(next_expiry_, ctx.now + time_out);
}

void DnsDissector::response(Direction dir, Bytes message, const DnsHeader& header, Context& ctx) {
    for (OpenQuery& open : open_) {
        if (open.id != header.id || open.dir == dir) continue;
        // Errors may leave the question out, and so may all but the first message of a transfer.
        const size_t asked = open.question_end - dns_header_size;
        if (asked && header.questions &&
            (message.size() < open.question_end || !same_question(open.question(), message.subspan(dns_header_size, asked))))
            continue;
        if (transfer(open, message, header, ctx)) return;
        DnsTransaction t;
        t.query = open.bytes();
        t.query_cut = open.cut;
        t.query_size = open.size;
        t.response = message;
        t.response_cut = ctx.cut;
        t.retransmits = open.retransmits;
        t.started = open.started;
        t.ended = ctx.now;
        emit_dns(t, flavor_, ctx);
        remove(&open);
        return;
    }
    alone(message, true, ctx);
}

void DnsDissector::alone(Bytes message, bool is_response, Context& ctx) {
    DnsTransaction t;
    (is_response ? t.response : t.query) = message;
    (is_response ? t.response_cut : t.query_cut) = ctx.cut;
    if (!is_response) t.query_size = static_cast<uint32_t>(message.size());
    t.started = ctx.now;
    emit_dns(t, flavor_, ctx);
}

// Zone transfers answer with many messages, the last of which ends with the SOA that the first began with. True when the message
// was taken as part of one.
bool DnsDissector::transfer(OpenQuery& open, Bytes message, const DnsHeader& header, Context& ctx) {
    const uint16_t type = open.question_type();
    if ((type != dns_type::axfr && type != dns_type::ixfr) || !stream_) return false;
    if (!open.transfer && (header.response_code() != 0 || header.answers == 0)) return false;
    // An incremental transfer of one SOA says that there is nothing new: an answer like any other.
    if (!open.transfer && type == dns_type::ixfr && header.answers == 1) return false;

    const bool first = !open.transfer;
    if (first) {
        open.transfer = std::make_unique<DnsTransfer>();
        open.transfer->response_flags = header.flags;
    }
    DnsTransfer& t = *open.transfer;
    ++t.messages;
    t.bytes += message.size();
    open.last_sent = ctx.now;

    DnsReader reader(message);
    for (uint16_t i = 0; i < header.questions; ++i)
        if (!reader.skip_name() || message.size() - reader.at() < 4)
            break;
        else
            reader.seek(reader.at() + 4);
    bool last_is_end = false;
    for (uint16_t i = 0; i < header.answers; ++i) {
        DnsRr rr;
        if (!reader.skip_name() || !reader.rr(rr)) break;
        ++t.records;
        last_is_end = false;
        if (rr.type != dns_type::soa || rr.size < 22) continue;
        const uint32_t serial = decode::load_be32(message.data() + rr.data + rr.size - 20);
        if (t.records == 1) t.serial = serial;
        if (t.records == 2 && type == dns_type::ixfr && serial != t.serial) t.serial_needed = 3;
        if (serial == t.serial) last_is_end = ++t.serial_seen >= t.serial_needed;
    }
    if (!last_is_end && !reader.fault() && header.response_code() == 0) return true;
    if (reader.fault()) ctx.violation(reader.fault());

    DnsTransaction transaction;
    transaction.query = open.bytes();
    transaction.query_cut = open.cut;
    transaction.query_size = open.size;
    transaction.transfer = open.transfer.get();
    transaction.retransmits = open.retransmits;
    transaction.started = open.started;
    transaction.ended = ctx.now;
    emit_dns(transaction, flavor_, ctx);
    remove(&open);
    return true;
}

void DnsDissector::unanswered(const OpenQuery& open, std::string_view why, Context& ctx) {
    DnsTransaction t;
    t.query = open.bytes();
    t.query_cut = open.cut;
    t.query_size = open.size;
    t.retransmits = open.retransmits;
    t.started = open.started;
    t.transfer = open.transfer.get();
    if (open.transfer) t.ended = open.last_sent;
    t.unanswered = why;
    emit_dns(t, flavor_, ctx);
}

void DnsDissector::expire(Context& ctx) {
    if (ctx.now >= next_expiry_) expire_old(ctx);
}

void DnsDissector::expire_old(Context& ctx) {
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < open_.size();) {
        const int64_t expiry = open_[i].last_sent + time_out;
        if (ctx.now < expiry) {
            next = std::min(next, expiry);
            ++i;
            continue;
        }
        unanswered(open_[i], "timeout", ctx);
        remove(&open_[i]);
    }
    next_expiry_ = next;
}

void DnsDissector::finish(Context& ctx) {
    expire(ctx);
    std::sort(open_.begin(), open_.end(), [](const OpenQuery& a, const OpenQuery& b) { return a.started < b.started; });
    for (const OpenQuery& open : open_) unanswered(open, "end", ctx);
    open_.clear();
    heap_bytes_ = 0;
}

template <DnsFlavor flavor, bool stream>
std::unique_ptr<Dissector> make() {
    return std::make_unique<DnsDissector>(flavor, stream);
}

constexpr record::RecordType types[] = {record::RecordType::dns};
constexpr uint8_t udp = static_cast<uint8_t>(Transport::udp), tcp = static_cast<uint8_t>(Transport::tcp);

}  // namespace

const Protocol dns{"dns", udp, match_dns, make<DnsFlavor::unicast, false>, types};
const Protocol dns_tcp{"dns", tcp, match_dns_tcp, make<DnsFlavor::unicast, true>, types};
const Protocol mdns{"mdns", udp, match_mdns, make<DnsFlavor::multicast, false>, types};
const Protocol llmnr{"llmnr", udp, match_llmnr, make<DnsFlavor::link_local, false>, types};
const Protocol llmnr_tcp{"llmnr", tcp, match_llmnr_tcp, make<DnsFlavor::link_local, true>, types};

}  // namespace cvf::protocol
