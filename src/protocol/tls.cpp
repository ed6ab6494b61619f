// TLS over a stream: SSL 3.0 to TLS 1.3.
//
// Specifications: RFC 8446 (TLS 1.3), RFC 5246 (1.2), RFC 4346 (1.1), RFC 2246 (1.0), RFC 6101 (SSL 3.0). What is taken from the
// handshake messages is tls_session.h's; here are the records (RFC 8446 5.1) that carry them, which may split and join messages
// as they like.
//
// One record per session, when its handshake is over: both Finished were seen, an end gave up, or the connection closed. From
// then on nothing more is wanted of the stream. On the way there encrypted bodies are skipped, not read.
#include <algorithm>
#include <array>
#include <vector>

#include "protocol/dissector.h"
#include "protocol/tls_match.h"
#include "protocol/tls_names.h"
#include "protocol/tls_session.h"

namespace cvf::protocol {

namespace tls1 {

namespace {

constexpr size_t message_header_size = 4;
// Longest handshake message that is put together; a longer one is passed over.
constexpr size_t max_message = 64 * 1024;

class Stream final : public Dissector {
 public:
    size_t data(Direction dir, Bytes bytes, Context& ctx) override;
    void gap(Direction dir, uint64_t bytes, Context& ctx) override;
    void close(Direction dir, Context& ctx) override;
    void finish(Context& ctx) override { report(ctx); }
    size_t memory() const override { return session_.held() + halves_[0].message.capacity() + halves_[1].message.capacity(); }

 private:
    // One direction.
    struct Half {
        ContentType type = ContentType::handshake;
        size_t left = 0;       // of the record's body, not consumed
        bool resync = false;   // after a gap: a record begins at the next byte, if anywhere
        bool discard = false;  // the rest of this record's body is of no use
        bool closed = false, lost = false, any = false;
        size_t message_left = 0;       // of a message that is passed over
        std::vector<uint8_t> message;  // begun in an earlier record
    };

    Half& half(Direction dir) { return halves_[static_cast<size_t>(dir)]; }
    Side side(Direction dir) const { return dir == client_ ? Side::client : Side::server; }
    bool begin_record(Half& h, Direction dir, const uint8_t* header, Context& ctx);
    size_t body(Half& h, Direction& dir, Bytes bytes, Context& ctx);
    size_t handshake(Half& h, Direction& dir, Bytes bytes, Context& ctx);
    void message(Direction& dir, Bytes whole, Context& ctx);
    void learn_sides(Direction& dir, uint8_t message_type, Context& ctx);
    void give_up(Direction dir, Context& ctx);
    void violate(std::string_view reason, Context& ctx);
    void confirm(Context& ctx);
    void end(Context& ctx);
    void report(Context& ctx);

