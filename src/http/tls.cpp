#include "http/tls.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <boost/asio/ip/address.hpp>
#include <string_view>

namespace ssl = boost::asio::ssl;

namespace cvf::http {
namespace {

std::string last_error() {
    const unsigned long code = ERR_peek_last_error();
    ERR_clear_error();
    const char* reason = code ? ERR_reason_error_string(code) : nullptr;
    return reason ? reason : "it can't be used";
}

// RFC 7301: whoever offers protocols is told that it is HTTP/1.1 here; offers without it are left unanswered.
int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* offered, unsigned size,
                    void*) {
    constexpr std::string_view ours = "http/1.1";
    for (unsigned at = 0; at < size; at += 1u + offered[at]) {
        if (at + 1u + offered[at] > size) break;
        if (std::string_view(reinterpret_cast<const char*>(offered) + at + 1, offered[at]) != ours) continue;
        *out = offered + at + 1;
        *out_size = offered[at];
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_NOACK;
}

std::expected<void, std::string> use_pair(SSL_CTX* context, const std::string& cert, const std::string& key) {
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(context, cert.c_str()) != 1)
        return std::unexpected(fmt::format("{}: no certificate: {}", cert, last_error()));
    if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1)
        return std::unexpected(fmt::format("{}: no private key: {}", key, last_error()));
    if (SSL_CTX_check_private_key(context) != 1)
        return std::unexpected(fmt::format("{}: not the key of the certificate in {}", key, cert));
    return {};
}

std::expected<void, std::string> trust(SSL_CTX* context, const std::string& file) {
    ERR_clear_error();
    if (SSL_CTX_load_verify_file(context, file.c_str()) != 1)
        return std::unexpected(fmt::format("{}: no certificates of authorities: {}", file, last_error()));
    return {};
}

}  // namespace

std::expected<Stream::Context, std::string> server_context(const ServerTls& tls) {
    auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
    SSL_CTX* native = context->native_handle();
    SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
    SSL_CTX_set_options(native, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_num_tickets(native, 0);
    SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(native, choose_protocol, nullptr);
    if (auto used = use_pair(native, tls.cert_file, tls.key_file); !used) return std::unexpected(std::move(used.error()));
    if (tls.client_ca_file.empty()) return context;
    if (auto trusted = trust(native, tls.client_ca_file); !trusted) return std::unexpected(std::move(trusted.error()));
    SSL_CTX_set_client_CA_list(native, SSL_load_client_CA_file(tls.client_ca_file.c_str()));
    SSL_CTX_set_purpose(native, X509_PURPOSE_SSL_CLIENT);
    SSL_CTX_set_verify(native, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    return context;
}

std::expected<Stream::Context, std::string> client_context(const ClientTls& tls) {
    auto context = std::make_shared<ssl::context>(ssl::context::tls_client);
    SSL_CTX* native = context->native_handle();
    SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
    SSL_CTX_set_verify(native, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_default_verify_paths(native);
    if (!tls.ca_file.empty())
        if (auto trusted = trust(native, tls.ca_file); !trusted) return std::unexpected(std::move(trusted.error()));
    if (!tls.cert_file.empty())
        if (auto used = use_pair(native, tls.cert_file, tls.key_file.empty() ? tls.cert_file : tls.key_file); !used)
            return std::unexpected(std::move(used.error()));
    return context;
}

bool expect_name(SSL* ssl, const std::string& host) {
    boost::system::error_code error;
    boost::asio::ip::make_address(host, error);
    if (!error) return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set_tlsext_host_name(ssl, host.c_str()) == 1 && SSL_set1_host(ssl, host.c_str()) == 1;
}

std::string common_name(SSL* ssl) {
    const std::unique_ptr<X509, decltype(&X509_free)> peer(SSL_get1_peer_certificate(ssl), X509_free);
    if (!peer || SSL_get_verify_result(ssl) != X509_V_OK) return {};
    const X509_NAME* subject = X509_get_subject_name(peer.get());
    // The last one is the most specific. Two, or one with a NUL in it, can name two people to two readers: then it names nobody.
    const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0) return {};
    unsigned char* utf8 = nullptr;
    const int size = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (size < 0) return {};
    std::string name(reinterpret_cast<const char*>(utf8), static_cast<size_t>(size));
    OPENSSL_free(utf8);
    for (char c : name)
        if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) return {};
    return name;
}

std::string tls_error_text(SSL* ssl, const boost::system::error_code& error) {
    const long verdict = SSL_get_verify_result(ssl);
    if (verdict != X509_V_OK) return fmt::format("its certificate is not accepted: {}", X509_verify_cert_error_string(verdict));
    return fmt::format("no TLS connection: {}", error.message());
}

uint64_t files_mark(const ServerTls& tls) {
    uint64_t mark = 14695981039346656037u;
    for (const std::string* file : {&tls.cert_file, &tls.key_file, &tls.client_ca_file}) {
        struct stat st{};
        if (file->empty() || ::stat(file->c_str(), &st) != 0) continue;
        for (const uint64_t part : {static_cast<uint64_t>(st.st_mtim.tv_sec), static_cast<uint64_t>(st.st_mtim.tv_nsec),
                                    static_cast<uint64_t>(st.st_size), static_cast<uint64_t>(st.st_ino)})
            mark = (mark ^ part) * 1099511628211u;
    }
    return mark;
}

}  // namespace cvf::http
