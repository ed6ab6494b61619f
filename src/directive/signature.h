// Ed25519 signatures (RFC 8032): who asked for it, so that the right to write to the bus is not the right to turn something on.
//
// Signed is the text "cvf/v1 directive\n" and behind it the canonical form (write.h) without metadata.generation, metadata.uid
// and signature.value: kind, name, labels, spec, the key's id and both times are its signer's; generation and uid come from
// whoever stores it. A key's id is "ed25519:" and the first 8 bytes of SHA-256 of its 32 bytes, in hex.
//
// Thread rule: values and functions without state. Errors are one sentence.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>

#include "directive/directive.h"

namespace cvf::directive {

struct PublicKey {
    std::array<uint8_t, 32> bytes{};

    static std::expected<PublicKey, std::string> from_pem(std::string_view pem);  // SubjectPublicKeyInfo
    std::string to_pem() const;
    std::string id() const;
    bool operator==(const PublicKey&) const = default;
};

// Wiped when it goes.
class PrivateKey {
 public:
    static std::expected<PrivateKey, std::string> from_pem(std::string_view pem);  // PKCS#8, not encrypted
    static std::expected<PrivateKey, std::string> generate();
    PrivateKey(PrivateKey&& other) noexcept;
    PrivateKey& operator=(PrivateKey&& other) noexcept;
    ~PrivateKey();

    std::string to_pem() const;
    PublicKey public_key() const { return public_; }
    std::array<uint8_t, 64> sign(std::string_view bytes) const;

 private:
    PrivateKey() = default;
    std::array<uint8_t, 32> seed_{};
    PublicKey public_;
};

std::string signed_bytes(const Directive& directive);

// Signs for the time from `now` (UTC ns) on; both ends are cut to whole seconds.
void sign(Directive& directive, const PrivateKey& key, int64_t now, std::chrono::nanoseconds validity);

// Whether one of the keys signed exactly this. Says nothing of time: see replay.h.
std::expected<void, std::string> verify(const Directive& directive, std::span<const PublicKey> trusted);

}  // namespace cvf::directive
