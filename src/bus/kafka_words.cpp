#include "bus/kafka_words.h"

#include <fmt/format.h>
#include <openssl/x509_vfy.h>

#include "bus/checks.h"

namespace cvf::bus {

namespace {

constexpr int good_scram = 0x020601ff;

bool has(std::string_view text, std::string_view part) {
    return text.find(part) != text.npos;
}

struct Complaint {
    std::string_view server;  // host:port; empty: of no one server
    std::string_view words;
};

// "sasl_ssl://host:9093/bootstrap: words (after 3ms in state AUTH_REQ, 4 identical error(s) suppressed)".
Complaint take_apart(std::string_view reason) {
    Complaint out{{}, reason};
    if (const size_t scheme = reason.find("://"), end = reason.find(": "); scheme < end && end != reason.npos) {
        out.server = reason.substr(scheme + 3, end - scheme - 3);
        out.server = out.server.substr(0, out.server.find('/'));
        out.words = reason.substr(end + 2);
    }
    out.words = out.words.substr(0, out.words.rfind(" (after "));
    return out;
}

std::string host_of(std::string_view server) {
    return std::string(server.substr(0, server.rfind(':')));
}

std::string about_certificate(int error, std::string_view server, const Options& options) {
    const std::string from =
        options.ca_file.empty() ? "no authority that this system trusts" : "no authority in " + options.ca_file;
    switch (error) {
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH:
            return fmt::format(
                "the broker's certificate does not bear the name {}: name the broker in --bus as its certificate does, or give "
                "it one "
                "with this name",
                host_of(server));
        case X509_V_ERR_CERT_HAS_EXPIRED:
            return "the broker's certificate has expired: it needs a new one";
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return "the broker's certificate is not valid yet: compare the clocks of both";
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        case X509_V_ERR_CERT_SIGNATURE_FAILURE:
            return fmt::format("the broker's certificate is from {}: name the right one's file with --bus-ca", from);
        default:
            return fmt::format(
                "the broker's certificate can't be trusted ({}): --bus-ca names the authorities that may vouch for it",
                error == 0 ? "no reason given" : X509_verify_cert_error_string(error));
    }
}

}  // namespace

KafkaTrouble explain_kafka(rd_kafka_resp_err_t error, std::string_view reason, int certificate, const Address& address,
                           const Options& options) {
    const Complaint complaint = take_apart(reason);
    const std::string_view words = complaint.words;
    const auto say = [&](const std::string& text, bool telling = true) {
        const std::string at = complaint.server.empty() ? std::string() : std::string(complaint.server) + ": ";
        return KafkaTrouble{at + text, telling};
    };
    const std::string mechanism = options.sasl_mechanism.empty() ? "SCRAM-SHA-512" : options.sasl_mechanism;

    if (error == RD_KAFKA_RESP_ERR__AUTHENTICATION || error == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED) {
        if (const size_t known = words.find("supported mechanisms: "); known != words.npos) {
            return say(fmt::format("the broker has no logins by {}, but by {}: choose one with --bus-sasl", mechanism,
                                   words.substr(known + 22)));
        }
        // RFC 5802 section 5.1: librdkafka before 2.6.1 does not send the nonce as it should, and Kafka 4 minds.
        if (mechanism != "PLAIN" && rd_kafka_version() < good_scram) {
            return say(
                fmt::format("the broker refuses the login of \"{}\" by {}: check --bus-user and --bus-password-file. Kafka 4 "
                            "refuses it always, "
                            "for librdkafka {} here has a fault (2.6.1 has not): with such a broker use --bus-sasl PLAIN over "
                            "TLS, or a certificate",
                            address.user, mechanism, rd_kafka_version_str()));
        }
        return say(
            fmt::format("the broker refuses the login of \"{}\" by {}: check --bus-user and --bus-password-file, and whether "
                        "the broker knows this user by {}",
                        address.user, mechanism, mechanism));
    }
    if (has(words, "certificate verify failed") || (error == RD_KAFKA_RESP_ERR__SSL && has(words, "could not be verified")))
        return say(about_certificate(certificate, complaint.server, options));
    if (has(words, "certificate required") || has(words, "bad certificate") || has(words, "client SSL authentication")) {
        return say(
            options.cert_file.empty()
                ? std::string("the broker wants to see a certificate: give one with --bus-cert and --bus-key")
                : fmt::format("the broker does not take the certificate in {}: give one with --bus-cert and --bus-key from an "
                              "authority that it trusts",
                              options.cert_file));
    }
    // Who hangs up at the first word expects another: TLS, or a login.
    if (error == RD_KAFKA_RESP_ERR__SSL &&
        (has(words, "unexpected eof") || has(words, "PLAINTEXT") || has(words, "wrong version")))
        return say("the broker speaks no TLS at this port: name its port for TLS, or write kafka:// and give no --bus-ca");
    if (has(words, "ApiVersion")) {
        const bool tls = wants_tls(options, address);
        return say(
            fmt::format("the broker hangs up at the first word: it may want {}{}", tls ? "" : "TLS (write kafka+tls://) or ",
                        address.user.empty() ? "a login (give --bus-user and --bus-password-file)" : "another way to log in"));
    }
    return say(std::string(words), false);
}

}  // namespace cvf::bus
