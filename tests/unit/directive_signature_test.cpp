// Who vouches for a directive, and that an old one does not come back.
#include <gmock/gmock.h>

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "directive/parse.h"
#include "directive/replay.h"
#include "directive/signature.h"
#include "directive/write.h"

namespace {

using namespace cvf::directive;
using testing::HasSubstr;
using namespace std::chrono_literals;

constexpr int64_t second = 1'000'000'000, now = 1'767'323'045 * second;

// Of RFC 8410, section 10.1 and 10.3.
constexpr std::string_view rfc_public =
    "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
constexpr std::string_view rfc_private =
    "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";

PrivateKey signer() {
    return std::move(*PrivateKey::from_pem(rfc_private));
}

Directive unsigned_one() {
    return *parse_one(
        "apiVersion: cvf/v1\nkind: Capture\nmetadata: {name: c, labels: {a: b}}\nspec: {pcapFilter: tcp, limits: {duration: "
        "1m}}\n");
}

Directive signed_one(int64_t at = now) {
    Directive d = unsigned_one();
    sign(d, signer(), at, 1h);
    return d;
}

TEST(DirectiveSignature, keys_are_pem) {
    const auto open = PublicKey::from_pem(rfc_public);
    ASSERT_TRUE(open);
    EXPECT_EQ(open->to_pem(), rfc_public);
    EXPECT_EQ(signer().public_key(), *open);
    EXPECT_EQ(signer().to_pem(), rfc_private);
    // sha256 of the 32 bytes 19bf4409…66e1
    EXPECT_EQ(open->id(), "ed25519:e744c0791320c328");
    EXPECT_THAT(PublicKey::from_pem(rfc_private).error(), HasSubstr("private key"));
    EXPECT_THAT(PublicKey::from_pem("x").error(), HasSubstr("PEM"));
    EXPECT_FALSE(PrivateKey::from_pem(rfc_public));
    const auto fresh = PrivateKey::generate();
    ASSERT_TRUE(fresh);
    EXPECT_FALSE(fresh->public_key() == *open);
    EXPECT_TRUE(PublicKey::from_pem(fresh->public_key().to_pem()));
}

TEST(DirectiveSignature, an_x25519_key_is_none) {
    // RFC 8410 gives the same form to keys of another use.
    EXPECT_THAT(
        PublicKey::from_pem("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VuAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END "
                            "PUBLIC KEY-----\n")
            .error(),
        HasSubstr("not an Ed25519 key"));
}

TEST(DirectiveSignature, holds_for_what_was_signed_and_survives_storing) {
    const PublicKey key = signer().public_key();
    Directive d = signed_one();
    EXPECT_TRUE(verify(d, std::span(&key, 1)));
    EXPECT_TRUE(validate(d).empty());
    for (const std::string& text : {canonical(d), to_yaml(d), to_json(d)})
        EXPECT_TRUE(verify(*parse_one(text), std::span(&key, 1))) << text;
    // Who stores it gives it these.
    d.metadata.generation = 7;
    d.metadata.uid = "3f0c2b1a-5d4e-4f6a-8b7c-9d0e1f2a3b4c";
    EXPECT_TRUE(verify(d, std::span(&key, 1)));
    EXPECT_EQ(
        signed_bytes(d),
        "cvf/v1 directive\n"
        R"({"apiVersion":"cvf/v1","kind":"Capture","metadata":{"labels":{"a":"b"},"name":"c"},"signature":{"expires":"2026-01-02T04:04:05Z",)"
        R"("issued":"2026-01-02T03:04:05Z","key":"ed25519:e744c0791320c328"},"spec":{"limits":{"duration":"1m"},"pcapFilter":"tcp"}})");
}

TEST(DirectiveSignature, breaks_with_whatever_was_changed) {
    const PublicKey key = signer().public_key();
    const auto broken = [&](auto&& change) {
        Directive d = signed_one();
        change(d);
        const auto verified = verify(d, std::span(&key, 1));
        EXPECT_FALSE(verified);
        return verified ? std::string() : verified.error();
    };
    EXPECT_THAT(broken([](Directive& d) { d.spec.pcap_filter = "udp"; }), HasSubstr("changed after"));
    EXPECT_THAT(broken([](Directive& d) { d.metadata.name = "d"; }), HasSubstr("changed after"));
    EXPECT_THAT(broken([](Directive& d) { d.metadata.labels.clear(); }), HasSubstr("changed after"));
    EXPECT_THAT(broken([](Directive& d) { d.signature->expires += 3600 * second; }), HasSubstr("changed after"));
    EXPECT_THAT(broken([](Directive& d) { d.signature->issued += second; }), HasSubstr("changed after"));
    EXPECT_THAT(broken([](Directive& d) { d.signature->value[0] ^= 1; }), HasSubstr("changed after"));
    EXPECT_THAT(broken([](Directive& d) { d.signature->value = "abc"; }), HasSubstr("64 bytes"));
    EXPECT_THAT(broken([](Directive& d) { d.signature->value[86] = 'A'; }), HasSubstr("64 bytes"));
    EXPECT_THAT(broken([](Directive& d) { d.signature->key = "ed25519:0000000000000000"; }), HasSubstr("not trusted"));
    EXPECT_THAT(broken([](Directive& d) { d.signature.reset(); }), HasSubstr("not signed"));
    // A key of the same id that is another one.
    EXPECT_FALSE(verify(signed_one(), {}));
}

TEST(DirectiveSignature, is_what_openssl_itself_verifies) {
    if (std::system("openssl version >/dev/null 2>&1") != 0) GTEST_SKIP() << "no openssl command";
    const auto folder = std::filesystem::temp_directory_path() / ("cvf-signature-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder);
    const Directive d = signed_one();
    std::ofstream(folder / "key.pem") << rfc_public;
    std::ofstream(folder / "text") << signed_bytes(d);
    std::ofstream(folder / "value") << d.signature->value << "\n";
    const std::string command =
        "cd " + folder.string() +
        " && openssl base64 -d -A -in value -out raw && openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in text "
        "-sigfile raw >/dev/null 2>&1";
    EXPECT_EQ(std::system(command.c_str()), 0);
    std::filesystem::remove_all(folder);
}

TEST(DirectiveReplay, time_bounds_what_was_signed) {
    ReplayGuard guard;
    EXPECT_TRUE(guard.accept(signed_one(), now));
    EXPECT_TRUE(guard.accept(signed_one(), now + 3599 * second));
    EXPECT_THAT(guard.accept(signed_one(), now + 3600 * second).error(), HasSubstr("expired at 2026-01-02T04:04:05Z"));
    ReplayGuard other;
    EXPECT_TRUE(other.accept(signed_one(), now - 119 * second));
    EXPECT_THAT(other.accept(signed_one(), now - 121 * second).error(), HasSubstr("holds from"));
    EXPECT_FALSE(other.accept(unsigned_one(), now));
}

TEST(DirectiveReplay, an_older_one_does_not_take_the_place_of_a_newer) {
    ReplayGuard guard;
    Directive newer = unsigned_one();
    newer.spec.pcap_filter = "udp";
    sign(newer, signer(), now + 10 * second, 1h);
    EXPECT_TRUE(guard.accept(signed_one(), now + 20 * second));
    EXPECT_TRUE(guard.accept(newer, now + 20 * second));
    EXPECT_THAT(guard.accept(signed_one(), now + 30 * second).error(), HasSubstr("in force already"));
    EXPECT_TRUE(guard.accept(newer, now + 30 * second)) << "delivered again";
    // Of the same second but another text.
    Directive same_second = unsigned_one();
    same_second.spec.pcap_filter = "icmp";
    sign(same_second, signer(), now + 10 * second, 1h);
    EXPECT_FALSE(guard.accept(same_second, now + 30 * second));
    // Another name is another matter.
    Directive named = unsigned_one();
    named.metadata.name = "d";
    sign(named, signer(), now, 1h);
    EXPECT_TRUE(guard.accept(named, now + 30 * second));
}

TEST(DirectiveReplay, a_deleted_one_comes_back_only_by_a_newer_signature) {
    ReplayGuard guard;
    EXPECT_TRUE(guard.accept(signed_one(), now));
    guard.removed("Capture/c");
    guard.removed("Capture/unknown");
    EXPECT_THAT(guard.accept(signed_one(), now).error(), HasSubstr("it was deleted"));
    EXPECT_TRUE(guard.accept(signed_one(now + second), now));
    EXPECT_TRUE(guard.accept(signed_one(now + second), now));
}

TEST(DirectiveReplay, memory_survives_and_is_dropped_when_time_refuses_anyway) {
    ReplayGuard guard;
    EXPECT_TRUE(guard.accept(signed_one(now + second), now));
    guard.removed("Capture/c");
    auto again = ReplayGuard::load(guard.save());
    ASSERT_TRUE(again);
    EXPECT_EQ(again->save(), guard.save());
    EXPECT_FALSE(again->accept(signed_one(now + second), now));
    again->forget(now + 3601 * second);
    EXPECT_EQ(again->size(), 0u);
    for (const char* damaged : {"", "x", "{}", "[]", "{\"seen\":[{}]}",
                                "{\"seen\":[{\"directive\":\"a\",\"issued\":\"x\",\"expires\":\"y\",\"signature\":\"\"}]}"})
        EXPECT_FALSE(ReplayGuard::load(damaged)) << damaged;
}

TEST(DirectiveReplay, memory_is_bounded_and_what_finds_no_room_is_refused) {
    ReplayGuard guard;
    Directive d = signed_one();
    for (size_t i = 0; i < ReplayGuard::max_remembered; ++i) {
        d.metadata.name = std::string(200, 'n') + std::to_string(i);
        ASSERT_TRUE(guard.accept(d, now));
    }
    d.metadata.name = "one-more";
    EXPECT_THAT(guard.accept(d, now).error(), HasSubstr("room"));
    // What it keeps it can read.
    EXPECT_EQ(ReplayGuard::load(guard.save())->size(), ReplayGuard::max_remembered);
    // Expired ones make room.
    d.signature->issued += 3600 * second;
    d.signature->expires += 3600 * second;
    EXPECT_TRUE(guard.accept(d, now + 3600 * second));
    EXPECT_EQ(guard.size(), 1u);
}

}  // namespace
