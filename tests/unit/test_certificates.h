// Certificates made for a test: an authority, and what it signs.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <memory>
#include <string>

namespace cvf::test {

class Authority {
 public:
    explicit Authority(const std::string& name) : key_(EVP_EC_gen("P-256")), certificate_(X509_new()) {
        fill(certificate_, name, key_, key_, certificate_, "", true);
    }
    ~Authority() {
        X509_free(certificate_);
        EVP_PKEY_free(key_);
    }
    Authority(const Authority&) = delete;
    Authority& operator=(const Authority&) = delete;

    void write(const std::string& file) const {
        FILE* out = ::fopen(file.c_str(), "w");
        PEM_write_X509(out, certificate_);
        ::fclose(out);
    }
    // A certificate with this common name; `names` as OpenSSL has them: "DNS:localhost,IP:127.0.0.1".
    void issue(const std::string& common_name, const std::string& names, const std::string& cert_file,
               const std::string& key_file) const {
        EVP_PKEY* key = EVP_EC_gen("P-256");
        X509* certificate = X509_new();
        fill(certificate, common_name, key, key_, certificate_, names, false);
        FILE* out = ::fopen(cert_file.c_str(), "w");
        PEM_write_X509(out, certificate);
        ::fclose(out);
        out = ::fopen(key_file.c_str(), "w");
        PEM_write_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
        ::fclose(out);
        X509_free(certificate);
        EVP_PKEY_free(key);
    }

 private:
    static void extend(X509* certificate, X509* issuer, int what, const std::string& value) {
        X509V3_CTX context;
        X509V3_set_ctx_nodb(&context);
        X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
        X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str());
        X509_add_ext(certificate, extension, -1);
        X509_EXTENSION_free(extension);
    }
    static void fill(X509* certificate, const std::string& name, EVP_PKEY* key, EVP_PKEY* signer, X509* issuer,
                     const std::string& names, bool authority) {
        static long serial = 1;
        X509_set_version(certificate, 2);
        ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
        X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
        X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
        X509_set_pubkey(certificate, key);
        X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                                   reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
        X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
        extend(certificate, issuer, NID_basic_constraints, authority ? "critical,CA:TRUE" : "CA:FALSE");
        if (!names.empty()) extend(certificate, issuer, NID_subject_alt_name, names);
        X509_sign(certificate, signer, EVP_sha256());
    }

    EVP_PKEY* key_;
    X509* certificate_;
};

}  // namespace cvf::test
