// The head of an HTTP/1 message — first line and header section — in one pass.
//
// RFC 9112 sections 2 to 6, read as liberally as its security notes allow: empty lines before a request, lines that end in LF
// alone, folded header lines. What can make two readers disagree about where a message ends is parsed in the way RFC 9112
// section 6.3 gives precedence to, and named in `violation`.
//
// Only headers on the list (Slot) are kept. Everything points into the bytes given, or into the head's own arena.
#pragma once

#include <cstdint>
#include <string_view>

#include "protocol/dissector.h"
#include "record/record.h"

namespace cvf::protocol::http1 {

// The texts of a head that can stand on a record.
enum class Slot : uint8_t {
    // At most one of each.
    method_original,
    scheme,
    path,
    query,
    host,
    user_agent,
    auth_scheme,
    trace_id,
    span_id,
    // Header fields that may come several times.
    content_type,
    content_encoding,
    transfer_encoding,
    range,
    content_range,
    referer,
    location,
    origin,
    server,
    upgrade,
    via,
    forwarded,
    x_forwarded_for,
    x_forwarded_host,
    x_forwarded_proto,
    x_real_ip,
    x_request_id,
    x_cache,
    retry_after,
    envoy_time,
    count
};
constexpr bool may_repeat(Slot slot) {
    return slot >= Slot::content_type;
}

// Left uninitialized on purpose: a head makes room for many and uses few.
struct Item {
    const char* data;
    uint32_t size;
    Slot slot;
    std::string_view text() const { return {data, size}; }
};

enum class Method : uint8_t { other, get, head, post, put, del, connect, options, trace, patch };
std::string_view method_name(Method method);

// Longest URL and header value recorded, in bytes.
inline constexpr size_t max_url = 8 * 1024;
inline constexpr size_t max_value = 1024;

class Head {
 public:
    static constexpr uint8_t simple = 10;  // in the place of a minor version

    enum class Parsed : uint8_t { complete, incomplete, malformed };

    // Reads a head from the start of `bytes`. `cut`: no more bytes will come, take what whole lines there are. When incomplete,
    // nothing in here means anything.
    Parsed parse_request(std::string_view bytes, bool cut);
    Parsed parse_response(std::string_view bytes, bool cut);
    // A request of HTTP/0.9, which is all of `bytes`: "GET /path" and no more. False when it is none.
    bool parse_simple_request(std::string_view bytes);

    std::span<const Item> items() const { return {items_, count_}; }
    bool has(Slot slot) const { return seen_ >> static_cast<unsigned>(slot) & 1; }

    // Set by parse_…().
    size_t size;            // bytes of the head with its empty line, and empty lines before it
    uint8_t minor_version;  // simple: HTTP/0.9
    uint16_t status;
    Method method;
    uint16_t port;  // beside the host; 0: not written
    bool expect_continue;
    bool tunnel_made;  // the reason phrase of CONNECT's answer, the only sign of it when the request was not seen
    bool shortened;
    bool absolute;  // the target had a scheme
    bool repeated;  // some header stands more than once
    // Framing.
    bool has_length;
    bool has_transfer_encoding;
    bool chunked;  // the last transfer coding
    uint64_t length;
    std::string_view violation;  // the first one; constant text

 private:
    void begin();
    bool request_line(std::string_view line);
    void set_target(std::string_view target);
    bool status_line(std::string_view line);
    template <bool request>
    Parsed header_lines(const char* start, const char* at, const char* end, bool cut);
    template <bool request>
    void header(std::string_view line);
    template <bool request>
    void extension_header(std::string_view line);
    size_t blank_before_colon(std::string_view line);
    void unfold(const char* line, const char* line_end);
    void add(Slot slot, std::string_view value);
    void add_url(Slot slot, std::string_view value);
    void set_length(std::string_view value);
    void set_transfer_encoding(std::string_view value);
    void set_host(std::string_view value);
    void set_auth(std::string_view value);
    void set_trace(std::string_view trace_id, std::string_view span_id);
    void drop(Slot slot);
    void violate(std::string_view reason) {
        if (violation.empty()) violation = reason;
    }

    static constexpr size_t max_items = 48;
    uint64_t seen_;
    size_t count_;
    bool host_header_;
    bool last_kept_;  // the line before added the newest item
    Item items_[max_items];
    record::Arena scratch_;
};

// Bytes of the empty lines that a head may have before it, at most 8.
size_t empty_lines(std::string_view bytes);

// Judges how a direction begins. `maybe` means more bytes can change it.
Match match_request(std::string_view bytes);
Match match_response(std::string_view bytes);
// The same for finding the way back after lost bytes: only methods in common use count.
Match match_known_request(std::string_view bytes);

}  // namespace cvf::protocol::http1
