#include "protocol/http_url.h"

#include <array>
#include <string>

#include "protocol/http_text.h"

namespace cvf::protocol::http1 {

namespace {

constexpr std::string_view redacted = "REDACTED";

// Keys whose values are secrets, in lower case. The first four are OpenTelemetry's; the others are what browsers, OAuth 2.0,
// cloud storage and common frameworks put into URLs.
constexpr std::array<std::string_view, 45> secret_keys = {"awsaccesskeyid",
                                                          "signature",
                                                          "sig",
                                                          "x-goog-signature",
                                                          "x-amz-signature",
                                                          "x-amz-security-token",
                                                          "x-amz-credential",
                                                          "x-goog-credential",
                                                          "password",
                                                          "passwd",
                                                          "pwd",
                                                          "pass",
                                                          "passphrase",
                                                          "token",
                                                          "access_token",
                                                          "accesstoken",
                                                          "access-token",
                                                          "refresh_token",
                                                          "id_token",
                                                          "auth_token",
                                                          "authtoken",
                                                          "session_token",
                                                          "csrf_token",
                                                          "x-auth-token",
                                                          "sessionid",
                                                          "session_id",
                                                          "jsessionid",
                                                          "phpsessid",
                                                          "sid",
                                                          "secret",
                                                          "client_secret",
                                                          "api_key",
                                                          "apikey",
                                                          "api-key",
                                                          "x-api-key",
                                                          "key",
                                                          "auth",
                                                          "authorization",
                                                          "credential",
                                                          "credentials",
                                                          "private_key",
                                                          "jwt",
                                                          "assertion",
                                                          "client_assertion",
                                                          "samlresponse"};

constexpr size_t longest_key = 20;

// For each length, whether any secret key has it: most keys are settled by this alone.
constexpr uint32_t key_lengths = [] {
    uint32_t bits = 0;
    for (std::string_view key : secret_keys) bits |= 1u << key.size();
    return bits;
}();

bool is_secret(std::string_view key) {
    if (key.size() > longest_key || (key_lengths >> key.size() & 1) == 0) return false;
    for (std::string_view secret : secret_keys)
        if (secret.size() == key.size() && secret[0] == to_lower(key[0]) && equal_ignoring_case(key, secret)) return true;
    return false;
}

// Calls visit(text up to and with '=', value) for each parameter; the first argument takes the separator before it along.
template <typename Visit>
void each_parameter(std::string_view text, Visit visit) {
    size_t at = 0;
    while (at < text.size()) {
        const size_t name = at + (text[at] == '&' || text[at] == ';' ? 1 : 0);
        size_t end = name, equals = std::string_view::npos;
        for (; end < text.size() && text[end] != '&' && text[end] != ';'; ++end)
            if (text[end] == '=' && equals == std::string_view::npos) equals = end;
        if (equals == std::string_view::npos)
            visit(text.substr(at, end - at), std::string_view(), std::string_view());
        else
            visit(text.substr(at, equals + 1 - at), text.substr(name, equals - name), text.substr(equals + 1, end - equals - 1));
        at = end;
    }
}

std::string_view redact_parameters(std::string_view text, record::Arena& arena) {
    bool found = false;
    each_parameter(text, [&](std::string_view, std::string_view key, std::string_view value) {
        found = found || (!value.empty() && is_secret(key));
    });
    if (!found) return text;
    std::string clean;
    each_parameter(text, [&](std::string_view lead, std::string_view key, std::string_view value) {
        clean += lead;
        clean += !value.empty() && is_secret(key) ? redacted : value;
    });
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
    if (const size_t at = text.rfind('@'); at != std::string_view::npos) text.remove_prefix(at + 1);
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
    if (const void* hash = std::memchr(target.data(), '#', target.size()))
        target = target.substr(0, static_cast<size_t>(static_cast<const char*>(hash) - target.data()));
    if (const void* mark = std::memchr(target.data(), '?', target.size())) {
        const size_t at = static_cast<size_t>(static_cast<const char*>(mark) - target.data());
        out.query = target.substr(at + 1);
        out.has_query = true;
        target = target.substr(0, at);
    }
    out.path = target.empty() ? std::string_view("/") : target;
    return out;
}

std::string_view redact_query(std::string_view query, record::Arena& arena) {
    return redact_parameters(query, arena);
}

std::string_view redact_path(std::string_view path, record::Arena& arena) {
    const void* found = std::memchr(path.data(), ';', path.size());
    if (!found) return path;
    const size_t at = static_cast<size_t>(static_cast<const char*>(found) - path.data());
    const std::string_view tail = path.substr(at), clean = redact_parameters(tail, arena);
    if (clean.data() == tail.data()) return path;
    std::string whole(path.substr(0, at));
    whole += clean;
    return arena.copy(whole);
}

std::string_view redact_url(std::string_view url, record::Arena& arena) {
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
