#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>

#include "protocol/digest.h"
#include "protocol/x509.h"
#include "protocol/x509_names.h"
#include "tls_bytes.h"

namespace cvf::protocol::x509 {
namespace {

using namespace cvf::tls_bytes;
using testing::ElementsAre;
using testing::IsEmpty;

struct Free {
    void operator()(::X509* p) const { X509_free(p); }
    void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
    void operator()(EVP_MD_CTX* p) const { EVP_MD_CTX_free(p); }
    void operator()(X509_EXTENSION* p) const { X509_EXTENSION_free(p); }
};
using Key = std::unique_ptr<EVP_PKEY, Free>;

// A certificate as OpenSSL makes it: an independent writer to test the reader with.
struct Maker {
    std::unique_ptr<::X509, Free> x{X509_new()};
    Key key;

    explicit Maker(Key k) : key(std::move(k)) {
        X509_set_version(x.get(), 2);
        ASN1_INTEGER_set_uint64(X509_get_serialNumber(x.get()), 0x8badf00dcafe);
        ASN1_TIME_set_string(X509_getm_notBefore(x.get()), "20240229123456Z");
        ASN1_TIME_set_string(X509_getm_notAfter(x.get()), "20600101000000Z");
        X509_set_pubkey(x.get(), key.get());
    }
    Maker& name(bool subject, const char* field, std::string_view value, int type = MBSTRING_UTF8) {
        X509_NAME* n = subject ? X509_get_subject_name(x.get()) : X509_get_issuer_name(x.get());
        X509_NAME_add_entry_by_txt(n, field, type, reinterpret_cast<const unsigned char*>(value.data()),
                                   static_cast<int>(value.size()), -1, 0);
        return *this;
    }
    Maker& extension(int nid, const char* value) {
        X509V3_CTX ctx;
        X509V3_set_ctx(&ctx, x.get(), x.get(), nullptr, nullptr, 0);
        std::unique_ptr<X509_EXTENSION, Free> e(X509V3_EXT_conf_nid(nullptr, &ctx, nid, value));
        EXPECT_TRUE(e) << value;
        X509_add_ext(x.get(), e.get(), -1);
        return *this;
    }
    std::string der(const EVP_MD* md = EVP_sha256()) {
        EXPECT_GT(X509_sign(x.get(), key.get(), md), 0);
        unsigned char* out = nullptr;
        const int n = i2d_X509(x.get(), &out);
        std::string text(reinterpret_cast<char*>(out), static_cast<size_t>(n));
        OPENSSL_free(out);
        return text;
    }
};

Key rsa() {
    return Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", size_t{2048}));
}
Key ec(const char* curve) {
    return Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve));
}

constexpr int64_t second = 1'000'000'000;

TEST(X509, ReadsAllOfACertificateThatOpensslWrote) {
    Maker maker(rsa());
    maker.name(true, "C", "NL")
        .name(true, "O", "Example, Inc")
        .name(true, "CN", "example.org")
        .name(true, "CN", "www.example.org");
    maker.name(false, "C", "NL").name(false, "O", "Trust").name(false, "CN", "Trust CA");
    maker.extension(NID_subject_alt_name,
                    "DNS:example.org,DNS:*.example.org,IP:192.0.2.1,IP:2001:db8::1,email:a@example.org,URI:spiffe://a/b");
    maker.extension(NID_basic_constraints, "critical,CA:FALSE");
    const std::string der = maker.der();
    const Certificate c = parse(as_bytes(der));
    EXPECT_TRUE(c.complete);
    EXPECT_EQ(c.version, 3);
    EXPECT_EQ(c.serial, "8BADF00DCAFE");
    EXPECT_EQ(c.subject.text, R"(CN=www.example.org,CN=example.org,O=Example\, Inc,C=NL)");
    EXPECT_EQ(c.issuer.text, "CN=Trust CA,O=Trust,C=NL");
    EXPECT_THAT(c.subject.common_names, ElementsAre("example.org", "www.example.org"));
    EXPECT_THAT(c.subject.organizations, ElementsAre("Example, Inc"));
    EXPECT_EQ(c.not_before, 1709210096 * second);
    EXPECT_EQ(c.not_after, 2840140800 * second);
    EXPECT_EQ(c.signature_algorithm, "SHA256-RSA");
    EXPECT_EQ(c.key_algorithm, "RSA");
    EXPECT_EQ(c.key_size, 2048u);
    EXPECT_EQ(c.key_exponent, 65537u);
    EXPECT_THAT(c.alternative_names,
                ElementsAre("example.org", "*.example.org", "192.0.2.1", "2001:db8::1", "a@example.org", "spiffe://a/b"));
    EXPECT_FALSE(c.ca);
    EXPECT_FALSE(c.self_signed);
    char hex[64];
    write_hex(hex, sha256(as_bytes(der)), true);
    EXPECT_EQ(c.sha256, std::string_view(hex, 64));
    write_hex(hex, sha1(as_bytes(der)), true);
    EXPECT_EQ(c.sha1, std::string_view(hex, 40));
}

