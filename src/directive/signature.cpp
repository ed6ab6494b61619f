#include "directive/signature.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

#include <algorithm>
#include <memory>
#include <stdexcept>

#include "directive/write.h"

namespace cvf::directive {

namespace {

template <auto free>
struct With {
    template <typename T>
    void operator()(T* p) const {
        free(p);
    }
};
using Pkey = std::unique_ptr<EVP_PKEY, With<EVP_PKEY_free>>;
using Bio = std::unique_ptr<BIO, With<BIO_free_all>>;
using Digest = std::unique_ptr<EVP_MD_CTX, With<EVP_MD_CTX_free>>;

constexpr int64_t second = 1'000'000'000;
constexpr size_t max_pem = 64 * 1024;

// OpenSSL failing at what it can always do is a broken installation, not an input.
template <typename T>
T must(T result, const char* what) {
    if (result) return result;
    ERR_clear_error();
    throw std::runtime_error(fmt::format("OpenSSL cannot {}", what));
}

Bio reader(std::string_view pem) {
    return Bio(must(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), "allocate"));
}

std::string text_of(BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    return std::string(data, static_cast<size_t>(size));
}

// A file of a directive's signer is never asked for a pass phrase.
int no_pass_phrase(char*, int, int, void*) {
    return -1;
}

std::string base64(std::span<const uint8_t> bytes) {
    std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
    const int n = EVP_EncodeBlock(reinterpret_cast<uint8_t*>(out.data()), bytes.data(), static_cast<int>(bytes.size()));
    out.resize(static_cast<size_t>(n));
    return out;
}

bool decode_signature(std::string_view text, std::array<uint8_t, 64>& out) {
    uint8_t decoded[66];
    if (text.size() != 88 || !text.ends_with("==")) return false;
    if (EVP_DecodeBlock(decoded, reinterpret_cast<const uint8_t*>(text.data()), 88) != 66) return false;
    std::copy_n(decoded, out.size(), out.begin());
    return base64(out) == text;  // one text for one signature
}

}  // namespace

std::expected<PublicKey, std::string> PublicKey::from_pem(std::string_view pem) {
    if (pem.size() > max_pem) return std::unexpected("is too large for a key");
    const Pkey key(PEM_read_bio_PUBKEY(reader(pem).get(), nullptr, no_pass_phrase, nullptr));
    ERR_clear_error();
    if (!key) {
        const bool secret = pem.find("PRIVATE KEY") != std::string_view::npos;
        return std::unexpected(secret ? "is a private key; the public one belongs here (openssl pkey -pubout)"
                                      : "is no public key in PEM (-----BEGIN PUBLIC KEY-----)");
    }
    PublicKey out;
    size_t size = out.bytes.size();
    if (EVP_PKEY_get_id(key.get()) != EVP_PKEY_ED25519 || EVP_PKEY_get_raw_public_key(key.get(), out.bytes.data(), &size) != 1)
        return std::unexpected("is not an Ed25519 key (openssl genpkey -algorithm ed25519)");
    return out;
}

std::string PublicKey::to_pem() const {
    const Pkey key(must(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes.data(), bytes.size()), "hold a key"));
    const Bio bio(must(BIO_new(BIO_s_mem()), "allocate"));
    must(PEM_write_bio_PUBKEY(bio.get(), key.get()), "write a key");
    return text_of(bio.get());
}

std::string PublicKey::id() const {
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA256(bytes.data(), bytes.size(), digest);
    std::string out = "ed25519:";
    for (size_t i = 0; i < 8; ++i) out += fmt::format("{:02x}", digest[i]);
    return out;
}

PrivateKey::PrivateKey(PrivateKey&& other) noexcept : seed_(other.seed_), public_(other.public_) {
    OPENSSL_cleanse(other.seed_.data(), other.seed_.size());
}
PrivateKey& PrivateKey::operator=(PrivateKey&& other) noexcept {
    if (this == &other) return *this;
    seed_ = other.seed_;
    public_ = other.public_;
    OPENSSL_cleanse(other.seed_.data(), other.seed_.size());
    return *this;
}
PrivateKey::~PrivateKey() {
    OPENSSL_cleanse(seed_.data(), seed_.size());
}

namespace {

Pkey secret_key(const std::array<uint8_t, 32>& seed) {
    return Pkey(must(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), seed.size()), "hold a key"));
}

