// DER, the part that certificates need (X.690 8.1, 10.1): tag, definite length, content. Bounds-checked; nothing is copied.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "decode/bytes.h"

namespace cvf::protocol::x509 {

using decode::Bytes;

namespace tag {
inline constexpr uint8_t boolean = 0x01, integer = 0x02, bit_string = 0x03, octet_string = 0x04, oid = 0x06, utf8_string = 0x0c,
                         printable_string = 0x13, t61_string = 0x14, ia5_string = 0x16, utc_time = 0x17, generalized_time = 0x18,
                         universal_string = 0x1c, bmp_string = 0x1e, sequence = 0x30, set = 0x31;
constexpr uint8_t context(uint8_t n) {
    return static_cast<uint8_t>(0x80 | n);
}
constexpr uint8_t constructed(uint8_t n) {
    return static_cast<uint8_t>(0xa0 | n);
}
}  // namespace tag

struct Element {
    uint8_t tag = 0;
    Bytes content;
    Bytes whole;  // header included
};

class DerReader {
 public:
    explicit DerReader(Bytes bytes) : left_(bytes) {}

    bool at_end() const { return left_.empty(); }
    uint8_t peek() const { return left_.empty() ? 0 : left_[0]; }

    // The next element. False at the end and when it does not fit; then the reader is at its end.
    bool next(Element& out) {
        if (left_.size() < 2) return stop();
        size_t header = 2, length = left_[1];
        if ((left_[0] & 0x1f) == 0x1f) return stop();  // tags of several bytes: none in certificates
        if (length >= 0x80) {
            const size_t octets = length & 0x7f;
            if (octets == 0 || octets > 4 || left_.size() < 2 + octets) return stop();
            length = 0;
            for (size_t i = 0; i < octets; ++i) length = length << 8 | left_[2 + i];
            header += octets;
        }
        if (length > left_.size() - header) return stop();
        out = {left_[0], left_.subspan(header, length), left_.first(header + length)};
        left_ = left_.subspan(header + length);
        return true;
    }
    // The next element's content if it has this tag; otherwise empty, and the element is left there.
    Bytes take(uint8_t wanted) {
        Element e;
        if (peek() != wanted || !next(e)) return {};
        return e.content;
    }

 private:
    bool stop() {
        left_ = {};
        return false;
    }
    Bytes left_;
};

// An object identifier's content octets, as a constant.
template <size_t n>
struct Oid {
    uint8_t bytes[n];
    bool operator==(Bytes other) const { return std::ranges::equal(bytes, other); }
};
template <typename... Byte>
Oid(Byte...) -> Oid<sizeof...(Byte)>;

}  // namespace cvf::protocol::x509
