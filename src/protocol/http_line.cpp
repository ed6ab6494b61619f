// First lines: request and status lines (RFC 9112 sections 3 and 4), and how a direction of HTTP/1 begins.
#include <array>

#include "protocol/http_head.h"
#include "protocol/http_text.h"
#include "protocol/http_url.h"

namespace cvf::protocol::http1 {

namespace {

struct KnownMethod {
    std::string_view name;
    Method method;
};
constexpr std::array<KnownMethod, 9> methods = {{{"GET", Method::get},
                                                 {"POST", Method::post},
                                                 {"PUT", Method::put},
                                                 {"HEAD", Method::head},
                                                 {"DELETE", Method::del},
                                                 {"OPTIONS", Method::options},
                                                 {"CONNECT", Method::connect},
                                                 {"PATCH", Method::patch},
                                                 {"TRACE", Method::trace}}};

// " HTTP/1.x", at the end of a request line.
inline bool ends_with_version(std::string_view line) {
    return line.size() >= 9 && load_word(line.data() + line.size() - 9, 8) == load_word(" HTTP/1.", 8) && is_digit(line.back());
}

// The path of a request of HTTP/0.9 that is all of `bytes`: "GET /path", a line end, perhaps an empty line.
std::string_view simple_request(std::string_view bytes) {
    if (!bytes.starts_with("GET /")) return {};
    const char* newline = find_newline(bytes.data(), bytes.data() + bytes.size());
    if (!newline) return {};
    const std::string_view path = without_end(bytes.data() + 4, newline);
    const std::string_view rest = bytes.substr(static_cast<size_t>(newline + 1 - bytes.data()));
    if (!rest.empty() && rest != "\r\n" && rest != "\n") return {};
    for (char c : path)
        if (static_cast<unsigned char>(c) <= ' ') return {};
    return path;
}

}  // namespace

// Empty lines a client may send before its request (RFC 9112 section 2.2).
size_t empty_lines(std::string_view bytes) {
    size_t n = 0;
    while (n < bytes.size() && n < 8 && (bytes[n] == '\r' || bytes[n] == '\n')) ++n;
    return n;
}

std::string_view method_name(Method method) {
    for (const KnownMethod& m : methods)
        if (m.method == method) return m.name;
    return "_OTHER";
}

bool Head::request_line(std::string_view line) {
    while (!line.empty() && is_blank(line.back())) line.remove_suffix(1);
    if (!ends_with_version(line)) return false;
    minor_version = static_cast<uint8_t>(line.back() - '0');
    line.remove_suffix(9);
    size_t n = 0;
    while (n < line.size() && is_token_char(line[n])) ++n;
    if (n == 0 || (n < line.size() && line[n] != ' ')) return false;
    const std::string_view name = line.substr(0, n);
    for (const KnownMethod& m : methods) {
        if (m.name.size() != n || !equal_ignoring_case(m.name, name)) continue;
        method = m.method;
        if (m.name != name) add(Slot::method_original, name);
        break;
    }
    if (method == Method::other) add(Slot::method_original, name);

    const std::string_view target = trim(line.substr(n));
    // Servers answer such a line with 400; a word that is no method before the version is no request at all.
    if (target.empty() && method == Method::other) return false;
    if (target.empty())
        violate("request without a target");
    else
        set_target(target);
    return true;
}

void Head::set_target(std::string_view target) {
    if (std::memchr(target.data(), ' ', target.size())) violate("space in the request target");
    if (target.size() > max_url) {
        target = target.substr(0, max_url);
        shortened = true;
    }
    const Target parts = split_target(target, method == Method::connect);
    if (!parts.scheme.empty()) {
        absolute = true;
        add(Slot::scheme, parts.scheme);
    }
    if (!parts.authority.host.empty()) {
        add(Slot::host, parts.authority.host);
        port = parts.authority.port;
    }
    if (!parts.path.empty()) add(Slot::path, redact_path(parts.path, scratch_));
    if (!parts.query.empty()) add(Slot::query, redact_query(parts.query, scratch_));
}

bool Head::parse_simple_request(std::string_view bytes) {
    const std::string_view path = simple_request(bytes);
    if (path.empty()) return false;
    begin();
    minor_version = simple;
    method = Method::get;
    size = bytes.size();
    set_target(path);
    return true;
}

bool Head::status_line(std::string_view line) {
    size_t at = 9;
    if (line.size() >= 12 && line[0] == 'H') {
        if (load_word(line.data(), 7) != load_word("HTTP/1.", 7) || !is_digit(line[7]) || line[8] != ' ') return false;
        minor_version = static_cast<uint8_t>(line[7] - '0');
    } else {
        if (!line.starts_with("ICY ") || line.size() < 7) return false;
        minor_version = 0;
        at = 4;
    }
    if (!is_digit(line[at]) || !is_digit(line[at + 1]) || !is_digit(line[at + 2])) return false;
    if (line.size() > at + 3 && is_digit(line[at + 3])) return false;  // "HTTP/1.1 2000" is no status line
    status = static_cast<uint16_t>((line[at] - '0') * 100 + (line[at + 1] - '0') * 10 + (line[at + 2] - '0'));
    tunnel_made = line.size() == at + 26 && same_ignoring_case(line.data() + at + 4, "connection") &&
                  same_ignoring_case(line.data() + at + 15, "established");
    return true;
}

Match match_response(std::string_view bytes) {
    constexpr std::string_view form = "HTTP/1.d ddd";
    constexpr std::string_view icy = "ICY ddd";  // SHOUTcast's HTTP/1.0
    if (bytes.empty()) return Match::maybe;
    const std::string_view want = bytes[0] == 'I' ? icy : form;
    for (size_t i = 0; i < want.size(); ++i) {
        if (i == bytes.size()) return Match::maybe;
        if (want[i] == 'd' ? !is_digit(bytes[i]) : bytes[i] != want[i]) return Match::no;
    }
    return bytes.size() > want.size() && is_digit(bytes[want.size()]) ? Match::no : Match::yes;
}

namespace {

// Whether `bytes` begins with a request line. Without its end in sight only a known method with a path or an HTTP URL counts, for
// SIP and RTSP have request lines that differ from HTTP's in the last word alone.
Match match_request_line(std::string_view bytes, bool known_only) {
    constexpr size_t max_method = 32, enough = 128;
    bytes.remove_prefix(empty_lines(bytes));
    if (bytes.empty()) return Match::maybe;
    size_t n = 0;
    while (n < bytes.size() && n <= max_method && is_token_char(bytes[n])) ++n;
    if (n == 0 || n > max_method) return Match::no;
    if (n == bytes.size()) {
        if (!known_only) return Match::maybe;
        for (const KnownMethod& m : methods)
            if (m.name.starts_with(bytes)) return Match::maybe;
        return Match::no;
    }
    if (bytes[n] != ' ') return Match::no;
    const std::string_view name = bytes.substr(0, n);
    bool known = false;
    for (const KnownMethod& m : methods) known = known || m.name == name;
    if (known_only && !known) return Match::no;
    const void* newline = std::memchr(bytes.data() + n, '\n', bytes.size() - n);
    if (newline) {
        std::string_view line = without_end(bytes.data(), static_cast<const char*>(newline));
        while (!line.empty() && is_blank(line.back())) line.remove_suffix(1);
        if (line.size() < n + 9 || !ends_with_version(line))
            return !known_only && !simple_request(bytes).empty() ? Match::yes : Match::no;
        return !known && trim(line.substr(n, line.size() - 9 - n)).empty() ? Match::no : Match::yes;
    }
    const std::string_view target = bytes.substr(n + 1);
    for (char c : target.substr(0, enough))
        if (static_cast<unsigned char>(c) < ' ' && c != '\r') return Match::no;
    if (known && target.size() >= enough && (target[0] == '/' || target.starts_with("http"))) return Match::yes;
    return bytes.size() > max_url * 2 ? Match::no : Match::maybe;
}

}  // namespace

Match match_request(std::string_view bytes) {
    return match_request_line(bytes, false);
}
Match match_known_request(std::string_view bytes) {
    return match_request_line(bytes, true);
}

}  // namespace cvf::protocol::http1
