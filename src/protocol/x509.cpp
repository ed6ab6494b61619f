#include "protocol/x509.h"

#include <bit>
#include <chrono>
#include <limits>

#include "protocol/digest.h"
#include "protocol/x509_der.h"
#include "protocol/x509_names.h"
#include "record/text.h"

namespace cvf::protocol::x509 {

namespace {

constexpr Oid pss_oid{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a};

std::string upper_hex(Bytes bytes) {
    std::string out(bytes.size() * 2, '\0');
    write_hex(out.data(), bytes, true);
    return out;
}

// UTCTime and GeneralizedTime (RFC 5280 4.1.2.5) with seconds; a missing Z is taken for one. 0 when it is no time.
int64_t read_time(const Element& e) {
    const std::string_view text = decode::as_text(e.content);
    const size_t year_digits = e.tag == tag::generalized_time ? 4 : e.tag == tag::utc_time ? 2 : 0;
    if (year_digits == 0 || text.size() < year_digits + 8) return 0;
    bool good = true;
    const auto number = [&](size_t at, size_t digits) {
        int v = 0;
        for (size_t i = at; i < at + digits; ++i) {
            if (i >= text.size() || text[i] < '0' || text[i] > '9') {
                good = false;
                return 0;
            }
            v = v * 10 + (text[i] - '0');
        }
        return v;
    };
    int year = number(0, year_digits);
    if (year_digits == 2) year += year < 50 ? 2000 : 1900;
    size_t at = year_digits;
    const int month = number(at, 2), day = number(at + 2, 2), hour = number(at + 4, 2), minute = number(at + 6, 2);
    // Seconds may be left out in BER; some old certificates do.
    const bool has_seconds = text.size() >= at + 10 && text[at + 8] >= '0' && text[at + 8] <= '9';
    const int second = has_seconds ? number(at + 8, 2) : 0;
    const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                           std::chrono::day(static_cast<unsigned>(day))};
    if (!good || !date.ok() || hour > 23 || minute > 59 || second > 60) return 0;
    const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
    const int64_t seconds = days * 86400 + hour * 3600 + minute * 60 + second;
    constexpr int64_t most = std::numeric_limits<int64_t>::max() / 1'000'000'000;
    if (seconds >= most) return most * 1'000'000'000;
    if (seconds <= -most) return -most * 1'000'000'000;
    return seconds * 1'000'000'000;
}

// Bits of an unsigned INTEGER.
uint32_t bit_size(Bytes integer) {
    while (!integer.empty() && integer[0] == 0) integer = integer.subspan(1);
    if (integer.empty()) return 0;
    return static_cast<uint32_t>((integer.size() - 1) * 8 + static_cast<size_t>(std::bit_width(integer[0])));
}

void read_algorithm(Bytes sequence, std::string& out) {
    DerReader r(sequence);
    const Bytes oid = r.take(tag::oid);
    if (pss_oid == oid) {
        // RFC 4055 3.1: the hash is the first parameter, SHA-1 when absent.
        DerReader parameters(r.take(tag::sequence));
        DerReader hash(DerReader(parameters.take(tag::constructed(0))).take(tag::sequence));
        const Bytes id = hash.take(tag::oid);
        const std::string_view name = hash_name(id);
        out = id.empty() ? "SHA1" : name.empty() ? dotted(id) : std::string(name);
        out += "-RSAPSS";
        return;
    }
    const std::string_view name = signature_name(oid);
    out = name.empty() ? dotted(oid) : std::string(name);
}

void read_key(Bytes sequence, Certificate& out) {
    DerReader r(sequence);
    DerReader algorithm(r.take(tag::sequence));
    const Bytes oid = algorithm.take(tag::oid);
    const std::string_view name = key_name(oid);
    out.key_algorithm = name.empty() ? dotted(oid) : std::string(name);
    Bytes key = r.take(tag::bit_string);
    if (!key.empty()) key = key.subspan(1);  // count of unused bits
    if (name == "RSA" || name == "RSAPSS") {
        DerReader numbers(DerReader(key).take(tag::sequence));
        out.key_size = bit_size(numbers.take(tag::integer));
        const Bytes exponent = numbers.take(tag::integer);
        if (exponent.size() <= 9 && bit_size(exponent) <= 64)
            for (const uint8_t byte : exponent) out.key_exponent = out.key_exponent << 8 | byte;
    } else if (name == "ECDSA") {
        if (algorithm.peek() == tag::oid) {
            const Bytes curve_oid = algorithm.take(tag::oid);
            const Curve found = curve(curve_oid);
            out.key_curve = found.name.empty() ? dotted(curve_oid) : std::string(found.name);
            out.key_size = found.bits;
        }
    } else if (name == "DSA" || name == "DH") {
        out.key_size = bit_size(DerReader(algorithm.take(tag::sequence)).take(tag::integer));
    } else if (name == "Ed25519" || name == "X25519") {
        out.key_size = 256;
    } else if (name == "Ed448" || name == "X448") {
        out.key_size = 456;
    } else if (name.starts_with("ML-DSA")) {
        out.key_size = static_cast<uint32_t>(key.size() * 8);
    }
}

void read_alternative_names(Bytes octets, Certificate& out) {
    DerReader names(DerReader(octets).take(tag::sequence));
    Element e;
    while (out.alternative_names.size() < Certificate::max_names && names.next(e)) {
        const Bytes content = e.content.first(std::min(e.content.size(), Certificate::max_text));
        switch (e.tag) {
            case tag::context(1):  // rfc822Name
            case tag::context(2):  // dNSName
            case tag::context(6):  // URI
                out.alternative_names.emplace_back(decode::as_text(content));
                break;
            case tag::context(7):
                if (content.size() == 4 || content.size() == 16) {
                    char text[48];
                    out.alternative_names.emplace_back(text, record::write_ip(text, content));
                }
                break;
            default:
                break;
        }
    }
}

void read_extensions(Bytes sequence, Certificate& out) {
    DerReader extensions(sequence);
    Bytes subject_key_id, authority_key_id;
    Element e;
    while (extensions.next(e)) {
        DerReader r(e.content);
        const Bytes oid = r.take(tag::oid);
        r.take(tag::boolean);  // critical
        const Bytes value = r.take(tag::octet_string);
        if (oid.size() != 3 || oid[0] != 0x55 || oid[1] != 0x1d) continue;  // id-ce
        switch (oid[2]) {
            case 14:
                subject_key_id = DerReader(value).take(tag::octet_string);
                break;
            case 17:
                if (out.alternative_names.empty()) read_alternative_names(value, out);
                break;
            case 19: {
                const Bytes ca = DerReader(DerReader(value).take(tag::sequence)).take(tag::boolean);
                out.ca = ca.size() == 1 && ca[0] != 0;
                break;
            }
            case 35:
                authority_key_id = DerReader(DerReader(value).take(tag::sequence)).take(tag::context(0));
                break;
            default:
                break;
        }
    }
    if (!subject_key_id.empty() && !authority_key_id.empty() && !std::ranges::equal(subject_key_id, authority_key_id))
        out.self_signed = false;
}

// The TBSCertificate (RFC 5280 4.1.2), in its order; stops where it does not fit.
bool read_body(Bytes body, Certificate& out) {
    DerReader r(body);
    out.version = 1;
    if (r.peek() == tag::constructed(0)) {
        const Bytes version = DerReader(r.take(tag::constructed(0))).take(tag::integer);
        if (version.size() == 1 && version[0] < 3) out.version = static_cast<uint8_t>(version[0] + 1);
    }
    Bytes serial = r.take(tag::integer);
    if (serial.size() > 1 && serial[0] == 0) serial = serial.subspan(1);
    out.serial = upper_hex(serial.first(std::min<size_t>(serial.size(), 64)));
    read_algorithm(r.take(tag::sequence), out.signature_algorithm);
    Element issuer, validity, subject, time;
    if (!r.next(issuer) || issuer.tag != tag::sequence) return false;
    out.issuer = read_name(issuer.content);
    if (!r.next(validity) || validity.tag != tag::sequence) return false;
    DerReader times(validity.content);
    if (times.next(time)) out.not_before = read_time(time);
    if (times.next(time)) out.not_after = read_time(time);
    if (!r.next(subject) || subject.tag != tag::sequence) return false;
    out.subject = read_name(subject.content);
    out.self_signed = std::ranges::equal(issuer.content, subject.content);
    Element key;
    if (!r.next(key) || key.tag != tag::sequence) return false;
    read_key(key.content, out);
    Element e;
    while (r.next(e))
        if (e.tag == tag::constructed(3)) read_extensions(DerReader(e.content).take(tag::sequence), out);
    return true;
}

Certificate fingerprinted(Bytes der) {
    Certificate out;
    out.sha256 = upper_hex(sha256(der));
    out.sha1 = upper_hex(sha1(der));
    return out;
}

}  // namespace

Certificate parse_key(Bytes der) {
    Certificate out = fingerprinted(der);
    read_key(DerReader(der).take(tag::sequence), out);
    return out;
}

Certificate parse(Bytes der) {
    Certificate out = fingerprinted(der);
    DerReader certificate(DerReader(der).take(tag::sequence));
    Element body;
    if (certificate.next(body) && body.tag == tag::sequence) out.complete = read_body(body.content, out);
    return out;
}

}  // namespace cvf::protocol::x509
