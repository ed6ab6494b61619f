// QUIC version 1, version 2 and the drafts 22 to 34: what the handshake shows.
//
// Specifications: RFC 9000 (transport), RFC 9001 (TLS, Initial keys), RFC 9369 (version 2), RFC 8999 (what all versions share).
// Initial packets can be opened by anyone who sees the first one; the TLS hellos inside are tls_session.h's. One record per
// connection, when both hellos are known and the client has gone on to send data, or gave up; at the latest when the conversation
// ends. Then nothing more is wanted; where more comes nevertheless, another connection of the same addresses and ports is seen to
// begin.
#include <algorithm>
#include <array>

#include "protocol/digest.h"
#include "protocol/dissector.h"
#include "protocol/quic_crypto.h"
#include "protocol/quic_packet.h"
#include "protocol/quic_parameters.h"
#include "protocol/tls_session.h"

namespace cvf::protocol {

namespace quic_wire {

using record::Field;
using tls1::Side;

namespace {

constexpr int64_t second = 1'000'000'000;
// How long a record waits for the client's first data, and for a server that does not answer.
constexpr int64_t wait_for_data = 1 * second, wait_for_server = 10 * second;
// Packets that no key opens, before we stop trying.
constexpr int max_failures = 16;

class ConnectionId {
 public:
    bool set() const { return set_; }
    void assign(Bytes bytes) {
        size_ = static_cast<uint8_t>(std::min(bytes.size(), bytes_.size()));
        std::copy_n(bytes.begin(), size_, bytes_.begin());
        set_ = true;
    }
    Bytes view() const { return {bytes_.data(), size_}; }
    bool is(Bytes bytes) const { return set_ && std::ranges::equal(view(), bytes); }

 private:
    std::array<uint8_t, max_connection_id> bytes_;
    uint8_t size_ = 0;
    bool set_ = false;
};

class Connection final : public Dissector {
 public:
    size_t data(Direction dir, Bytes bytes, Context& ctx) override;
    void finish(Context& ctx) override { report(ctx); }
    size_t memory() const override { return session_.held() + crypto_[0].held() + crypto_[1].held(); }
    bool tick(Context& ctx) override;

 private:
    Side side(Direction dir) const { return dir == client_ ? Side::client : Side::server; }
    void packet(Direction& dir, const LongHeader& h, Context& ctx);
    void initial(Direction& dir, const LongHeader& h, Context& ctx);
    void retry(Direction dir, const LongHeader& h);
    bool begins_anew(Direction dir, Bytes bytes);
    void version_negotiation(const LongHeader& h);
    bool open(Direction& dir, const LongHeader& h, std::vector<uint8_t>& plain, Context& ctx);
    bool open_as_client(const LongHeader& h, Bytes connection_id, std::vector<uint8_t>& plain);
    void frames(Side from, Bytes plain, Context& ctx);
    void crypto(Side from, Context& ctx);
    void end(Context& ctx);
    void report(Context& ctx);

