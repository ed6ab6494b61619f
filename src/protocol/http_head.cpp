#include "protocol/http_head.h"

#include <algorithm>
#include <array>

#include "protocol/http_text.h"
#include "protocol/http_trace.h"
#include "protocol/http_url.h"

namespace cvf::protocol::http1 {

namespace {

// Schemes of Authorization that may be named: what is not on the list could be the secret itself.
constexpr std::array<std::string_view, 22> auth_schemes = {
    "Basic",      "Bearer", "Digest",           "Negotiate", "NTLM",         "Kerberos",    "DPoP",
    "GNAP",       "HOBA",   "Mutual",           "OAuth",     "PrivateToken", "SCRAM-SHA-1", "SCRAM-SHA-256",
    "vapid",      "Hawk",   "AWS4-HMAC-SHA256", "AWS",       "Token",        "ApiKey",      "SharedKey",
    "GoogleLogin"};

// The value of header `lower` when `line` is one.
template <size_t N>
inline bool named(std::string_view line, const char (&lower)[N]) {
    return line.size() >= N && line[N - 1] == ':' && same_ignoring_case(line.data(), lower);
}

inline std::string_view value_of(std::string_view line, size_t name_size) {
    const char* p = line.data() + name_size + 1;
    const char* end = line.data() + line.size();
    while (p < end && is_blank(*p)) ++p;
    while (end > p && is_blank(end[-1])) --end;
    return {p, static_cast<size_t>(end - p)};
}

}  // namespace

void Head::begin() {
    size = 0;
    minor_version = 1;
    status = 0;
    method = Method::other;
    port = 0;
    expect_continue = tunnel_made = shortened = repeated = absolute = false;
    has_length = has_transfer_encoding = chunked = false;
    length = 0;
    violation = {};
    seen_ = 0;
    count_ = 0;
    host_header_ = last_kept_ = false;
    scratch_.reset();
}

Head::Parsed Head::parse_request(std::string_view bytes, bool cut) {
    begin();
    const char* line = bytes.data() + empty_lines(bytes);
    const char* end = bytes.data() + bytes.size();
    const char* newline = find_newline(line, end);
    if (!newline) return cut ? Parsed::malformed : Parsed::incomplete;
    if (!request_line(without_end(line, newline))) return Parsed::malformed;
    return header_lines<true>(bytes.data(), newline + 1, end, cut);
}

Head::Parsed Head::parse_response(std::string_view bytes, bool cut) {
    begin();
    const char* line = bytes.data() + empty_lines(bytes);
    const char* end = bytes.data() + bytes.size();
    const char* newline = find_newline(line, end);
    if (!newline) return cut ? Parsed::malformed : Parsed::incomplete;
    if (!status_line(without_end(line, newline))) return Parsed::malformed;
    return header_lines<false>(bytes.data(), newline + 1, end, cut);
}

template <bool request>
Head::Parsed Head::header_lines(const char* start, const char* at, const char* end, bool cut) {
    for (;;) {
        const char* newline = find_newline(at, end);
        if (!newline) {
            if (!cut) return Parsed::incomplete;
            break;
        }
        const char* line = at;
        at = newline + 1;
        const char* line_end = newline > line && newline[-1] == '\r' ? newline - 1 : newline;
        if (line_end == line) break;
        if (is_blank(*line)) [[unlikely]] {
            unfold(line, line_end);
            continue;
        }
        last_kept_ = false;
        header<request>({line, static_cast<size_t>(line_end - line)});
    }
    size = static_cast<size_t>(at - start);
    if (has_transfer_encoding) {
        if (has_length) violate("Content-Length beside Transfer-Encoding");
        if (minor_version == 0) violate("Transfer-Encoding in HTTP/1.0");
        if (request && !chunked) violate("request with a Transfer-Encoding that does not end in chunked");
    }
    return Parsed::complete;
}

// One line, not empty. The switch leaves one or two names to compare with, and the place of the colon rules those out before any
// character is compared.
template <bool request>
void Head::header(std::string_view line) {
    switch (line[0] | 0x20) {
        case 'a':
            if (request && named(line, "authorization")) set_auth(value_of(line, 13));
            return;
        case 'b':
            if (request && named(line, "b3")) {
                const TraceContext trace = parse_b3(value_of(line, 2));
                set_trace(trace.trace_id, trace.span_id);
            }
            return;
        case 'c':
            if (named(line, "content-length")) return set_length(value_of(line, 14));
            if (named(line, "content-type")) return add(Slot::content_type, value_of(line, 12));
            if (named(line, "content-encoding")) return add(Slot::content_encoding, value_of(line, 16));
            if (!request && named(line, "content-range")) return add(Slot::content_range, value_of(line, 13));
            if (line.size() > 15 && is_blank(line[14]) && same_ignoring_case(line.data(), "content-length"))
                if (const size_t colon = blank_before_colon(line)) set_length(value_of(line, colon));
            return;
        case 'e':
            if (request && named(line, "expect")) expect_continue = is_ignoring_case(value_of(line, 6), "100-continue");
            return;
        case 'f':
            if (request && named(line, "forwarded")) add(Slot::forwarded, value_of(line, 9));
            return;
        case 'h':
            if (request && named(line, "host")) set_host(value_of(line, 4));
            return;
        case 'l':
            if (!request && named(line, "location")) add_url(Slot::location, value_of(line, 8));
            return;
        case 'o':
            if (request && named(line, "origin")) add_url(Slot::origin, value_of(line, 6));
            return;
        case 'p':
            if (request && named(line, "proxy-authorization")) set_auth(value_of(line, 19));
            return;
        case 'r':
            if (request && named(line, "referer")) return add_url(Slot::referer, value_of(line, 7));
            if (request && named(line, "range")) return add(Slot::range, value_of(line, 5));
            if (!request && named(line, "retry-after")) add(Slot::retry_after, value_of(line, 11));
            return;
        case 's':
            if (!request && named(line, "server")) add(Slot::server, value_of(line, 6));
            return;
        case 't':
            if (named(line, "transfer-encoding")) return set_transfer_encoding(value_of(line, 17));
            if (request && named(line, "traceparent")) {
                const TraceContext trace = parse_traceparent(value_of(line, 11));
                return set_trace(trace.trace_id, trace.span_id);
            }
            if (line.size() > 18 && is_blank(line[17]) && same_ignoring_case(line.data(), "transfer-encoding"))
                if (const size_t colon = blank_before_colon(line)) set_transfer_encoding(value_of(line, colon));
            return;
        case 'u':
            if (request && named(line, "user-agent")) return add(Slot::user_agent, value_of(line, 10));
            if (named(line, "upgrade")) add(Slot::upgrade, value_of(line, 7));
            return;
        case 'v':
            if (named(line, "via")) add(Slot::via, value_of(line, 3));
            return;
        case 'x':
            return extension_header<request>(line);
        default:
            if (!is_token_char(line[0])) violate("header line without a name");
            return;
    }
}

template <bool request>
void Head::extension_header(std::string_view line) {
    if (named(line, "x-request-id")) return add(Slot::x_request_id, value_of(line, 12));
    if constexpr (request) {
        if (named(line, "x-forwarded-for")) return add(Slot::x_forwarded_for, value_of(line, 15));
        if (named(line, "x-forwarded-host")) return add(Slot::x_forwarded_host, value_of(line, 16));
        if (named(line, "x-forwarded-proto")) return add(Slot::x_forwarded_proto, value_of(line, 17));
        if (named(line, "x-real-ip")) return add(Slot::x_real_ip, value_of(line, 9));
        if (named(line, "x-b3-traceid")) return set_trace(value_of(line, 12), {});
        if (named(line, "x-b3-spanid")) return set_trace({}, value_of(line, 11));
    } else {
        if (named(line, "x-cache")) return add(Slot::x_cache, value_of(line, 7));
        if (named(line, "x-envoy-upstream-service-time")) return add(Slot::envoy_time, value_of(line, 29));
    }
}

// A blank there hides a framing header from one reader and not from another (RFC 9112 section 5.1). The place of the colon, or 0.
size_t Head::blank_before_colon(std::string_view line) {
    violate("blank between a header's name and its colon");
    const size_t colon = line.find(':');
    return colon == std::string_view::npos ? 0 : colon;
}

// A folded line belongs to the value before it (RFC 9112 section 5.2): replaced by what a reader must take it for, one space.
void Head::unfold(const char* line, const char* line_end) {
    violate("folded header line");
    if (!last_kept_) return;
    const std::string_view text = items_[count_ - 1].text();
    const std::string_view more = trim({line, static_cast<size_t>(line_end - line)});
    if (text.size() + more.size() >= max_value) {
        shortened = true;
        return;
    }
    char* joined = static_cast<char*>(scratch_.take(text.size() + 1 + more.size(), 1));
    std::memcpy(joined, text.data(), text.size());
    joined[text.size()] = ' ';
    std::memcpy(joined + text.size() + 1, more.data(), more.size());
    items_[count_ - 1].data = joined;
    items_[count_ - 1].size = static_cast<uint32_t>(text.size() + 1 + more.size());
}

void Head::add(Slot slot, std::string_view value) {
    if (value.size() > max_value && slot != Slot::path && slot != Slot::query) {
        value = value.substr(0, max_value);
        shortened = true;
    }
    const uint64_t bit = uint64_t{1} << static_cast<unsigned>(slot);
    if (seen_ & bit) {
        if (!may_repeat(slot)) return;
        repeated = true;
    }
    if (count_ == max_items) {
        shortened = true;
        return;
    }
    seen_ |= bit;
    items_[count_++] = {value.data(), static_cast<uint32_t>(value.size()), slot};
    // Rewritten text is not continued: a secret may be split over folded lines.
    last_kept_ = may_repeat(slot) && slot != Slot::referer && slot != Slot::location && slot != Slot::origin;
}

void Head::add_url(Slot slot, std::string_view value) {
    if (value.size() > max_url) {
        value = value.substr(0, max_url);
        shortened = true;
    }
    add(slot, redact_url(value, scratch_));
}

// One number, or the same number several times (RFC 9112 section 6.3 rule 5).
void Head::set_length(std::string_view value) {
    if (!has_length && !value.empty() && value.size() <= 19) {  // 19 digits fit into 64 bits
        uint64_t number = 0;
        size_t n = 0;
        for (; n < value.size() && is_digit(value[n]); ++n) number = number * 10 + static_cast<uint64_t>(value[n] - '0');
        if (n == value.size()) {
            has_length = true;
            length = number;
            return;
        }
    }
    for (;;) {
        const size_t comma = value.find(',');
        const std::string_view part = trim(value.substr(0, comma));
        uint64_t number = 0;
        bool good = !part.empty() && part.size() <= 19;
        for (char c : part) {
            if (!is_digit(c)) good = false;
            number = number * 10 + static_cast<uint64_t>(c - '0');
        }
        if (!good) {
            violate("Content-Length that is no number");
        } else if (!has_length) {
            has_length = true;
            length = number;
        } else if (number != length) {
            violate("Content-Lengths that differ");
        }
        if (comma == std::string_view::npos) return;
        value.remove_prefix(comma + 1);
    }
}

void Head::set_transfer_encoding(std::string_view value) {
    add(Slot::transfer_encoding, value);
    const size_t comma = value.rfind(',');
    const std::string_view last = trim(comma == std::string_view::npos ? value : value.substr(comma + 1));
    if (is_ignoring_case(last, "identity")) return;  // RFC 2616's name for nothing
    has_transfer_encoding = true;
    chunked = is_ignoring_case(last, "chunked");
}

void Head::set_host(std::string_view value) {
    if (host_header_) violate("more than one Host");
    host_header_ = true;
    if (has(Slot::host)) return;  // the target's own host stands above Host (RFC 9112 section 3.2.2)
    const Authority authority = split_authority(value);
    if (authority.host.empty()) return;
    port = authority.port;
    add(Slot::host, authority.host);
    last_kept_ = false;
}

void Head::set_auth(std::string_view value) {
    const std::string_view scheme = value.substr(0, value.find(' '));
    std::string_view name = "_OTHER";
    if (scheme.size() < value.size() || is_ignoring_case(scheme, "negotiate"))
        for (std::string_view known : auth_schemes)
            if (equal_ignoring_case(known, scheme)) name = known;
    add(Slot::auth_scheme, name);
}

void Head::set_trace(std::string_view trace_id, std::string_view span_id) {
    const auto lower = [this](std::string_view text) {
        char* out = static_cast<char*>(scratch_.take(text.size(), 1));
        for (size_t i = 0; i < text.size(); ++i) out[i] = to_lower(text[i]);
        return std::string_view(out, text.size());
    };
    const auto plain = [&lower](std::string_view text) {
        for (char c : text)
            if (c >= 'A' && c <= 'F') return lower(text);
        return text;
    };
    // The two name one context: the first header that has both wins, over one half of another, too.
    if (has(Slot::trace_id) && has(Slot::span_id)) return;
    const bool trace = is_trace_id(trace_id), span = is_span_id(span_id);
    if (trace && span) {
        drop(Slot::trace_id);
        drop(Slot::span_id);
    }
    if (trace) add(Slot::trace_id, plain(trace_id));
    if (span) add(Slot::span_id, plain(span_id));
}

void Head::drop(Slot slot) {
    if (!has(slot)) return;
    seen_ &= ~(uint64_t{1} << static_cast<unsigned>(slot));
    const auto items = std::remove_if(items_, items_ + count_, [slot](const Item& item) { return item.slot == slot; });
    count_ = static_cast<decltype(count_)>(items - items_);
}

}  // namespace cvf::protocol::http1
