// What a TLS handshake tells, gathered from its messages: the part that TLS, DTLS and QUIC share.
//
// The carrier takes records or frames apart and gives whole handshake messages (RFC 8446 4, RFC 5246 7.4), alerts, and the
// lengths of what is encrypted; write() puts what is known into a record. Messages are copied as far as they are needed later;
// nothing else is kept.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "protocol/dissector.h"
#include "protocol/tls_fingerprint.h"
#include "protocol/tls_hello.h"
#include "protocol/x509.h"

namespace cvf::protocol::tls1 {

enum class Side : uint8_t { client = 0, server = 1 };
constexpr Side other(Side s) {
    return static_cast<Side>(1 - static_cast<uint8_t>(s));
}

enum class ContentType : uint8_t {
    change_cipher_spec = 20,
    alert = 21,
    handshake = 22,
    application_data = 23,
    heartbeat = 24,
    tls12_cid = 25,  // DTLS with connection ids (RFC 9146)
    ack = 26,        // DTLS 1.3
};

enum MessageType : uint8_t {
    hello_request = 0,
    client_hello = 1,
    server_hello = 2,
    hello_verify_request = 3,
    new_session_ticket = 4,
    hello_retry_request_draft = 6,
    certificate = 11,
    server_key_exchange = 12,
    certificate_request = 13,
    server_hello_done = 14,
    certificate_verify = 15,
    client_key_exchange = 16,
    finished = 20,
    certificate_url = 21,
    certificate_status = 22,
    supplemental_data = 23,
};

// Messages that only one side sends: tells the sides apart where the hellos were not seen.
std::optional<Side> sender_of(uint8_t message_type);
bool is_message_type(uint8_t value);

class Session {
 public:
    explicit Session(Carrier carrier) : carrier_(carrier) {}

    // A whole handshake message; `body` without its header. False: it is damaged.
    bool message(Side from, uint8_t type, Bytes body, Context& ctx);
    // SSL 2.0's CLIENT-HELLO, from its type byte on.
    bool ssl2_client_hello(Bytes body, Context& ctx);
    void alert(Side from, uint8_t level, uint8_t description);
    void change_cipher_spec(Side from) { ciphered_[index(from)] = true; }
    // An encrypted record (or one that cannot be read for another reason): its outer type and length.
    void encrypted(Side from, ContentType content_type, size_t length, int64_t now);
    // What QUIC knows by other means.
    void completed(int64_t now);
    // Bytes of this side were missing.
    void lost(Side from) { lost_[index(from)] = true; }

    // What this side sends now is encrypted, its handshake messages too. TLS 1.3 sends ChangeCipherSpec for show, also around a
    // retry.
    bool is_ciphered(Side from) const { return ciphered_[index(from)] && !is_tls13() && (has_server_hello_ || !hello_retry_); }
    bool is_tls13() const { return has_server_hello_ && version() == 0x0304; }
    bool has_client_hello() const { return has_client_hello_; }
    bool has_server_hello() const { return has_server_hello_; }
    const ClientHello& hello() const { return client_hello_; }
    // Bytes of messages kept, and of certificates about as much as they took on the wire.
    size_t held() const { return client_bytes_.size() + server_bytes_.size() + chains_[0].memory + chains_[1].memory; }
    bool lost_any() const { return lost_[0] || lost_[1]; }
    // There is something to report, and someone wants it.
    bool known() const {
        return want_details_ && (has_client_hello_ || has_server_hello_ || !chains_[1].certificates.empty() || alert_.level != 0);
    }
    // Nothing that comes later can add to the record.
    bool over() const { return established_ || failed_; }
    int64_t start_time() const { return client_hello_time_ ? client_hello_time_ : first_time_; }

    void write(record::Record& record, int64_t now) const;

 private:
    struct Chain {
        std::vector<std::shared_ptr<const x509::Certificate>> certificates;
        uint32_t length = 0;
        uint32_t memory = 0;
        bool seen = false;
        bool raw_key = false;  // instead of a chain
    };
    // Bytes kept of a message.
    class Copy {
     public:
        Bytes keep(Bytes bytes) {
            memory_ = std::make_unique_for_overwrite<uint8_t[]>(bytes.size());
            std::copy(bytes.begin(), bytes.end(), memory_.get());
            size_ = bytes.size();
            return {memory_.get(), size_};
        }
        size_t size() const { return size_; }

     private:
        std::unique_ptr<uint8_t[]> memory_;
        size_t size_ = 0;
    };

    static constexpr size_t index(Side s) { return static_cast<size_t>(s); }
    record::RecordType record_type() const {
        return carrier_ == Carrier::quic ? record::RecordType::quic : record::RecordType::tls;
    }
    uint16_t version() const;
    bool on_client_hello(Bytes body, Context& ctx);
    bool on_server_hello(Bytes body, Context& ctx);
    void on_certificate(Side from, Bytes body);
    void on_server_key_exchange(Bytes body);
    void establish(int64_t now);
    std::string_view resumption() const;

    void write_client_hello(record::Record& record) const;
    void write_server_hello(record::Record& record) const;
    void write_chain(record::Record& record, Side side, int64_t now) const;
    void write_alert(record::Record& record) const;

    Carrier carrier_;
    bool has_client_hello_ = false, has_server_hello_ = false, has_fingerprint_ = false, want_details_ = true;
    bool hello_retry_ = false, ocsp_stapled_ = false, certificate_requested_ = false;
    bool ciphered_[2] = {}, finished_[2] = {}, lost_[2] = {};
    bool established_ = false, failed_ = false;
    struct {
        uint8_t level = 0, description = 0;
        Side from = Side::client;
    } alert_;
    uint16_t curve_ = 0, server_signature_ = 0;
    uint32_t dh_bits_ = 0;
    int64_t first_time_ = 0, client_hello_time_ = 0, last_client_hello_time_ = 0, server_hello_time_ = 0, end_time_ = 0;

    Copy client_bytes_, server_bytes_;
    ClientHello client_hello_;
    ServerHello server_hello_;
    ClientFingerprint fingerprint_{};
    Chain chains_[2];
};

}  // namespace cvf::protocol::tls1
