// DTLS 1.0, 1.2 and 1.3 over UDP.
//
// Specifications: RFC 4347 (1.0), RFC 6347 (1.2), RFC 9147 (1.3), RFC 9146 (connection ids). The handshake messages are TLS's
// (tls_session.h); here are the records of a datagram and the fragments in them. One record per session, as for TLS. Who is the
// client is told by the hellos alone: with WebRTC either end may be. When a session is over, nothing more is wanted; where more
// comes nevertheless, the first ClientHello of another session of the same addresses and ports is seen.
#include <algorithm>
#include <array>

#include "protocol/dissector.h"
#include "protocol/dtls_fragments.h"
#include "protocol/tls_match.h"
#include "protocol/tls_session.h"

namespace cvf::protocol {

namespace tls1 {

namespace {

using decode::Reader;

constexpr size_t dtls_header_size = 13;

bool is_dtls_version(uint16_t version) {
    return version == 0xfefd || version == 0xfeff || version == 0x0100;
}

bool is_dtls_type(uint8_t type) {
    return (type >= 20 && type <= 23) || type == 25 || type == 26;
}

// The ciphertext of DTLS 1.3 has a header of its own, which begins with the bits 001 (RFC 9147 4).
bool is_dtls13_ciphertext(uint8_t first) {
    return (first & 0xe0) == 0x20;
}

// The random of the ClientHello that begins a session (message 0, epoch 0) at the beginning of a datagram; empty when it is
// another message, or in so small a fragment that it does not show.
Bytes first_random(Bytes datagram) {
    Reader r(datagram);
    const auto type = static_cast<ContentType>(r.u8());
    const uint16_t version = r.u16(), epoch = r.u16();
    r.skip(8);  // sequence number, length
    if (type != ContentType::handshake || !is_dtls_version(version) || epoch != 0) return {};
    const uint8_t message_type = r.u8();
    r.skip(3);  // length of the message
    const uint16_t sequence = r.u16();
    const uint32_t offset = r.u24(), length = r.u24();
    constexpr size_t random_size = 32, before_random = 2;
    if (message_type != client_hello || sequence != 0 || offset != 0 || length < before_random + random_size) return {};
    r.skip(before_random);
    const Bytes random = r.take(random_size);
    return r.ok() ? random : Bytes();
}

class Datagrams final : public Dissector {
 public:
    size_t data(Direction dir, Bytes bytes, Context& ctx) override;
    void gap(Direction dir, uint64_t, Context&) override { session_.lost(side(dir)); }
    void finish(Context& ctx) override { report(ctx); }
    size_t memory() const override { return session_.held() + assemblies_[0].held() + assemblies_[1].held(); }

 private:
    Side side(Direction dir) const { return dir == client_ ? Side::client : Side::server; }
    bool plain(Direction dir, ContentType type, Bytes body, Context& ctx);
    bool handshake(Direction dir, Bytes body, Context& ctx);
    void confirm(Context& ctx) {
        if (!confirmed_) ctx.confirm();
        confirmed_ = true;
    }
    void report(Context& ctx);

