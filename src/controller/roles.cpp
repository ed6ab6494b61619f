#include "controller/roles.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace cvf::controller {
namespace {

constexpr size_t max_file_bytes = 1 << 20;
constexpr size_t salt_bytes = 16, hash_bytes = 32, token_bytes = 32;
constexpr std::string_view scheme = "sha256:";

std::string hex(std::string_view bytes) {
    std::string out;
    for (char c : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
    return out;
}

std::optional<std::string> bytes_of(std::string_view text, size_t bytes) {
    if (text.size() != bytes * 2) return std::nullopt;
    const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
    std::string out;
    for (size_t i = 0; i < text.size(); i += 2) {
        const int high = digit(text[i]), low = digit(text[i + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        out += static_cast<char>(high * 16 + low);
    }
    return out;
}

std::string hash_of(std::string_view salt, std::string_view token) {
    const std::string text = std::string(salt) + std::string(token);
    unsigned char out[hash_bytes];
    unsigned size = 0;
    if (EVP_Digest(text.data(), text.size(), out, &size, EVP_sha256(), nullptr) != 1 || size != hash_bytes) return {};
    return {reinterpret_cast<const char*>(out), size};
}

std::string_view word(std::string_view& rest) {
    const size_t begin = std::min(rest.find_first_not_of(" \t\r"), rest.size());
    rest.remove_prefix(begin);
    const std::string_view out = rest.substr(0, rest.find_first_of(" \t\r"));
    rest.remove_prefix(out.size());
    return out;
}

uint64_t mark_of(const struct stat& st) {
    uint64_t mark = 14695981039346656037u;
    for (const uint64_t part : {static_cast<uint64_t>(st.st_mtim.tv_sec), static_cast<uint64_t>(st.st_mtim.tv_nsec),
                                static_cast<uint64_t>(st.st_size), static_cast<uint64_t>(st.st_ino)})
        mark = (mark ^ part) * 1099511628211u;
    return mark;
}

}  // namespace

std::optional<Role> role_by_name(std::string_view name) {
    const auto* at = std::ranges::find(role_names, name);
    if (at == std::end(role_names)) return std::nullopt;
    return static_cast<Role>(at - std::begin(role_names));
}

bool valid_name(std::string_view name) {
    return !name.empty() && name.size() <= 128 && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view("._-@:/").find(c) != std::string_view::npos;
    });
}

std::expected<Roles, std::string> Roles::parse(std::string_view text) {
    if (text.size() > max_file_bytes) return std::unexpected("larger than 1 MiB");
    Roles out;
    for (size_t number = 1; !text.empty(); number++) {
        std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        line = line.substr(0, line.find('#'));
        const std::string_view name = word(line), role_name = word(line), credential = word(line), more = word(line);
        if (name.empty()) continue;
        const auto wrong = [&](std::string_view what) { return std::unexpected(fmt::format("line {}: {}", number, what)); };
        if (credential.empty() || !more.empty()) return wrong("NAME ROLE HASH is wanted, or NAME ROLE cert");
        if (!valid_name(name)) return wrong("a name has letters, digits and . _ - @ : / alone, at most 128");
        const auto role = role_by_name(role_name);
        if (!role) return wrong("the role is viewer, operator or plaintext-operator");
        if (out.entries_.size() == max_entries) return wrong(fmt::format("more than {} entries", max_entries));
        for (const Entry& other : out.entries_)
            if (other.who.name == name && other.who.role != *role) return wrong(fmt::format("{} has another role above", name));
        Entry entry{{std::string(name), *role}, credential == "cert", {}, {}};
        if (!entry.certificate) {
            constexpr auto what = "the hash is not as `cvf token` writes it: sha256:SALT:HASH";
            if (!credential.starts_with(scheme)) return wrong(what);
            const std::string_view hashed = credential.substr(scheme.size());
            const size_t colon = hashed.find(':');
            if (colon == std::string_view::npos) return wrong(what);
            auto salt = bytes_of(hashed.substr(0, colon), salt_bytes);
            auto hash = bytes_of(hashed.substr(colon + 1), hash_bytes);
            if (!salt || !hash) return wrong(what);
            entry.salt = std::move(*salt);
            entry.hash = std::move(*hash);
        }
        out.entries_.push_back(std::move(entry));
    }
    return out;
}

std::optional<Identity> Roles::by_token(std::string_view token) const {
    if (token.empty() || token.size() > 1024) return std::nullopt;
    const Entry* found = nullptr;
    for (const Entry& entry : entries_) {
        if (entry.certificate) continue;
        const std::string hash = hash_of(entry.salt, token);
        if (hash.size() == hash_bytes && CRYPTO_memcmp(hash.data(), entry.hash.data(), hash_bytes) == 0) found = &entry;
    }
    return found ? std::optional(found->who) : std::nullopt;
}

std::optional<Identity> Roles::by_certificate(std::string_view common_name) const {
    if (common_name.empty()) return std::nullopt;
    for (const Entry& entry : entries_)
        if (entry.certificate && entry.who.name == common_name) return entry.who;
    return std::nullopt;
}

std::expected<std::unique_ptr<RolesFile>, std::string> RolesFile::open(std::string path,
                                                                       std::function<void(const std::string&)> complain,
                                                                       std::chrono::milliseconds look_again) {
    std::unique_ptr<RolesFile> file(new RolesFile(std::move(path), std::move(complain), look_again));
    if (auto good = file->read(); !good) return std::unexpected(std::move(good.error()));
    return file;
}

std::expected<void, std::string> RolesFile::read() {
    const int fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    const auto failed = [&](int error) {
        return std::unexpected(fmt::format("{}: {}", path_, std::generic_category().message(error)));
    };
    if (fd < 0) return failed(errno);
    struct stat st{};
    std::string text;
    int error = ::fstat(fd, &st) == 0 ? 0 : errno;
    char piece[16 * 1024];
    for (ssize_t n = 1; !error && n > 0 && text.size() <= max_file_bytes;) {
        n = ::read(fd, piece, sizeof piece);
        if (n < 0) error = errno;
        if (n > 0) text.append(piece, static_cast<size_t>(n));
    }
    ::close(fd);
    if (error) return failed(error);
    mark_ = mark_of(st);
    auto roles = Roles::parse(text);
    if (!roles) return std::unexpected(fmt::format("{}: {}", path_, roles.error()));
    roles_ = std::make_shared<const Roles>(std::move(*roles));
    return {};
}

std::shared_ptr<const Roles> RolesFile::current() {
    const std::lock_guard lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    if (now - looked_ < look_again_) return roles_;
    looked_ = now;
    struct stat st{};
    const uint64_t mark = ::stat(path_.c_str(), &st) == 0 ? mark_of(st) : 0;
    if (mark == mark_) return roles_;
    mark_ = mark;  // told once for each state of the file
    const auto good = mark ? read() : std::unexpected(fmt::format("{}: it is gone; what it said stays in force", path_));
    if (!good) {
        failed_.fetch_add(1, std::memory_order_relaxed);
        if (complain_) complain_(good.error());
    }
    return roles_;
}

std::expected<NewToken, std::string> new_token(std::string_view name, std::string_view role) {
    if (!valid_name(name)) return std::unexpected("a name has letters, digits and . _ - @ : / alone, at most 128");
    if (!role_by_name(role))
        return std::unexpected(fmt::format("there is no role '{}': viewer, operator and plaintext-operator there are", role));
    char bits[token_bytes + salt_bytes];
    if (::getrandom(bits, sizeof bits, 0) != sizeof bits) return std::unexpected("no random numbers are to be had");
    NewToken out;
    out.token = hex({bits, token_bytes});
    const std::string_view salt(bits + token_bytes, salt_bytes);
    out.line = fmt::format("{} {} {}{}:{}", name, role, scheme, hex(salt), hex(hash_of(salt, out.token)));
    OPENSSL_cleanse(bits, sizeof bits);
    return out;
}

}  // namespace cvf::controller
