// DNS messages on the wire: header, names, resource records, and the text they become. Shared by DNS, mDNS and LLMNR.
//
// Sources: RFC 1035 (4.1 message, 4.1.4 compression, 5.1 text form), RFC 2181, RFC 6762 and 6763 4.3 (mDNS and its text form),
// RFC 4795 (LLMNR). Everything borrows the message; nothing throws or allocates except DnsText, which falls back on a record's
// arena.
#pragma once

#include <cstdint>
#include <string_view>

#include "decode/bytes.h"
#include "record/record.h"

namespace cvf::protocol {

using decode::Bytes;

inline constexpr size_t dns_header_size = 12;
inline constexpr size_t dns_max_name = 255;            // bytes on the wire, RFC 1035 2.3.4
inline constexpr size_t dns_name_room = 4 * 256 + 16;  // characters a name can need, each byte as \DDD, and a block behind them

enum class DnsFlavor : uint8_t { unicast, multicast, link_local };  // DNS, mDNS, LLMNR

namespace dns_type {
inline constexpr uint16_t a = 1, ns = 2, cname = 5, soa = 6, ptr = 12, aaaa = 28, srv = 33, nb = 32, nbstat = 33, opt = 41,
                          ixfr = 251, axfr = 252, any = 255;
}
namespace dns_op {
inline constexpr uint8_t query = 0, inverse_query = 1, status = 2, notify = 4, update = 5, stateful = 6;
}

struct DnsHeader {
    uint16_t id, flags, questions, answers, authority, additional;

    // `message` has at least dns_header_size bytes.
    static DnsHeader read(Bytes message) {
        using decode::load_be16;
        const uint8_t* p = message.data();
        return {load_be16(p), load_be16(p + 2), load_be16(p + 4), load_be16(p + 6), load_be16(p + 8), load_be16(p + 10)};
    }
    bool is_response() const { return flags & 0x8000; }
    uint8_t op_code() const { return flags >> 11 & 15; }
    uint8_t response_code() const { return flags & 15; }
    bool authoritative() const { return flags & 0x0400; }  // LLMNR: conflict
    bool truncated() const { return flags & 0x0200; }
    bool recursion_desired() const { return flags & 0x0100; }  // LLMNR: tentative
    bool recursion_available() const { return flags & 0x0080; }
    bool reserved_bit() const { return flags & 0x0040; }
    bool authentic_data() const { return flags & 0x0020; }
    bool checking_disabled() const { return flags & 0x0010; }
};

struct DnsRr {
    uint16_t type, klass;
    uint32_t ttl;
    size_t data, size;  // where the data stands in the message, and its bytes
};

// How a name becomes text: case, and which bytes are escaped.
enum class NameForm : uint8_t {
    lower,      // letters lower-case; all but visible ASCII escaped
    as_sent,    // the same, letters as they are
    utf8,       // mDNS: letters as they are, blanks and UTF-8 stay (RFC 6763 4.3)
    utf8_lower  // the same, ASCII letters lower-case
};

// A cursor over one message. The first fault stays; after it, reads fail.
class DnsReader {
 public:
    // Constant texts for violations.
    static constexpr char ends_early[] = "message ends early";  // one object: ran_out() compares its address

    explicit DnsReader(Bytes message, size_t at = dns_header_size) : message_(message), at_(at) {}

    Bytes message() const { return message_; }
    size_t at() const { return at_; }
    void seek(size_t at) { at_ = at; }
    // Null while all went well.
    const char* fault() const { return fault_; }
    bool ran_out() const { return fault_ == ends_early; }

    // Writes the name here as text, `out` having dns_name_room; the new end of the text, or null. The root is ".". Pointers must
    // go back, each below everything read of this name so far, and are at most 127, so the walk ends soon.
    char* name(char* out, NameForm form);
    // Passes the name here without following its pointer.
    bool skip_name();
    // The fixed part behind a record's name, and its data's place; passes the data.
    bool rr(DnsRr& out);
    bool skip_rr() {
        DnsRr unused;
        return skip_name() && rr(unused);
    }
    bool u16(uint16_t& out);

 private:
    char* fail(const char* reason) {
        fault_ = reason;
        return nullptr;
    }
    Bytes message_;
    size_t at_;
    const char* fault_ = nullptr;
};

// Text under way: a stretch of stack memory first, the arena when that is full. One text at a time; finished ones stay put until
// the object and the arena are gone.
class DnsText {
 public:
    explicit DnsText(record::Arena& arena) : arena_(arena) {}
    DnsText(const DnsText&) = delete;
    DnsText& operator=(const DnsText&) = delete;

    // Where to write the next `n` characters of the text under way (which may move).
    char* room(size_t n) {
        if (static_cast<size_t>(end_ - at_) < n) [[unlikely]]
            grow(n);
        return at_;
    }
    void wrote(char* end) { at_ = end; }
    void add(char c) {
        *room(1) = c;
        ++at_;
    }
    void add(std::string_view text);
    void number(uint64_t n);
    void hex(Bytes bytes, bool upper);
    void base64(Bytes bytes);
    void quoted(Bytes bytes);  // in quotes, with \DDD where needed (RFC 1035 5.1)
    // Ends the text under way.
    std::string_view take() {
        std::string_view text(begin_, static_cast<size_t>(at_ - begin_));
        begin_ = at_;
        return text;
    }
    void drop() { at_ = begin_; }

 private:
    void grow(size_t n);
    record::Arena& arena_;
    char first_[2048];
    char* begin_ = first_;
    char* at_ = first_;
    char* end_ = first_ + sizeof first_;
};

}  // namespace cvf::protocol