    Session session_{Carrier::tls};
    std::array<Half, 2> halves_;
    Direction client_ = Direction::from_initiator;
    bool sides_known_ = false, confirmed_ = false, over_ = false, reported_ = false, rejected_ = false;
};

size_t Stream::data(Direction dir, Bytes bytes, Context& ctx) {
    if (over_ || half(dir).lost) return bytes.size();
    size_t used = 0;
    if (!half(dir).any && !bytes.empty()) {
        if (bytes[0] & 0x80) {  // SSL 2.0's hello; what follows it are records, unless the server speaks SSL 2.0 too
            const size_t size = bytes.size() >= 2 ? 2 + (decode::load_be16(bytes.data()) & 0x7fffu) : 2;
            if (match_ssl2(bytes) == Match::no || sides_known_) {
                violate(confirmed_ ? "SSL 2.0 server" : "not a TLS record", ctx);
                give_up(dir, ctx);
                return rejected_ ? 0 : bytes.size();
            }
            if (bytes.size() < size) return 0;
            if (!session_.ssl2_client_hello(bytes.subspan(2, size - 2), ctx)) {
                violate("damaged ClientHello", ctx);
                return 0;
            }
            confirmed_ = sides_known_ = true;
            client_ = dir;
            used = size;
        }
        half(dir).any = true;
    }
    while (true) {
        Half& h = half(dir);
        if (h.left == 0) {
            if (bytes.size() - used < record_header_size) return used;
            if (!begin_record(h, dir, bytes.data() + used, ctx)) return rejected_ ? 0 : bytes.size();
            used += record_header_size;
        }
        const Bytes there = bytes.subspan(used, std::min(h.left, bytes.size() - used));
        const size_t taken = body(h, dir, there, ctx);
        used += taken;
        if (rejected_) return 0;
        if (session_.over() || over_) {
            end(ctx);
            return bytes.size();
        }
        // body() may have learned that the ends have changed places: `dir` and the halves go by the new ones.
        half(dir).left -= taken;
        if (half(dir).discard && half(dir).left > 0) {
            ctx.skip(dir, half(dir).left);
            half(dir).left = 0;
        }
        if (taken < there.size() || half(dir).left > 0) return used;
    }
}

// False: this is no record; the direction (or the whole attempt) is given up.
bool Stream::begin_record(Half& h, Direction dir, const uint8_t* header, Context& ctx) {
    if (!is_record_header(header)) {
        if (!h.resync) violate("not a TLS record", ctx);
        give_up(dir, ctx);
        return false;
    }
    h.resync = h.discard = false;
    h.type = static_cast<ContentType>(header[0]);
    h.left = decode::load_be16(header + 3);
    const Side from = side(dir);
    const bool readable =
        h.type == ContentType::handshake || h.type == ContentType::alert || h.type == ContentType::change_cipher_spec;
    if (!readable || session_.is_ciphered(from)) {
        session_.encrypted(from, h.type, h.left, ctx.now);
        h.discard = true;
        confirm(ctx);
        // Data without a handshake before it: the connection is older than what we see.
        if (!session_.has_client_hello() && !session_.has_server_hello() && !session_.known()) over_ = true;
    }
    return true;
}

// The body of the present record as far as it is there. Returns what is done with.
size_t Stream::body(Half& h, Direction& dir, Bytes bytes, Context& ctx) {
    if (h.discard) return bytes.size();
    const bool whole = bytes.size() == h.left;
    switch (h.type) {
        case ContentType::handshake:
            return handshake(h, dir, bytes, ctx);
        case ContentType::alert:
            if (!whole && bytes.size() < 2) return 0;
            // Two bytes in the clear; more are encrypted (TLS up to 1.2 after a ChangeCipherSpec that was not seen).
            if (h.left == 2 && (bytes[0] == 1 || bytes[0] == 2)) {
                session_.alert(side(dir), bytes[0], bytes[1]);
                confirm(ctx);
            } else {
                session_.encrypted(side(dir), h.type, h.left, ctx.now);
            }
            return bytes.size();
        case ContentType::change_cipher_spec:
            session_.change_cipher_spec(side(dir));
            return bytes.size();
        default:
            return bytes.size();
    }
}

size_t Stream::handshake(Half& first, Direction& dir, Bytes bytes, Context& ctx) {
    size_t at = 0;
    Half* h = &first;
    while (at < bytes.size()) {
        const size_t there = bytes.size() - at, in_record = h->left - at;
        if (h->message_left > 0) {
            const size_t n = std::min(h->message_left, there);
            h->message_left -= n;
            at += n;
            continue;
        }
        if (h->message.empty()) {
            if (there < message_header_size && there < in_record) return at;
            if (there >= message_header_size) {
                const size_t size = message_header_size + decode::load_be24(bytes.data() + at + 1);
                if (!is_message_type(bytes[at]) || size > max_message) {
                    // Encrypted (its ChangeCipherSpec was lost), or nothing we can hold.
                    if (session_.lost_any()) {
                        session_.encrypted(side(dir), ContentType::handshake, h->left, ctx.now);
                        return bytes.size();
                    }
                    if (!is_message_type(bytes[at])) {
                        violate("unknown handshake message", ctx);
                        h->discard = true;
                        return bytes.size();
                    }
                    session_.lost(side(dir));
                    h->message_left = size;
                    continue;
                }
                if (size <= there) {
                    message(dir, bytes.subspan(at, size), ctx);
                    h = &half(dir);
                    at += size;
                    if (session_.over() || rejected_) return bytes.size();
                    continue;
                }
                if (size <= in_record) return at;  // its rest comes in this record: wait for it
            }
        }
        // A message that goes on in the next record.
        std::vector<uint8_t>& m = h->message;
        size_t want = message_header_size;
        if (m.size() >= message_header_size) want += decode::load_be24(m.data() + 1);
        const size_t n = std::min(want - m.size(), there);
        m.insert(m.end(), bytes.begin() + static_cast<ptrdiff_t>(at), bytes.begin() + static_cast<ptrdiff_t>(at + n));
        at += n;
        if (m.size() < message_header_size) continue;
        const size_t size = message_header_size + decode::load_be24(m.data() + 1);
        if (!is_message_type(m[0]) || size > max_message) {
            session_.lost(side(dir));
            h->message_left = size - m.size();
            m.clear();
        } else if (m.size() == size) {
            const std::vector<uint8_t> whole = std::move(m);
            m.clear();
            message(dir, whole, ctx);
            h = &half(dir);
            if (session_.over() || rejected_) return bytes.size();
        }
    }
    return at;
}

void Stream::message(Direction& dir, Bytes whole, Context& ctx) {
    const uint8_t type = whole[0];
    learn_sides(dir, type, ctx);
    if (session_.message(side(dir), type, whole.subspan(message_header_size), ctx)) {
        confirm(ctx);
        return;
    }
    violate(type == client_hello ? "damaged ClientHello" : "damaged ServerHello", ctx);
}

void Stream::confirm(Context& ctx) {
    if (confirmed_) return;
    confirmed_ = true;
    ctx.confirm();
}

// Before anything was confirmed, others may try these bytes.
void Stream::violate(std::string_view reason, Context& ctx) {
    rejected_ = !confirmed_;
    ctx.violation(reason);
}

// Who is the client. Where a capture begins in the middle, the flow may have taken the ends for each other; then they change
// places, unless it knows better (the one who connects need not be the client of TLS).
void Stream::learn_sides(Direction& dir, uint8_t message_type, Context& ctx) {
    if (sides_known_) return;
    const auto sender = sender_of(message_type);
    if (!sender) return;
    sides_known_ = true;
    client_ = *sender == Side::client ? dir : opposite(dir);
    if (client_ == Direction::from_initiator) return;
    const uint16_t before = ctx.port(Direction::from_initiator);
    if (before == ctx.port(Direction::from_responder)) return;
    ctx.set_initiator(client_);
    if (ctx.port(Direction::from_initiator) != before) {
        std::swap(halves_[0], halves_[1]);
        dir = opposite(dir);
        client_ = Direction::from_initiator;
    }
}

void Stream::gap(Direction dir, uint64_t bytes, Context& ctx) {
    Half& h = half(dir);
    if (over_ || h.lost) return;
    h.any = true;
    h.message.clear();
    h.message_left = 0;
    session_.lost(side(dir));
    if (h.left > 0 && h.left >= bytes) {
        // Inside one record: the next one stands where it should.
        const size_t rest = h.left - static_cast<size_t>(bytes);
        h.left = 0;
        if (rest > 0) ctx.skip(dir, rest);
        return;
    }
    h.left = 0;
    h.resync = true;
}

// Nothing readable comes from this direction any more.
void Stream::give_up(Direction dir, Context& ctx) {
    Half& h = half(dir);
    h.lost = true;
    session_.lost(side(dir));
    if (!confirmed_) return;
    ctx.skip(dir, skip_all);
    ctx.want(dir, Want::none);
    if (half(opposite(dir)).lost) end(ctx);
}

void Stream::close(Direction dir, Context& ctx) {
    half(dir).closed = true;
    if (halves_[0].closed && halves_[1].closed) end(ctx);
}

// The session is told; the rest of the stream is nobody's concern.
void Stream::end(Context& ctx) {
    over_ = true;
    report(ctx);
    for (const Direction dir : {Direction::from_initiator, Direction::from_responder}) {
        ctx.skip(dir, skip_all);
        ctx.want(dir, Want::none);
    }
}

void Stream::report(Context& ctx) {
    if (reported_ || rejected_ || !session_.known()) return;
    reported_ = true;
    record::Record& record = ctx.start(record::RecordType::tls, session_.start_time());
    session_.write(record, ctx.now);
    if (session_.lost_any()) record.flag(record::Field::cvf_truncated, true);
    ctx.emit(record);
}

Match match(Direction, Bytes bytes, uint16_t initiator_port, uint16_t responder_port) {
    return match_stream(bytes, initiator_port, responder_port);
}

std::unique_ptr<Dissector> make() {
    return std::make_unique<Stream>();
}

constexpr record::RecordType types[] = {record::RecordType::tls};

}  // namespace

}  // namespace tls1

const Protocol tls = {"tls", static_cast<uint8_t>(Transport::tcp), tls1::match, tls1::make, tls1::types};

}  // namespace cvf::protocol