    tls1::Session session_{tls1::Carrier::quic};
    std::optional<InitialKeys> keys_;
    ConnectionId key_id_, original_id_, client_id_, server_id_, retry_id_;
    std::array<CryptoStream, 2> crypto_;
    std::array<size_t, 2> crypto_done_ = {};
    std::array<uint32_t, 16> offered_versions_;
    size_t offered_count_ = 0;
    uint32_t version_ = 0, first_version_ = 0;
    Direction client_ = Direction::from_initiator;
    bool sides_known_ = false, over_ = false, reported_ = false, seen_ = false, token_ = false, zero_rtt_ = false,
         truncated_ = false;
    bool has_close_ = false, version_known_ = false;
    int failures_ = 0;
    int attempts_ = 0;  // Initial packets looked at since the connection was over
    int64_t start_ = 0;
    struct {
        uint64_t code = 0;
        std::array<char, 256> reason;
        size_t reason_size = 0;
        Side from = Side::client;
    } close_;
};

size_t Connection::data(Direction dir, Bytes bytes, Context& ctx) {
    if (over_) {
        if (!begins_anew(dir, bytes)) return bytes.size();
        *this = Connection();
    }
    if (start_ == 0) start_ = ctx.now;
    // A datagram may carry several packets (RFC 9000 12.2); one with a short header is the last.
    for (Bytes rest = bytes; !rest.empty();) {
        if ((rest[0] & 0x80) == 0) {
            const bool short_header = (rest[0] & 0x40) != 0 && rest.size() > 20;
            if (short_header && session_.has_server_hello() && side(dir) == Side::client) session_.completed(ctx.now);
            break;
        }
        const auto h = read_long_header(rest);
        if (!h) {
            if (!seen_) {
                ctx.violation("damaged long header");
                return bytes.size();
            }
            break;
        }
        if (h->cut || ctx.cut) truncated_ = true;
        packet(dir, *h, ctx);
        if (h->packet.empty()) break;  // fills the datagram
        rest = rest.subspan(h->packet.size());
    }
    if (session_.over() || over_) end(ctx);
    return bytes.size();
}

void Connection::packet(Direction& dir, const LongHeader& h, Context& ctx) {
    // Of a client that begins with a version unknown here, the version is known only behind the negotiation.
    if (!seen_ || (h.known && !version_known_)) ctx.confirm(h.known ? h.known->name : std::string_view());
    seen_ = true;
    version_known_ = version_known_ || h.known;
    if (h.version == 0) {
        version_negotiation(h);
        return;
    }
    if (first_version_ == 0) first_version_ = h.version;
    if (h.known || version_ == 0) version_ = h.version;
    if (!h.known) {
        if (side(dir) == Side::client && !original_id_.set()) original_id_.assign(h.destination);
        return;
    }
    switch (h.type) {
        case PacketType::initial:
            initial(dir, h, ctx);
            break;
        case PacketType::zero_rtt:
            zero_rtt_ = true;
            break;
        case PacketType::retry:
            retry(dir, h);
            break;
        case PacketType::handshake:
            break;
    }
    ConnectionId& own = side(dir) == Side::client ? client_id_ : server_id_;
    if (!own.set() && h.type != PacketType::retry) own.assign(h.source);
}

// The keys stay: the client's next Initial packet goes to the new id, opens with keys of it, and is proof that the client
// believed the Retry too.
void Connection::retry(Direction dir, const LongHeader& h) {
    if (retry_id_.set() || session_.has_server_hello()) return;  // a second one counts for nothing (RFC 9000 17.2.5.2)
    if (!sides_known_ || side(dir) == Side::client || !is_genuine_retry(*h.known, key_id_.view(), h.packet)) return;
    retry_id_.assign(h.source);
}

// Another connection between the same two addresses and ports, once this one is over: a client's Initial packet that opens with
// keys of its own destination id, which is not one we have seen. Looked for in so many datagrams only: the id is cheap to make up
// and each costs a derivation.
bool Connection::begins_anew(Direction dir, Bytes bytes) {
    if (bytes.size() < min_initial_datagram || (bytes[0] & 0x80) == 0 || (sides_known_ && side(dir) == Side::server))
        return false;
    const auto h = read_long_header(bytes);
    if (!h || !h->known || h->type != PacketType::initial || h->cut || h->destination.size() < min_original_id) return false;
    for (const ConnectionId* id : {&key_id_, &original_id_, &server_id_, &retry_id_})
        if (id->is(h->destination)) return false;
    if (++attempts_ > max_failures) return false;
    thread_local std::vector<uint8_t> plain;
    return open_packet(InitialKeys(*h->known, h->destination).client(), h->packet, h->number_offset, plain);
}

void Connection::version_negotiation(const LongHeader& h) {
    if (offered_count_ > 0) return;
    for (size_t i = 0; i + 4 <= h.rest.size() && offered_count_ < offered_versions_.size(); i += 4) {
        const uint32_t version = decode::load_be32(h.rest.data() + i);
        if (!is_reserved_version(version)) offered_versions_[offered_count_++] = version;
    }
}

void Connection::initial(Direction& dir, const LongHeader& h, Context& ctx) {
    if ((session_.has_client_hello() && session_.has_server_hello()) || h.cut || failures_ >= max_failures) return;
    thread_local std::vector<uint8_t> plain;
    if (!open(dir, h, plain, ctx)) {
        ++failures_;
        return;
    }
    if (side(dir) == Side::client && !h.token.empty() && !retry_id_.set()) token_ = true;
    frames(side(dir), plain, ctx);
}

// Tries the keys at hand, then, for what may be a client's packet, those of its own destination id: it may be the first one, or
// one after a negotiation of versions.
bool Connection::open(Direction& dir, const LongHeader& h, std::vector<uint8_t>& plain, Context& ctx) {
    if (sides_known_ && keys_) {
        // A server may answer in another version with keys from the same id (RFC 9368 compatible negotiation).
        if (keys_->version().number != h.known->number) {
            InitialKeys other(*h.known, key_id_.view());
            if (open_packet(side(dir) == Side::client ? other.client() : other.server(), h.packet, h.number_offset, plain)) {
                keys_ = other;
                ctx.confirm(h.known->name);
                return true;
            }
        } else if (open_packet(side(dir) == Side::client ? keys_->client() : keys_->server(), h.packet, h.number_offset, plain)) {
            return true;
        }
        if (side(dir) == Side::server) return false;
        if (!open_as_client(h, h.destination, plain)) return false;
        // Another attempt: its hello begins anew.
        crypto_[static_cast<size_t>(Side::client)].reset();
        crypto_done_[static_cast<size_t>(Side::client)] = 0;
        ctx.confirm(h.known->name);
        return true;
    }
    if (!(keys_ && open_packet(keys_->client(), h.packet, h.number_offset, plain)) && !open_as_client(h, h.destination, plain))
        return false;
    sides_known_ = true;
    // Ids that were taken for one end's turn out to be the other's.
    if (dir != client_) std::swap(client_id_, server_id_);
    client_ = dir;
    if (!original_id_.set() && !retry_id_.set()) original_id_.assign(h.destination);
    if (dir != Direction::from_initiator && ctx.port(Direction::from_initiator) != ctx.port(Direction::from_responder)) {
        const uint16_t before = ctx.port(Direction::from_initiator);
        ctx.set_initiator(dir);
        if (ctx.port(Direction::from_initiator) != before) client_ = dir = Direction::from_initiator;
    }
    return true;
}

bool Connection::open_as_client(const LongHeader& h, Bytes connection_id, std::vector<uint8_t>& plain) {
    InitialKeys fresh(*h.known, connection_id);
    if (!open_packet(fresh.client(), h.packet, h.number_offset, plain)) return false;
    key_id_.assign(connection_id);
    keys_ = fresh;
    return true;
}

void Connection::frames(Side from, Bytes plain, Context& ctx) {
    decode::Reader r(plain);
    while (r.left() > 0) {
        const uint64_t type = read_varint(r);
        switch (type) {
            case 0x00: {  // PADDING, mostly the rest of the packet
                const uint8_t* p = r.position();
                const uint8_t* end = p + r.left();
                r.skip(static_cast<size_t>(std::find_if(p, end, [](uint8_t b) { return b != 0; }) - p));
                break;
            }
            case 0x01:
                break;  // PING
            case 0x02:  // ACK
            case 0x03: {
                read_varint(r);
                read_varint(r);
                const uint64_t ranges = read_varint(r);
                read_varint(r);
                for (uint64_t i = 0; i < ranges * 2 && r.ok(); ++i) read_varint(r);
                if (type == 0x03)
                    for (int i = 0; i < 3; ++i) read_varint(r);
                break;
            }
            case 0x06: {  // CRYPTO
                const uint64_t offset = read_varint(r), length = read_varint(r);
                if (r.failed() || length > r.left()) return;
                crypto_[static_cast<size_t>(from)].add(offset, r.take(static_cast<size_t>(length)));
                crypto(from, ctx);
                break;
            }
            case 0x1c: {  // CONNECTION_CLOSE
                const uint64_t code = read_varint(r);
                read_varint(r);  // the frame that was at fault
                const uint64_t length = read_varint(r);
                if (r.failed() || length > r.left()) return;
                const Bytes reason = r.take(static_cast<size_t>(length));
                has_close_ = true;
                close_.code = code;
                close_.from = from;
                close_.reason_size = std::min(reason.size(), close_.reason.size());
                std::copy_n(reason.begin(), close_.reason_size, close_.reason.begin());
                over_ = true;
                return;
            }
            default:
                return;  // none that an Initial packet may carry
        }
        if (r.failed()) return;
    }
}

// The handshake messages that have become whole.
void Connection::crypto(Side from, Context& ctx) {
    const size_t me = static_cast<size_t>(from);
    constexpr size_t header = 4;
    while (true) {
        const Bytes bytes = crypto_[me].joined().subspan(crypto_done_[me]);
        if (bytes.size() < header) return;
        const size_t size = header + decode::load_be24(bytes.data() + 1);
        if (bytes.size() < size) return;
        if (!session_.message(from, bytes[0], bytes.subspan(header, size - header), ctx)) ctx.violation("damaged hello");
        crypto_done_[me] += size;
        // The name is all that the flow wants.
        if (session_.has_client_hello() && !ctx.wanted(record::RecordType::quic)) over_ = true;
    }
}

bool Connection::tick(Context& ctx) {
    if (over_) return false;
    const int64_t waited = ctx.now - start_;
    const bool both = session_.has_client_hello() && session_.has_server_hello();
    if (both ? waited >= wait_for_data : session_.has_client_hello() && waited >= wait_for_server) end(ctx);
    return !over_;
}

void Connection::end(Context& ctx) {
    over_ = true;
    report(ctx);
    for (const Direction dir : {Direction::from_initiator, Direction::from_responder}) ctx.want(dir, Want::none);
}

std::string_view version_text(uint32_t number, record::Record& record) {
    if (const Version* known = find_version(number)) return known->name;
    char text[2 + 8] = {'0', 'x'};
    const uint8_t bytes[4] = {static_cast<uint8_t>(number >> 24), static_cast<uint8_t>(number >> 16),
                              static_cast<uint8_t>(number >> 8), static_cast<uint8_t>(number)};
    return record.arena().copy({text, static_cast<size_t>(write_hex(text + 2, bytes) - text)});
}

void Connection::report(Context& ctx) {
    if (reported_ || !seen_ || !ctx.wanted(record::RecordType::quic)) return;
    reported_ = true;
    record::Record& record = ctx.start(record::RecordType::quic, start_);
    if (version_ != 0) record.text(Field::quic_version, version_text(version_, record));
    if (first_version_ != version_) record.text(Field::quic_client_version, version_text(first_version_, record));
    const auto write_id = [&](Field field, const ConnectionId& id) {
        if (id.set()) record.hex(field, id.view());
    };
    write_id(Field::quic_original_connection_id, original_id_);
    write_id(Field::quic_client_connection_id, client_id_);
    write_id(Field::quic_server_connection_id, server_id_);
    write_id(Field::quic_retry_connection_id, retry_id_);
    if (retry_id_.set()) record.flag(Field::quic_retry, true);
    if (token_) record.flag(Field::quic_token, true);
    if (zero_rtt_) record.flag(Field::quic_zero_rtt, true);
    if (offered_count_ > 0) {
        std::array<std::string_view, 16> names;
        for (size_t i = 0; i < offered_count_; ++i) names[i] = version_text(offered_versions_[i], record);
        record.texts(Field::quic_version_negotiation, std::span(names.data(), offered_count_));
    }
    if (session_.known()) {
        session_.write(record, ctx.now);
        if (session_.has_client_hello()) write_transport_parameters(session_.hello().transport_parameters, record);
    }
    if (has_close_) {
        record.uint(Field::quic_close_code, close_.code);
        if (close_.reason_size > 0) record.text(Field::quic_close_reason, {close_.reason.data(), close_.reason_size});
        record.text(Field::quic_close_from, close_.from == Side::client ? "client" : "server");
    }
    if (truncated_) record.flag(Field::cvf_truncated, true);
    ctx.emit(record);
}

Match match(Direction, Bytes bytes, uint16_t, uint16_t) {
    return match_datagram(bytes);
}

std::unique_ptr<Dissector> make() {
    return std::make_unique<Connection>();
}

constexpr record::RecordType types[] = {record::RecordType::quic};

}  // namespace

}  // namespace quic_wire

const Protocol quic = {"quic", static_cast<uint8_t>(Transport::udp), quic_wire::match, quic_wire::make, quic_wire::types};

}  // namespace cvf::protocol