TEST(X509, KnowsCurvesAndEdwardsKeys) {
    Maker p384(ec("P-384"));
    p384.name(true, "CN", "a").name(false, "CN", "a");
    const Certificate a = parse(as_bytes(p384.der(EVP_sha384())));
    EXPECT_EQ(a.key_algorithm, "ECDSA");
    EXPECT_EQ(a.key_curve, "secp384r1");
    EXPECT_EQ(a.key_size, 384u);
    EXPECT_EQ(a.signature_algorithm, "ECDSA-SHA384");
    EXPECT_TRUE(a.self_signed);
    Maker ed(Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")));
    ed.name(true, "CN", "b").name(false, "CN", "a");
    const Certificate b = parse(as_bytes(ed.der(nullptr)));
    EXPECT_EQ(b.key_algorithm, "Ed25519");
    EXPECT_EQ(b.signature_algorithm, "Ed25519");
}

TEST(X509, DoesNotCallACertificateSelfSignedWhoseKeyIdentifiersDiffer) {
    Maker maker(ec("P-256"));
    maker.name(true, "CN", "same").name(false, "CN", "same");
    maker.extension(NID_basic_constraints, "CA:TRUE");
    maker.extension(NID_subject_key_identifier, "00112233").extension(NID_authority_key_identifier, "keyid:always");
    const Certificate own = parse(as_bytes(maker.der()));
    EXPECT_TRUE(own.self_signed);
    EXPECT_TRUE(own.ca);
    Maker cross(ec("P-256"));
    cross.name(true, "CN", "same").name(false, "CN", "same");
    cross.extension(NID_subject_key_identifier, "00112233").extension(NID_authority_key_identifier, "keyid:always");
    const std::unique_ptr<X509_EXTENSION, Free> taken(X509_delete_ext(cross.x.get(), 0));
    cross.extension(NID_subject_key_identifier, "44556677");
    EXPECT_FALSE(parse(as_bytes(cross.der())).self_signed);
}

TEST(X509, WritesNamesAsRfc4514Asks) {
    Maker maker(ec("P-256"));
    maker.name(true, "CN", " #a+b\"c\\d<e>f;g ").name(true, "O", "#x").name(true, "OU", "J\xc3\xbcrgen");
    maker.name(true, "1.2.3.4", "odd").name(false, "CN", "i");
    const Certificate c = parse(as_bytes(maker.der()));
    EXPECT_EQ(c.subject.text, "1.2.3.4=#0c036f6464,OU=J\xc3\xbcrgen,O=\\#x,CN=\\ #a\\+b\\\"c\\\\d\\<e\\>f\\;g\\ ");
}

TEST(X509, TurnsOldStringTypesIntoUtf8) {
    Maker maker(ec("P-256"));
    maker.name(true, "CN", "J\xfcrgen", V_ASN1_T61STRING)
        .name(true, "O", std::string_view("\x04\x1f\x26\x3a", 4), V_ASN1_BMPSTRING);
    maker.name(false, "CN", "i");
    const Certificate c = parse(as_bytes(maker.der()));
    EXPECT_THAT(c.subject.common_names, ElementsAre("J\xc3\xbcrgen"));
    EXPECT_THAT(c.subject.organizations, ElementsAre("\xd0\x9f\xe2\x98\xba"));
    Maker wrong(ec("P-256"));
    wrong.name(true, "CN", "J\xc3\xbcrgen", V_ASN1_T61STRING).name(true, "CN", "Caf\xe9", V_ASN1_T61STRING);
    wrong.name(false, "CN", "i");
    EXPECT_THAT(parse(as_bytes(wrong.der())).subject.common_names, ElementsAre("J\xc3\xbcrgen", "Caf\xc3\xa9"));
}

TEST(X509, NamesTheHashOfRsaPss) {
    Maker maker(rsa());
    maker.name(true, "CN", "a").name(false, "CN", "a");
    const auto der = [&](const EVP_MD* md) {
        const std::unique_ptr<EVP_MD_CTX, Free> sign(EVP_MD_CTX_new());
        EVP_PKEY_CTX* options = nullptr;
        EXPECT_GT(EVP_DigestSignInit(sign.get(), &options, md, nullptr, maker.key.get()), 0);
        EXPECT_GT(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING), 0);
        EXPECT_GT(X509_sign_ctx(maker.x.get(), sign.get()), 0);
        unsigned char* out = nullptr;
        const int n = i2d_X509(maker.x.get(), &out);
        std::string text(reinterpret_cast<char*>(out), static_cast<size_t>(n));
        OPENSSL_free(out);
        return text;
    };
    EXPECT_EQ(parse(as_bytes(der(EVP_sha1()))).signature_algorithm, "SHA1-RSAPSS");
    EXPECT_EQ(parse(as_bytes(der(EVP_sha256()))).signature_algorithm, "SHA256-RSAPSS");
    std::string other = der(EVP_sha512());
    EXPECT_EQ(parse(as_bytes(other)).signature_algorithm, "SHA512-RSAPSS");
    // SHA3-256, the eighth of NIST's hashes, for SHA-512, the third.
    const std::string sha512 = from_hex("608648016503040203"), sha3 = from_hex("608648016503040208");
    for (size_t at = other.find(sha512); at != std::string::npos; at = other.find(sha512)) other.replace(at, sha3.size(), sha3);
    EXPECT_EQ(parse(as_bytes(other)).signature_algorithm, "2.16.840.1.101.3.4.2.8-RSAPSS");
}

