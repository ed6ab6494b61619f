// Who may do what: roles, and the file that says who has which.
//
//     # name   role                credential
//     grafana  viewer              sha256:0f1e…(32 hex):9a8b…(64 hex)
//     ci       operator            sha256:…
//     alice    plaintext-operator  cert
//
// A line is a name, a role, and either a token's hash or `cert`: a TLS client certificate whose common name is the name. Blanks
// separate, '#' begins a comment. One name may stand in several lines (a token being replaced), with one role.
//
// A token is 256 random bits, so its hash is one salted SHA-256: slow hashes exist for passwords, which can be guessed one after
// the other; 2^256 tokens cannot, however fast. The salt keeps equal tokens from showing. Which entry matched, and where two
// differ, is not told by time: every entry is compared whole.
//
// Thread rule: Roles is a value, made once, read by any thread; RolesFile: any. Limits: max_entries lines that count, 1 MiB of
// text. Errors: one line with the file and the line's number.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cvf::controller {

// In order of power: each may do what those before it may.
enum class Role : uint8_t {
    viewer,              // read
    operator_,           // and apply and delete directives, but for Plaintext; read the audit trail
    plaintext_operator,  // everything
};
inline constexpr std::string_view role_names[] = {"viewer", "operator", "plaintext-operator"};
inline std::string_view name_of(Role role) {
    return role_names[static_cast<size_t>(role)];
}
std::optional<Role> role_by_name(std::string_view name);

struct Identity {
    std::string name;
    Role role = Role::viewer;
};

class Roles {
 public:
    static constexpr size_t max_entries = 1000;

    static std::expected<Roles, std::string> parse(std::string_view text);

    std::optional<Identity> by_token(std::string_view token) const;
    std::optional<Identity> by_certificate(std::string_view common_name) const;
    size_t size() const { return entries_.size(); }

 private:
    struct Entry {
        Identity who;
        bool certificate = false;
        std::string salt, hash;  // bytes
    };
    std::vector<Entry> entries_;
};

// The file, read again when it has changed; one that can't be read any more, or has a mistake, leaves what was read before in
// force.
class RolesFile {
 public:
    static std::expected<std::unique_ptr<RolesFile>, std::string> open(
        std::string path, std::function<void(const std::string&)> complain = {},
        std::chrono::milliseconds look_again = std::chrono::seconds(2));

    std::shared_ptr<const Roles> current();
    uint64_t failed_reloads() const { return failed_.load(std::memory_order_relaxed); }

 private:
    RolesFile(std::string path, std::function<void(const std::string&)> complain, std::chrono::milliseconds look_again)
        : path_(std::move(path)), complain_(std::move(complain)), look_again_(look_again) {}
    std::expected<void, std::string> read();

    const std::string path_;
    const std::function<void(const std::string&)> complain_;
    const std::chrono::milliseconds look_again_;
    std::mutex mutex_;
    std::shared_ptr<const Roles> roles_;
    std::chrono::steady_clock::time_point looked_{};
    uint64_t mark_ = 0;  // of the file as it was when it was read
    std::atomic<uint64_t> failed_{0};
};

// `cvf token --name N --role R`: a token, shown once, and the line for the file.
struct NewToken {
    std::string token;  // 64 hex digits
    std::string line;   // without its end
};
std::expected<NewToken, std::string> new_token(std::string_view name, std::string_view role);

// A name in the file: letters, digits and . _ - @ : /, at most 128.
bool valid_name(std::string_view name);

}  // namespace cvf::controller
