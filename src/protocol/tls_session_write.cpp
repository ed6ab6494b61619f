// The fields of a TLS handshake, as a record carries them.
#include <array>
#include <cstddef>
#include <new>
#include <utility>

#include "protocol/digest.h"
#include "protocol/tls_names.h"
#include "protocol/tls_session.h"

namespace cvf::protocol::tls1 {

using record::Field;
using record::Record;

namespace {

// Names on their way into a list field. A hostile hello may offer thousands: the first ones are enough to tell.
class Names {
 public:
    explicit Names(Record& record) : record_(record) {}
    void add(std::string_view name) {
        if (count_ < max_items) new (memory_ + count_++ * sizeof(std::string_view)) std::string_view(name);
    }
    // The name, or the number in hex.
    void add(std::string_view name, uint16_t value) {
        if (count_ < max_items) add(name.empty() ? hex(record_, value) : name);
    }
    void write(Field field) const {
        if (count_ > 0) record_.texts(field, {std::launder(reinterpret_cast<const std::string_view*>(memory_)), count_});
    }

    static std::string_view hex(Record& record, uint32_t value, size_t digits = 4) {
        constexpr size_t prefix = 2;
        char* text = static_cast<char*>(record.arena().take(prefix + digits, 1));
        text[0] = '0';
        text[1] = 'x';
        for (size_t i = 0; i < digits; ++i) text[prefix + i] = "0123456789ABCDEF"[value >> (4 * (digits - 1 - i)) & 15];
        return {text, prefix + digits};
    }

