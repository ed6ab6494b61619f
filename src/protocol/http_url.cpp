#include "protocol/http_url.h"

#include <algorithm>
#include <array>
#include <string>

#include "protocol/http_text.h"

namespace cvf::protocol::http1 {

namespace {

constexpr std::string_view redacted = "REDACTED";

// Keys whose values are secrets, in lower case, shortest first. Signature, sig, AWSAccessKeyId and X-Goog-Signature are
// OpenTelemetry's; the others are what browsers, OAuth 2.0, cloud storage and common frameworks put into URLs.
// clang-format off
constexpr std::array<std::string_view, 43> secret_keys = {
    "sig", "pwd", "jwt", "pass", "auth", "token", "passwd", "secret", "apikey", "api_key", "api-key", "password", "id_token",
    "signature", "authtoken", "sessionid", "phpsessid", "assertion", "x-api-key", "passphrase", "auth_token", "session_id",
    "jsessionid", "csrf_token", "credential", "accesstoken", "private_key", "credentials", "access_token", "access-token",
    "x-auth-token", "samlresponse", "refresh_token", "session_token", "client_secret", "authorization", "awsaccesskeyid",
    "x-amz-signature", "x-goog-signature", "x-amz-credential", "client_assertion", "x-goog-credential",
    "x-amz-security-token",
};
// clang-format on

constexpr size_t longest_key = 20;

// Where the keys of each length begin.
constexpr auto first_of_length = [] {
    std::array<uint8_t, longest_key + 2> first{};
    for (size_t length = 0, at = 0; length < first.size(); ++length) {
        while (at < secret_keys.size() && secret_keys[at].size() < length) ++at;
        first[length] = static_cast<uint8_t>(at);
    }
    return first;
}();
static_assert(first_of_length[longest_key + 1] == secret_keys.size());
static_assert(first_of_length[longest_key] == secret_keys.size() - 1);

bool is_secret_key(std::string_view key) {
    if (key.size() > longest_key) return false;
    for (size_t i = first_of_length[key.size()]; i < first_of_length[key.size() + 1]; ++i)
        if (equal_ignoring_case(key, secret_keys[i])) return true;
    return false;
}

// A key in the form it is sent: "%74oken" is "token" to who receives it.
bool is_secret(std::string_view key, bool escapes) {
    if (!escapes) return is_secret_key(key);
    if (key.size() > 3 * longest_key) return false;
    char decoded[3 * longest_key];
    size_t size = 0;
    for (size_t i = 0; i < key.size(); ++i) {
        const int high = key[i] == '%' && i + 2 < key.size() ? hex_value(key[i + 1]) : -1;
        const int low = high >= 0 ? hex_value(key[i + 2]) : -1;
        decoded[size++] = low >= 0 ? static_cast<char>(high << 4 | low) : key[i];
        if (low >= 0) i += 2;
    }
    return is_secret_key({decoded, size});
}

constexpr bool is_separator(char c) {
    return c == '&' || c == ';';
}

size_t find(std::string_view text, char c, size_t from) {
    if (from >= text.size()) return text.size();
    const void* found = std::memchr(text.data() + from, c, text.size() - from);
    return found ? static_cast<size_t>(static_cast<const char*>(found) - text.data()) : text.size();
}

bool contains(std::string_view text, char c) {
    return find(text, c, 0) < text.size();
}

// Whether any parameter has a secret: the common answer is no, and then nothing need be composed.
bool has_secret(std::string_view text) {
    const bool semicolons = contains(text, ';'), escapes = contains(text, '%');
    for (size_t at = 0; at < text.size();) {
        const size_t equals = find(text, '=', at);
        if (equals == text.size()) return false;
        // Parameters without a value may stand before the key.
        size_t name = equals;
        while (name > at && !is_separator(text[name - 1])) --name;
        if (equals + 1 < text.size() && !is_separator(text[equals + 1]) && is_secret(text.substr(name, equals - name), escapes))
            return true;
        at = find(text, '&', equals);
        if (semicolons) at = std::min(at, find(text, ';', equals));
    }
    return false;
}

std::string_view redact_parameters(std::string_view text, record::Arena& arena) {
    if (!has_secret(text)) return text;
    const bool escapes = contains(text, '%');
    std::string clean;
    for (size_t at = 0; at < text.size();) {
        const size_t name = at;
        while (at < text.size() && text[at] != '=' && !is_separator(text[at])) ++at;
        const bool secret = at < text.size() && text[at] == '=' && is_secret(text.substr(name, at - name), escapes);
        size_t end = at;
        while (end < text.size() && !is_separator(text[end])) ++end;
        if (secret && end > at + 1) {
            clean += text.substr(name, at + 1 - name);
            clean += redacted;
        } else {
            clean += text.substr(name, end - name);
        }
        if (end < text.size()) clean += text[end];
        at = end + 1;
    }
    return arena.copy(clean);
}

// The length of "scheme:" where `text` starts with "scheme://" or "//"; npos for a relative reference.
size_t scheme_end(std::string_view text) {
    if (text.starts_with("//")) return 0;
    size_t n = 0;
    while (n < text.size() && n < 32 &&
           (is_digit(text[n]) || ((text[n] | 0x20) >= 'a' && (text[n] | 0x20) <= 'z') || text[n] == '+'))
        ++n;
    return n > 0 && text.substr(n).starts_with("://") ? n + 1 : std::string_view::npos;
}

}  // namespace

Authority split_authority(std::string_view text) {
    Authority out;
    if (contains(text, '@')) text.remove_prefix(text.rfind('@') + 1);
    // Port: digits after the last ':', which must stand behind the bracket of an IPv6 literal.
    size_t digits = text.size();
    while (digits > 0 && is_digit(text[digits - 1])) --digits;
    if (digits > 0 && text[digits - 1] == ':' && (text.front() == '[' ? digits >= 2 && text[digits - 2] == ']' : true)) {
        uint32_t port = 0;
        for (size_t i = digits; i < text.size() && port <= 0xffff; ++i) port = port * 10 + static_cast<uint32_t>(text[i] - '0');
        if (port <= 0xffff) out.port = static_cast<uint16_t>(port);
        text = text.substr(0, digits - 1);
    }
    if (text.size() >= 2 && text.front() == '[' && text.back() == ']') text = text.substr(1, text.size() - 2);
    out.host = text;
    return out;
}

Target split_target(std::string_view target, bool connect) {
    Target out;
    if (connect) {
        out.authority = split_authority(target);
        return out;
    }
    if (!target.starts_with('/')) {
        if (const size_t scheme = scheme_end(target); scheme != std::string_view::npos && scheme > 0) {
            out.scheme = target.substr(0, scheme - 1);
            target.remove_prefix(scheme + 2);
            const size_t end = std::min(target.find_first_of("/?#"), target.size());
            out.authority = split_authority(target.substr(0, end));
            target.remove_prefix(end);
        }
    }
    // A fragment is never sent by a correct client.
    target = target.substr(0, find(target, '#', 0));
    if (const size_t mark = find(target, '?', 0); mark < target.size()) {
        out.query = target.substr(mark + 1);
        target = target.substr(0, mark);
    }
    out.path = target.empty() ? std::string_view("/") : target;
    return out;
}

std::string_view redact_query(std::string_view query, record::Arena& arena) {
    return redact_parameters(query, arena);
}

std::string_view redact_path(std::string_view path, record::Arena& arena) {
    const size_t at = find(path, ';', 0);
    if (at == path.size()) return path;
    const std::string_view tail = path.substr(at), clean = redact_parameters(tail, arena);
    if (clean.data() == tail.data()) return path;
    std::string whole(path.substr(0, at));
    whole += clean;
    return arena.copy(whole);
}

std::string_view redact_url(std::string_view url, record::Arena& arena) {
    if (!contains(url, '?') && !contains(url, '@') && !contains(url, '#') && !contains(url, ';')) return url;
    const size_t scheme = scheme_end(url);
    size_t path = 0;  // where the path begins
    std::string head;
    if (scheme != std::string_view::npos) {
        const size_t authority = scheme + 2;
        path = std::min(url.find_first_of("/?#", authority), url.size());
        const std::string_view text = url.substr(authority, path - authority);
        if (const size_t at = text.rfind('@'); at != std::string_view::npos) {
            head = url.substr(0, authority);
            head += text.substr(at + 1);
        }
    }
    const size_t mark = url.find_first_of("?#", path);
    const std::string_view path_text = url.substr(path, mark == std::string_view::npos ? mark : mark - path);
    // A fragment may hold an access token (OAuth 2.0's implicit grant puts it there): treated like a query.
    const std::string_view rest = mark == std::string_view::npos ? std::string_view() : url.substr(mark);
    const std::string_view clean_path = redact_path(path_text, arena);
    std::string_view clean_rest = rest;
    std::string composed;
    if (!rest.empty()) {
        const size_t hash = rest.find('#', 1);
        const std::string_view first = rest.substr(1, hash == std::string_view::npos ? hash : hash - 1);
        const std::string_view second = hash == std::string_view::npos ? std::string_view() : rest.substr(hash + 1);
        const std::string_view clean_first = redact_parameters(first, arena), clean_second = redact_parameters(second, arena);
        if (clean_first.data() != first.data() || (!second.empty() && clean_second.data() != second.data())) {
            composed += rest[0];
            composed += clean_first;
            if (hash != std::string_view::npos) {
                composed += '#';
                composed += clean_second;
            }
            clean_rest = composed;
        }
    }
    if (head.empty() && clean_path.data() == path_text.data() && clean_rest.data() == rest.data()) return url;
    if (head.empty()) head = url.substr(0, path);
    head += clean_path;
    head += clean_rest;
    return arena.copy(head);
}

}  // namespace cvf::protocol::http1