TEST(X509, PutsNoPlusBesideAnAttributeThatCannotBeRead) {
    const auto der = [](unsigned type, const std::string& content) { return u8(type) + with_u8(content); };
    const std::string attribute = der(0x30, der(0x06, "\x55\x04\x03") + der(0x0c, "a"));
    const std::string name = der(0x31, attribute + der(0x30, "") + attribute + der(0x30, ""));
    EXPECT_EQ(read_name(as_bytes(name)).text, "CN=a+CN=a");
}

TEST(X509, HoldsDatesThatDoNotFitAtTheLastOneThatDoes) {
    Maker maker(ec("P-256"));
    maker.name(true, "CN", "a").name(false, "CN", "a");
    ASN1_TIME_set_string(X509_getm_notBefore(maker.x.get()), "19491231235959Z");
    ASN1_TIME_set_string(X509_getm_notAfter(maker.x.get()), "99991231235959Z");
    const Certificate c = parse(as_bytes(maker.der()));
    EXPECT_EQ(c.not_before, -631152001 * second);
    EXPECT_EQ(c.not_after, 9'223'372'036 * second);
}

TEST(X509, KeepsWhatWasReadOfACertificateThatEndsEarlyAndReadsNoByteBeyond) {
    Maker maker(rsa());
    maker.name(true, "CN", "example.org").name(false, "CN", "i").extension(NID_subject_alt_name, "DNS:example.org");
    const std::string der = maker.der();
    for (size_t n = 0; n < der.size(); ++n) {
        const auto memory = std::make_unique<uint8_t[]>(n);
        std::copy_n(der.begin(), n, memory.get());
        const Certificate c = parse({memory.get(), n});
        EXPECT_FALSE(c.complete) << n;
        EXPECT_EQ(c.sha256.size(), 64u);
    }
}

TEST(X509, SurvivesEveryByteBeingWrong) {
    Maker maker(ec("P-256"));
    maker.name(true, "CN", "example.org").name(false, "CN", "i").extension(NID_subject_alt_name, "DNS:example.org");
    const std::string der = maker.der();
    size_t complete = 0;
    for (size_t i = 0; i < der.size(); ++i)
        for (const int bit : {1, 0x80}) {
            std::string bad = der;
            bad[i] = static_cast<char>(bad[i] ^ bit);
            complete += parse(as_bytes(bad)).complete;
        }
    EXPECT_GT(complete, 0u);
    EXPECT_LT(complete, 2 * der.size());
}

TEST(X509Cache, GivesTheSameObjectForTheSameBytesAndAnotherForOthers) {
    Maker maker(ec("P-256"));
    maker.name(true, "CN", "a").name(false, "CN", "a");
    std::string der = maker.der();
    const auto first = parse_cached(as_bytes(der));
    EXPECT_EQ(parse_cached(as_bytes(der)), first);
    der.back() = static_cast<char>(der.back() ^ 1);
    EXPECT_NE(parse_cached(as_bytes(der))->sha256, first->sha256);
    // What was given out outlives its place in the cache.
    for (unsigned i = 0; i < 2000; ++i) parse_cached(as_bytes(der + u32(i)));
    EXPECT_EQ(first->subject.text, "CN=a");
}

}  // namespace
}  // namespace cvf::protocol::x509