bool take_parts(EVP_PKEY* key, std::array<uint8_t, 32>& seed, PublicKey& open) {
    size_t secret_size = seed.size(), open_size = open.bytes.size();
    return EVP_PKEY_get_id(key) == EVP_PKEY_ED25519 && EVP_PKEY_get_raw_private_key(key, seed.data(), &secret_size) == 1 &&
           EVP_PKEY_get_raw_public_key(key, open.bytes.data(), &open_size) == 1;
}

}  // namespace

std::expected<PrivateKey, std::string> PrivateKey::from_pem(std::string_view pem) {
    if (pem.size() > max_pem) return std::unexpected("is too large for a key");
    const Pkey key(PEM_read_bio_PrivateKey(reader(pem).get(), nullptr, no_pass_phrase, nullptr));
    ERR_clear_error();
    if (!key) return std::unexpected("is no private key in PEM without a pass phrase (-----BEGIN PRIVATE KEY-----)");
    PrivateKey out;
    if (!take_parts(key.get(), out.seed_, out.public_))
        return std::unexpected("is not an Ed25519 key (openssl genpkey -algorithm ed25519)");
    return out;
}

std::expected<PrivateKey, std::string> PrivateKey::generate() {
    const Pkey key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
    ERR_clear_error();
    PrivateKey out;
    if (!key || !take_parts(key.get(), out.seed_, out.public_)) return std::unexpected("no random numbers for a key");
    return out;
}

std::string PrivateKey::to_pem() const {
    const Pkey key = secret_key(seed_);
    const Bio bio(must(BIO_new(BIO_s_secmem()), "allocate"));
    must(PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr), "write a key");
    return text_of(bio.get());
}

std::array<uint8_t, 64> PrivateKey::sign(std::string_view bytes) const {
    const Pkey key = secret_key(seed_);
    const Digest context(must(EVP_MD_CTX_new(), "allocate"));
    std::array<uint8_t, 64> out{};
    size_t size = out.size();
    must(EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1, "sign");
    must(EVP_DigestSign(context.get(), out.data(), &size, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()) == 1,
         "sign");
    return out;
}

std::string signed_bytes(const Directive& directive) {
    Directive bare = directive;
    bare.metadata.generation = 0;
    bare.metadata.uid.clear();
    Node tree = to_tree(bare, Defaults::left_out);
    for (size_t i = 0; i < tree.keys.size(); ++i) {
        if (tree.keys[i].text != "signature") continue;
        Node& signature = tree.children[i];
        for (size_t k = 0; k < signature.keys.size(); ++k) {
            if (signature.keys[k].text != "value") continue;
            signature.keys.erase(signature.keys.begin() + static_cast<ptrdiff_t>(k));
            signature.children.erase(signature.children.begin() + static_cast<ptrdiff_t>(k));
            break;
        }
    }
    return "cvf/v1 directive\n" + write_json(tree, true);
}

void sign(Directive& directive, const PrivateKey& key, int64_t now, std::chrono::nanoseconds validity) {
    Signature signature;
    signature.key = key.public_key().id();
    signature.issued = now / second * second;
    signature.expires = (now + validity.count()) / second * second;
    directive.signature = signature;
    directive.signature->value = base64(key.sign(signed_bytes(directive)));
}

std::expected<void, std::string> verify(const Directive& directive, std::span<const PublicKey> trusted) {
    if (!directive.signature) return std::unexpected("it is not signed");
    const Signature& signature = *directive.signature;
    const auto key = std::ranges::find_if(trusted, [&](const PublicKey& k) { return k.id() == signature.key; });
    if (key == trusted.end()) return std::unexpected(fmt::format("it is signed by {}, which is not trusted here", signature.key));
    std::array<uint8_t, 64> value{};
    if (!decode_signature(signature.value, value)) return std::unexpected("its signature is not 64 bytes in base64");
    const Pkey pkey(
        must(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key->bytes.data(), key->bytes.size()), "hold a key"));
    const Digest context(must(EVP_MD_CTX_new(), "allocate"));
    const std::string bytes = signed_bytes(directive);
    must(EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, pkey.get()) == 1, "verify");
    const int good =
        EVP_DigestVerify(context.get(), value.data(), value.size(), reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
    ERR_clear_error();
    if (good != 1)
        return std::unexpected(fmt::format("it was changed after {} signed it, or its signature is false", signature.key));
    return {};
}

}  // namespace cvf::directive
