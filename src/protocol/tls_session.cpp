#include "protocol/tls_session.h"

#include <bit>

#include "protocol/tls_names.h"

namespace cvf::protocol::tls1 {

using decode::Reader;

namespace {
constexpr size_t max_chain = 10;
// Length of an encrypted alert in TLS 1.3: level, description, inner content type, tag of 16 bytes (RFC 8446 5.2). No Finished is
// so short.
constexpr size_t tls13_alert_length = 2 + 1 + 16;
// Finished: header, a digest of 32 or 48 bytes, inner content type, tag.
constexpr size_t tls13_finished_sha256 = 4 + 32 + 1 + 16, tls13_finished_sha384 = 4 + 48 + 1 + 16;
constexpr size_t dtls13_finished = 12 + 32 + 1 + 16;
}  // namespace

std::optional<Side> sender_of(uint8_t message_type) {
    switch (message_type) {
        case client_hello:
        case client_key_exchange:
        case certificate_verify:
            return Side::client;
        case hello_request:
        case server_hello:
        case hello_verify_request:
        case new_session_ticket:
        case hello_retry_request_draft:
        case server_key_exchange:
        case certificate_request:
        case server_hello_done:
        case certificate_status:
            return Side::server;
        default:
            return std::nullopt;
    }
}

bool is_message_type(uint8_t value) {
    switch (value) {
        case hello_request:
        case client_hello:
        case server_hello:
        case hello_verify_request:
        case new_session_ticket:
        case hello_retry_request_draft:
        case certificate:
        case server_key_exchange:
        case certificate_request:
        case server_hello_done:
        case certificate_verify:
        case client_key_exchange:
        case finished:
        case certificate_url:
        case certificate_status:
        case supplemental_data:
            return true;
        default:
            return false;
    }
}

uint16_t Session::version() const {
    return plain_version(server_hello_.version);
}

bool Session::message(Side from, uint8_t type, Bytes body, Context& ctx) {
    if (first_time_ == 0) first_time_ = ctx.now;
    switch (type) {
        case client_hello:
            return on_client_hello(body, ctx);
        case server_hello:
            return on_server_hello(body, ctx);
        case hello_verify_request:
        case hello_retry_request_draft:
            hello_retry_ = true;
            return true;
        case certificate:
            if (want_details_) on_certificate(from, body);
            return true;
        case server_key_exchange:
            if (from == Side::server) on_server_key_exchange(body);
            return true;
        case certificate_request:
            certificate_requested_ = true;
            return true;
        case certificate_status:
            ocsp_stapled_ = true;
            return true;
        default:
            return true;
    }
}

bool Session::on_client_hello(Bytes body, Context& ctx) {
    last_client_hello_time_ = ctx.now;
    // The second hello, after a retry, differs in its key share alone: the first is the client's own.
    if (has_client_hello_ || has_server_hello_) return true;
    want_details_ = ctx.wanted(record_type());
    // What is to be written later is read from our own copy: the views look into it.
    if (!parse_client_hello(want_details_ ? client_bytes_.keep(body) : body, carrier_, client_hello_)) return false;
    has_client_hello_ = true;
    client_hello_time_ = ctx.now;
    ctx.confirm();
    if (!client_hello_.server_name.empty()) ctx.host(client_hello_.server_name);
    if (!want_details_) return true;
    fingerprint_ = fingerprint(client_hello_, carrier_);
    has_fingerprint_ = true;
    return true;
}

bool Session::ssl2_client_hello(Bytes body, Context& ctx) {
    if (!parse_ssl2_client_hello(body, client_hello_)) return false;
    has_client_hello_ = true;
    want_details_ = ctx.wanted(record::RecordType::tls);
    first_time_ = client_hello_time_ = last_client_hello_time_ = ctx.now;
    parse_ssl2_client_hello(client_bytes_.keep(body), client_hello_);
    ctx.confirm();
    return true;
}

bool Session::on_server_hello(Bytes body, Context& ctx) {
    if (has_server_hello_) return true;
    ServerHello hello;
    if (!parse_server_hello(body, hello)) return false;
    if (hello.retry) {
        hello_retry_ = true;
        return true;
    }
    if (!has_client_hello_) want_details_ = ctx.wanted(record_type());
    parse_server_hello(server_bytes_.keep(body), server_hello_);
    has_server_hello_ = true;
    server_hello_time_ = ctx.now;
    curve_ = server_hello_.group;
    // QUIC's version is the transport's own.
    if (carrier_ == Carrier::quic)
        ctx.confirm();
    else
        ctx.confirm(version_name(server_hello_.version));
    return true;
}

void Session::on_certificate(Side from, Bytes body) {
    Chain& chain = chains_[index(from)];
    if (chain.seen) return;
    chain.seen = true;
    Reader list(body);
    const size_t size_said = list.u24();
    list = list.sub(std::min(size_said, list.left()));
    const auto add = [&chain](std::shared_ptr<const x509::Certificate> certificate, size_t size) {
        chain.certificates.push_back(std::move(certificate));
        chain.memory += static_cast<uint32_t>(sizeof(x509::Certificate) + size);
    };
    const uint8_t type = from == Side::server ? server_hello_.server_certificate_type : server_hello_.client_certificate_type;
    if (type == certificate_raw_key) {
        chain.raw_key = true;
        if (const Bytes key = list.rest(); !key.empty())
            add(std::make_shared<const x509::Certificate>(x509::parse_key(key)), key.size());
        return;
    }
    if (type != certificate_x509) {  // OpenPGP's, of which there is one
        chain.length = 1;
        return;
    }
    while (list.left() >= 3) {
        const Bytes der = list.take(list.u24());
        if (list.failed()) break;
        ++chain.length;
        if (chain.certificates.size() < max_chain) add(x509::parse_cached(der), der.size());
    }
}

// RFC 8422 5.4 for curves, RFC 5246 7.4.3 for finite fields. Pre-shared-key variants begin with a hint (RFC 4279 3, RFC 5489 2).
void Session::on_server_key_exchange(Bytes body) {
    Reader r(body);
    if (!has_server_hello_) return;
    if (cipher_name(server_hello_.cipher).find("_PSK_") != std::string_view::npos) r.skip(r.u16());
    switch (key_exchange(server_hello_.cipher)) {
        case KeyExchange::ecdhe:
            if (r.u8() != 3) return;  // named_curve
            curve_ = r.u16();
            r.skip(r.u8());
            break;
        case KeyExchange::dhe: {
            Bytes prime = r.take(r.u16());
            while (!prime.empty() && prime[0] == 0) prime = prime.subspan(1);
            if (!prime.empty())
                dh_bits_ = static_cast<uint32_t>((prime.size() - 1) * 8 + static_cast<size_t>(std::bit_width(prime[0])));
            r.skip(r.u16());
            r.skip(r.u16());
            break;
        }
        case KeyExchange::other:
            return;
    }
    // The algorithm is named from TLS 1.2 on.
    if (version() == 0x0303 && r.left() >= 4) server_signature_ = r.u16();
}

void Session::alert(Side from, uint8_t level, uint8_t description) {
    constexpr uint8_t fatal = 2;
    const bool graver = level > alert_.level || (alert_.level == level && alert_.description == 0);
    if (graver) alert_ = {level, description, from};
    if (level == fatal) failed_ = true;
}

void Session::encrypted(Side from, ContentType content_type, size_t length, int64_t now) {
    const size_t me = index(from), peer = 1 - me;
    // Before the server's answer: early data.
    if (from == Side::client && has_client_hello_ && !has_server_hello_ && !lost_[peer]) return;
    if (is_tls13()) {
        const bool data = content_type == ContentType::application_data || carrier_ == Carrier::dtls;
        if (!data) return;
        if (from == Side::server) {
            finished_[me] = true;
        } else if (carrier_ == Carrier::dtls) {
            // Shorter ones are acknowledgements or alerts.
            if (length >= dtls13_finished) finished_[me] = true;
        } else if (length == tls13_alert_length) {
            failed_ = !finished_[me];
        } else if (client_hello_.has_early_data && server_hello_.has_psk) {
            // Early data goes before: the Finished is told by its length.
            if (length == tls13_finished_sha256 || length == tls13_finished_sha384) finished_[me] = true;
        } else {
            finished_[me] = true;
        }
    } else {
        if (!ciphered_[me] && content_type != ContentType::application_data) return;
        if (content_type == ContentType::alert) {
            failed_ = !(finished_[0] && finished_[1]);
            return;
        }
        if (content_type == ContentType::handshake || content_type == ContentType::application_data) finished_[me] = true;
        // Data follow the other side's Finished, except a client's that starts early (RFC 7918): believed only when the server
        // was not seen.
        if (content_type == ContentType::application_data && (from == Side::server || lost_[peer])) finished_[peer] = true;
    }
    if (finished_[0] && finished_[1]) establish(now);
}

void Session::completed(int64_t now) {
    establish(now);
}

void Session::establish(int64_t now) {
    if (established_) return;
    established_ = true;
    end_time_ = now;
}

std::string_view Session::resumption() const {
    if (!has_server_hello_) return {};
    if (version() == 0x0304) return server_hello_.has_psk ? "psk" : std::string_view();
    const bool same_id = has_client_hello_ && !server_hello_.session_id.empty() &&
                         std::ranges::equal(server_hello_.session_id, client_hello_.session_id);
    if (!same_id || chains_[1].seen) return {};
    return client_hello_.has_ticket ? "ticket" : "session_id";
}

}  // namespace cvf::protocol::tls1
