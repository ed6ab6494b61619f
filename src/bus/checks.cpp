#include "bus/checks.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "bus/subjects.h"

namespace cvf::bus {

namespace {

constexpr size_t longest_key = 512;

Checked readable(std::string_view what, const std::string& path) {
    std::FILE* file = std::fopen(path.c_str(), "r");
    if (!file) return std::unexpected(fmt::format("bus: {} {}: {}", what, path, std::strerror(errno)));
    std::fclose(file);
    return {};
}

std::string openssl_reason() {
    const unsigned long code = ERR_peek_last_error();
    ERR_clear_error();
    const char* reason = ERR_reason_error_string(code);
    return reason ? reason : "not PEM";
}

Checked check_certificates(const Options& options) {
    const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
    if (!context) return std::unexpected("bus: OpenSSL gives no TLS context");
    if (options.cert_file.empty() != options.key_file.empty()) {
        return std::unexpected("bus: a client certificate needs both, the certificate's file and the key's");
    }
    if (!options.ca_file.empty()) {
        if (auto good = readable("authorities' file", options.ca_file); !good) return good;
        if (SSL_CTX_load_verify_file(context.get(), options.ca_file.c_str()) != 1) {
            return std::unexpected(
                fmt::format("bus: {} has no certificates of authorities ({})", options.ca_file, openssl_reason()));
        }
    }
    if (options.cert_file.empty()) return {};
    if (auto good = readable("certificate", options.cert_file); !good) return good;
    if (auto good = readable("key", options.key_file); !good) return good;
    if (SSL_CTX_use_certificate_chain_file(context.get(), options.cert_file.c_str()) != 1) {
        return std::unexpected(fmt::format("bus: {} has no certificate ({})", options.cert_file, openssl_reason()));
    }
    // A key that needs a passphrase would be asked for on the terminal: it is refused.
    SSL_CTX_set_default_passwd_cb(context.get(), [](char*, int, int, void*) { return -1; });
    if (SSL_CTX_use_PrivateKey_file(context.get(), options.key_file.c_str(), SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context.get()) != 1) {
        return std::unexpected(
            fmt::format("bus: {} is no key of the certificate {} ({})", options.key_file, options.cert_file, openssl_reason()));
    }
    return {};
}

}  // namespace

bool wants_tls(const Options& options, const Address& address) {
    return address.tls || !options.ca_file.empty() || !options.cert_file.empty();
}

Checked check_options(const Options& options, const Address& address) {
    if (address.transport == Transport::local) return {};
    if (auto good = check_certificates(options); !good) return good;
    if (!options.credentials_file.empty()) {
        if (address.transport == Transport::kafka)
            return std::unexpected("bus: Kafka has no credentials file: give user and password");
        if (auto good = readable("credentials", options.credentials_file); !good) return good;
    }
    if (address.transport == Transport::kafka) {
        if (!address.token.empty()) return std::unexpected("bus: Kafka has no tokens: give user and password");
        const std::string_view m = options.sasl_mechanism, c = options.compression;
        if (!m.empty() && m != "PLAIN" && m != "SCRAM-SHA-256" && m != "SCRAM-SHA-512") {
            return std::unexpected(fmt::format("bus: \"{}\" is none of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512", m));
        }
        if (c != "none" && c != "lz4" && c != "zstd")
            return std::unexpected(fmt::format("bus: \"{}\" is none of none, lz4, zstd", c));
        if (options.partitions == 0 || options.partitions > 10000) return std::unexpected("bus: partitions are from 1 to 10000");
    }
    return {};
}

Checked check_pattern(std::string_view pattern) {
    if (valid_pattern(pattern)) return {};
    return std::unexpected(
        fmt::format("\"{}\" is no pattern of subjects: tokens joined by dots, * for one token, > last for the rest", pattern));
}

Checked check_document(std::string_view bucket, std::string_view key, std::string_view value) {
    if (!valid_bucket(bucket))
        return std::unexpected(fmt::format("\"{}\" is no name of a bucket: letters, digits, _ and -", bucket));
    if (key.empty() || key.size() > longest_key) {
        return std::unexpected(fmt::format("a key of {} bytes: there are keys from 1 to {}", key.size(), longest_key));
    }
    if (value.size() > max_payload) {
        return std::unexpected(fmt::format("a document of {} bytes: the largest has {}", value.size(), max_payload));
    }
    return {};
}

}  // namespace cvf::bus