 private:
    static constexpr size_t max_items = 192;
    Record& record_;
    size_t count_ = 0;
    // Raw memory: clearing an array of views costs more than filling the part that is used.
    alignas(std::string_view) std::byte memory_[max_items * sizeof(std::string_view)];
};

std::string_view named(Record& record, std::string_view name, uint16_t value) {
    return name.empty() ? Names::hex(record, value) : name;
}

void write_numbers(Record& record, Field field, Bytes list, std::string_view (*name)(uint16_t)) {
    Names names(record);
    for_each_u16(list, [&](uint16_t value) {
        if (!is_grease(value)) names.add(name(value), value);
    });
    names.write(field);
}

// SSL 2.0's own suites; those of SSL 3.0 and later stand between them with a leading zero.
std::string_view ssl2_cipher_name(uint32_t value) {
    switch (value) {
        case 0x010080:
            return "SSL_CK_RC4_128_WITH_MD5";
        case 0x020080:
            return "SSL_CK_RC4_128_EXPORT40_WITH_MD5";
        case 0x030080:
            return "SSL_CK_RC2_128_CBC_WITH_MD5";
        case 0x040080:
            return "SSL_CK_RC2_128_CBC_EXPORT40_WITH_MD5";
        case 0x050080:
            return "SSL_CK_IDEA_128_CBC_WITH_MD5";
        case 0x060040:
            return "SSL_CK_DES_64_CBC_WITH_MD5";
        case 0x0700c0:
            return "SSL_CK_DES_192_EDE3_CBC_WITH_MD5";
        default:
            return value <= 0xffff ? cipher_name(static_cast<uint16_t>(value)) : std::string_view();
    }
}

// The fields of one side's certificate.
struct CertificateFields {
    Field subject, issuer, not_before, not_after, sha256, sha1, subject_cn, subject_o, issuer_cn, issuer_o, names, serial,
        key_algorithm, key_size, key_curve, key_exponent, signature, version, ca, self_signed, expired, not_yet_valid, raw_key,
        chain_length, chain_sha256, chain_subject;
};

#define SIDE(s)                                  \
    {Field::tls_##s##_subject,                   \
     Field::tls_##s##_issuer,                    \
     Field::tls_##s##_not_before,                \
     Field::tls_##s##_not_after,                 \
     Field::tls_##s##_hash_sha256,               \
     Field::tls_##s##_hash_sha1,                 \
     Field::tls_##s##_x509_subject_common_name,  \
     Field::tls_##s##_x509_subject_organization, \
     Field::tls_##s##_x509_issuer_common_name,   \
     Field::tls_##s##_x509_issuer_organization,  \
     Field::tls_##s##_x509_alternative_names,    \
     Field::tls_##s##_x509_serial_number,        \
     Field::tls_##s##_x509_public_key_algorithm, \
     Field::tls_##s##_x509_public_key_size,      \
     Field::tls_##s##_x509_public_key_curve,     \
     Field::tls_##s##_x509_public_key_exponent,  \
     Field::tls_##s##_x509_signature_algorithm,  \
     Field::tls_##s##_x509_version_number,       \
     Field::tls_##s##_certificate_ca,            \
     Field::tls_##s##_certificate_self_signed,   \
     Field::tls_##s##_certificate_expired,       \
     Field::tls_##s##_certificate_not_yet_valid, \
     Field::tls_##s##_certificate_raw_key,       \
     Field::tls_##s##_chain_length,              \
     Field::tls_##s##_chain_sha256,              \
     Field::tls_##s##_chain_subject}
constexpr CertificateFields certificate_fields[2] = {SIDE(client), SIDE(server)};
#undef SIDE

void write_if(Record& record, Field field, std::string_view text) {
    if (!text.empty()) record.text(field, text);
}

void write_all(Record& record, Field field, const std::vector<std::string>& texts) {
    Names names(record);
    for (const std::string& text : texts) names.add(text);
    names.write(field);
}

// Text borrowed from the certificate, which its chain keeps alive.
void write_certificate(Record& record, const CertificateFields& f, const x509::Certificate& c, int64_t now) {
    write_if(record, f.subject, c.subject.text);
    write_if(record, f.issuer, c.issuer.text);
    if (c.not_before != 0) record.time(f.not_before, c.not_before);
    if (c.not_after != 0) record.time(f.not_after, c.not_after);
    record.text(f.sha256, c.sha256);
    record.text(f.sha1, c.sha1);
    write_all(record, f.subject_cn, c.subject.common_names);
    write_all(record, f.subject_o, c.subject.organizations);
    write_all(record, f.issuer_cn, c.issuer.common_names);
    write_all(record, f.issuer_o, c.issuer.organizations);
    write_all(record, f.names, c.alternative_names);
    write_if(record, f.serial, c.serial);
    write_if(record, f.key_algorithm, c.key_algorithm);
    if (c.key_size != 0) record.uint(f.key_size, c.key_size);
    write_if(record, f.key_curve, c.key_curve);
    if (c.key_exponent != 0) record.uint(f.key_exponent, c.key_exponent);
    write_if(record, f.signature, c.signature_algorithm);
    constexpr std::string_view versions[] = {"", "1", "2", "3"};
    write_if(record, f.version, versions[c.version & 3]);
    if (!c.complete) return;
    record.flag(f.ca, c.ca);
    record.flag(f.self_signed, c.self_signed);
    if (c.not_after != 0) record.flag(f.expired, now > c.not_after);
    if (c.not_before != 0) record.flag(f.not_yet_valid, now < c.not_before);
}

}  // namespace

void Session::write(Record& record, int64_t now) const {
    if (has_server_hello_ || client_hello_.ssl2_form) {
        const uint16_t raw = has_server_hello_ ? server_hello_.version : client_hello_.legacy_version;
        const uint16_t agreed = plain_version(raw);
        record.text(Field::tls_protocol_name, carrier_ == Carrier::dtls ? "dtls" : agreed <= 0x0300 ? "ssl" : "tls");
        if (has_server_hello_) record.text(Field::tls_protocol_version, named(record, version_name(raw), raw));
    } else {
        record.text(Field::tls_protocol_name, carrier_ == Carrier::dtls ? "dtls" : "tls");
    }
    if (has_client_hello_) write_client_hello(record);
    if (has_server_hello_) write_server_hello(record);
    if (curve_ != 0) {
        record.text(Field::tls_curve, named(record, group_name(curve_), curve_));
        record.flag(Field::tls_post_quantum, is_post_quantum(curve_));
    }
    if (hello_retry_) record.flag(Field::tls_hello_retry, true);
    if (server_signature_ != 0)
        record.text(Field::tls_server_signature_algorithm,
                    named(record, signature_scheme_name(server_signature_), server_signature_));
    if (dh_bits_ != 0) record.uint(Field::tls_server_dh_size, dh_bits_);
    if (ocsp_stapled_) record.flag(Field::tls_server_ocsp_stapled, true);
    if (certificate_requested_) record.flag(Field::tls_client_certificate_requested, true);
    for (const Side side : {Side::server, Side::client})
        if (chains_[index(side)].seen) write_chain(record, side, now);
    if (alert_.level != 0) write_alert(record);

    if (carrier_ != Carrier::quic || established_)
        if (established_ || failed_ || !lost_any()) record.flag(Field::tls_established, established_);
    if (last_client_hello_time_ != 0 && server_hello_time_ > last_client_hello_time_)
        record.uint(Field::tls_hello_duration, static_cast<uint64_t>(server_hello_time_ - last_client_hello_time_));
    if (client_hello_time_ != 0 && end_time_ > client_hello_time_)
        record.uint(Field::tls_handshake_duration, static_cast<uint64_t>(end_time_ - client_hello_time_));
}

void Session::write_client_hello(Record& record) const {
    const ClientHello& hello = client_hello_;
    write_if(record, Field::tls_client_server_name, hello.server_name);
    if (hello.ssl2_form) {
        record.flag(Field::tls_client_ssl2_hello, true);
        Names names(record);
        for (size_t i = 0; i + 2 < hello.ciphers.size(); i += 3) {
            const uint32_t value = decode::load_be24(hello.ciphers.data() + i);
            const std::string_view name = ssl2_cipher_name(value);
            names.add(name.empty() ? Names::hex(record, value, 6) : name);
        }
        names.write(Field::tls_client_supported_ciphers);
        Names version(record);
        version.add(version_name(hello.legacy_version));
        version.write(Field::tls_client_versions);
        return;
    }
    if (has_fingerprint_) {
        record.text(Field::tls_client_ja3, fingerprint_.ja3_text());
        record.text(Field::tls_client_ja4, fingerprint_.ja4_text());
    }
    write_numbers(record, Field::tls_client_supported_ciphers, hello.ciphers, cipher_name);
    Names versions(record);
    bool draft = false;
    if (!hello.versions.empty())
        for_each_u16(hello.versions, [&](uint16_t v) {
            // Clients of the time before RFC 8446 list one draft after another.
            if (!is_grease(v) && (v >> 8 != 0x7f || !std::exchange(draft, true))) versions.add(version_name(v), v);
        });
    else
        versions.add(version_name(hello.legacy_version), hello.legacy_version);
    versions.write(Field::tls_client_versions);
    Names alpn(record);
    for_each_alpn(hello.alpn, [&](std::string_view name) {
        const bool grease = name.size() == 2 && is_grease(decode::load_be16(reinterpret_cast<const uint8_t*>(name.data())));
        if (!grease) alpn.add(name);
    });
    alpn.write(Field::tls_client_alpn);
    write_numbers(record, Field::tls_client_groups, hello.groups, group_name);
    bool post_quantum = false;
    for_each_u16(hello.groups, [&](uint16_t group) { post_quantum = post_quantum || is_post_quantum(group); });
    Names shares(record);
    decode::Reader r(hello.key_shares);
    while (r.left() >= 4) {
        const uint16_t group = r.u16();
        r.skip(r.u16());
        if (r.failed()) break;
        if (!is_grease(group)) shares.add(group_name(group), group);
    }
    shares.write(Field::tls_client_key_shares);
    write_numbers(record, Field::tls_client_signature_algorithms, hello.signature_algorithms, signature_scheme_name);
    if (!hello.groups.empty()) record.flag(Field::tls_client_post_quantum, post_quantum);
    if (hello.has_ech) record.flag(Field::tls_client_ech, true);
    if (hello.has_early_data) record.flag(Field::tls_client_early_data, true);
}

void Session::write_server_hello(Record& record) const {
    const ServerHello& hello = server_hello_;
    record.text(Field::tls_cipher, named(record, cipher_name(hello.cipher), hello.cipher));
    write_if(record, Field::tls_next_protocol, hello.alpn);
    const auto hash = ja3s(hello);
    record.copy(Field::tls_server_ja3s, {hash.data(), hash.size()});
    const std::string_view how = resumption();
    record.flag(Field::tls_resumed, !how.empty());
    write_if(record, Field::tls_resumption, how);
}

void Session::write_chain(Record& record, Side side, int64_t now) const {
    const CertificateFields& f = certificate_fields[index(side)];
    const Chain& chain = chains_[index(side)];
    if (chain.raw_key) {
        record.flag(f.raw_key, true);
        if (!chain.certificates.empty()) write_certificate(record, f, *chain.certificates.front(), now);
        return;
    }
    record.uint(f.chain_length, chain.length);
    if (chain.certificates.empty()) return;
    write_certificate(record, f, *chain.certificates.front(), now);
    std::array<std::string_view, 16> hashes, subjects;
    size_t count = 0;
    for (const auto& certificate : chain.certificates) {
        hashes[count] = certificate->sha256;
        subjects[count++] = certificate->subject.text;
    }
    record.texts(f.chain_sha256, std::span(hashes.data(), count));
    record.texts(f.chain_subject, std::span(subjects.data(), count));
}

void Session::write_alert(Record& record) const {
    const std::string_view name = alert_name(alert_.description);
    const std::string_view text = name.empty() ? Names::hex(record, alert_.description, 2) : name;
    record.text(Field::tls_alert_level, alert_.level == 2 ? "fatal" : "warning");
    record.text(Field::tls_alert_description, text);
    record.text(Field::tls_alert_from, alert_.from == Side::client ? "client" : "server");
    if (alert_.level == 2) record.text(Field::error_type, text);
}

}  // namespace cvf::protocol::tls1