    Session session_{Carrier::dtls};
    std::array<DtlsAssembly, 2> assemblies_;
    Direction client_ = Direction::from_initiator;
    std::array<uint8_t, 32> random_;  // of the ClientHello that began the session, when it was seen
    bool sides_known_ = false, confirmed_ = false, over_ = false, reported_ = false, has_random_ = false;
};

size_t Datagrams::data(Direction dir, Bytes bytes, Context& ctx) {
    const Bytes random = over_ || !has_random_ ? first_random(bytes) : Bytes();
    if (over_) {
        // The same random again is the same hello, late or repeated.
        if (random.empty() || (has_random_ && std::ranges::equal(random, random_))) return bytes.size();
        *this = Datagrams();
    }
    if (!random.empty() && !has_random_) {
        has_random_ = true;
        std::ranges::copy(random, random_.begin());
    }
    Reader r(bytes);
    while (r.left() > 0) {
        const uint8_t first = *r.position();
        if (confirmed_ && is_dtls13_ciphertext(first)) {
            // Its length is hidden where the header leaves it out; then it fills the datagram.
            session_.encrypted(side(dir), ContentType::application_data, r.left(), ctx.now);
            break;
        }
        // Other things run on the same ports (STUN, RTP): a datagram that begins otherwise is theirs.
        if (r.left() < dtls_header_size || !is_dtls_type(first)) break;
        const auto type = static_cast<ContentType>(r.u8());
        const uint16_t version = r.u16(), epoch = r.u16();
        r.skip(6);
        const size_t length = r.u16();
        if (!is_dtls_version(version)) {
            if (!confirmed_) ctx.violation("not a DTLS record");
            return bytes.size();
        }
        if (length > r.left() && !ctx.cut) {
            ctx.violation("DTLS record longer than its datagram");
            if (!confirmed_) return bytes.size();
        }
        if (length > r.left()) session_.lost(side(dir));
        const Bytes body = r.take(std::min(length, r.left()));
        if (type ==
            ContentType::tls12_cid) {  // the connection id's length was agreed out of our sight: nothing in it can be placed
            confirm(ctx);
            session_.change_cipher_spec(side(dir));
            session_.encrypted(side(dir), ContentType::application_data, length, ctx.now);
            break;
        }
        if (epoch > 0) {
            confirm(ctx);
            session_.change_cipher_spec(side(dir));
            session_.encrypted(side(dir), type, length, ctx.now);
            // Data without a handshake before them: an old session.
            if (!session_.known() && !session_.has_client_hello() && !session_.has_server_hello()) over_ = true;
        } else if (!plain(dir, type, body, ctx)) {
            return bytes.size();
        }
        if (session_.over() || over_) break;
    }
    if (session_.over() || over_) {
        over_ = true;
        report(ctx);
        for (const Direction d : {Direction::from_initiator, Direction::from_responder}) ctx.want(d, Want::none);
    }
    return bytes.size();
}

bool Datagrams::plain(Direction dir, ContentType type, Bytes body, Context& ctx) {
    switch (type) {
        case ContentType::handshake:
            return handshake(dir, body, ctx);
        case ContentType::alert:
            if (body.size() >= 2 && (body[0] == 1 || body[0] == 2)) {
                session_.alert(side(dir), body[0], body[1]);
                confirm(ctx);
            }
            return true;
        default:
            return true;  // ChangeCipherSpec: the epoch tells
    }
}

bool Datagrams::handshake(Direction dir, Bytes body, Context& ctx) {
    Reader r(body);
    while (r.left() >= dtls_message_header_size) {
        DtlsFragment f;
        f.type = r.u8();
        f.size = r.u24();
        f.sequence = r.u16();
        f.offset = r.u24();
        const uint32_t length = r.u24();
        if (!is_message_type(f.type) || f.offset + length > f.size) {
            ctx.violation("damaged handshake fragment");
            return confirmed_;
        }
        if (length > r.left()) return true;  // cut
        f.bytes = r.take(length);
        if (const auto sender = sender_of(f.type); sender && !sides_known_) {
            sides_known_ = true;
            client_ = *sender == Side::client ? dir : opposite(dir);
        }
        bool complete = false;
        const Bytes message = assemblies_[static_cast<size_t>(dir)].add(f, complete);
        if (!complete) {
            confirm(ctx);
            continue;
        }
        if (!session_.message(side(dir), f.type, message, ctx)) {
            ctx.violation(f.type == client_hello ? "damaged ClientHello" : "damaged ServerHello");
            return confirmed_;
        }
        confirm(ctx);
    }
    return true;
}

void Datagrams::report(Context& ctx) {
    if (reported_ || !session_.known()) return;
    reported_ = true;
    record::Record& record = ctx.start(record::RecordType::tls, session_.start_time());
    session_.write(record, ctx.now);
    if (session_.lost_any()) record.flag(record::Field::cvf_truncated, true);
    ctx.emit(record);
}

Match match(Direction, Bytes bytes, uint16_t, uint16_t) {
    if (bytes.size() < dtls_header_size || !is_dtls_type(bytes[0]) || bytes[0] == static_cast<uint8_t>(ContentType::ack))
        return Match::no;
    if (!is_dtls_version(decode::load_be16(bytes.data() + 1)) || decode::load_be16(bytes.data() + 5) != 0) return Match::no;
    const uint16_t epoch = decode::load_be16(bytes.data() + 3);
    const size_t length = decode::load_be16(bytes.data() + 11);
    if (length == 0 || length > max_record) return Match::no;
    if (static_cast<ContentType>(bytes[0]) == ContentType::handshake && epoch == 0) {
        const Bytes body = bytes.subspan(dtls_header_size);
        if (body.size() < dtls_message_header_size || length < dtls_message_header_size) return Match::no;
        const uint32_t size = decode::load_be24(body.data() + 1), offset = decode::load_be24(body.data() + 6),
                       part = decode::load_be24(body.data() + 9);
        return is_message_type(body[0]) && size <= max_pending && part + dtls_message_header_size <= length &&
                       offset + part <= size
                   ? Match::yes
                   : Match::no;
    }
    // Without a message to look at, the records must fill the datagram.
    for (size_t at = 0; at < bytes.size();) {
        if (bytes.size() - at < dtls_header_size || !is_dtls_type(bytes[at])) return Match::no;
        at += dtls_header_size + decode::load_be16(bytes.data() + at + 11);
        if (at > bytes.size()) return Match::no;
    }
    return Match::yes;
}

std::unique_ptr<Dissector> make() {
    return std::make_unique<Datagrams>();
}

constexpr record::RecordType types[] = {record::RecordType::tls};

}  // namespace

}  // namespace tls1

const Protocol dtls = {"dtls", static_cast<uint8_t>(Transport::udp), tls1::match, tls1::make, tls1::types};

}  // namespace cvf::protocol
