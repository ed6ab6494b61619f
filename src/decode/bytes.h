// Bytes from outside, and the one way to read them: bounds-checked, big-endian unless the name says little.
//
// A Reader never reads past its end. Reading too much gives zeros and sets `failed()`, once and for good, so a parser may read a
// whole header and check once. Nothing is copied or owned.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace cvf::decode {

using Bytes = std::span<const uint8_t>;

inline uint16_t load_be16(const uint8_t* p) {
    uint16_t v;
    std::memcpy(&v, p, 2);
    return __builtin_bswap16(v);
}
inline uint32_t load_be24(const uint8_t* p) {
    return static_cast<uint32_t>(p[0]) << 16 | static_cast<uint32_t>(p[1]) << 8 | p[2];
}
inline uint32_t load_be32(const uint8_t* p) {
    uint32_t v;
    std::memcpy(&v, p, 4);
    return __builtin_bswap32(v);
}
inline uint64_t load_be64(const uint8_t* p) {
    uint64_t v;
    std::memcpy(&v, p, 8);
    return __builtin_bswap64(v);
}
inline uint16_t load_le16(const uint8_t* p) {
    return static_cast<uint16_t>(p[1] << 8 | p[0]);
}
inline uint32_t load_le32(const uint8_t* p) {
    uint32_t v;
    std::memcpy(&v, p, 4);
    return v;
}

inline std::string_view as_text(Bytes b) {
    return {reinterpret_cast<const char*>(b.data()), b.size()};
}

class Reader {
 public:
    explicit Reader(Bytes bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

    size_t left() const { return static_cast<size_t>(end_ - at_); }
    bool failed() const { return failed_; }
    bool ok() const { return !failed_; }

    uint8_t u8() { return need(1) ? *at_++ : 0; }
    uint16_t u16() {
        if (!need(2)) return 0;
        at_ += 2;
        return load_be16(at_ - 2);
    }
    uint32_t u24() { return need(3) ? (at_ += 3, load_be24(at_ - 3)) : 0; }
    uint32_t u32() { return need(4) ? (at_ += 4, load_be32(at_ - 4)) : 0; }
    uint64_t u64() { return need(8) ? (at_ += 8, load_be64(at_ - 8)) : 0; }
    uint16_t little_u16() {
        if (!need(2)) return 0;
        at_ += 2;
        return load_le16(at_ - 2);
    }
    uint32_t little_u32() { return need(4) ? (at_ += 4, load_le32(at_ - 4)) : 0; }
    Bytes take(size_t n) { return need(n) ? (at_ += n, Bytes(at_ - n, n)) : Bytes(); }
    Bytes rest() { return take(left()); }
    void skip(size_t n) {
        if (need(n)) at_ += n;
    }
    // A Reader over the next n bytes, which this one passes. Failed when they are not there.
    Reader sub(size_t n) {
        Reader r(take(n));
        r.failed_ = failed_;
        return r;
    }
    const uint8_t* position() const { return at_; }

 private:
    bool need(size_t n) {
        if (left() >= n) return true;
        failed_ = true;
        at_ = end_;
        return false;
    }
    const uint8_t* at_;
    const uint8_t* end_;
    bool failed_ = false;
};

}  // namespace cvf::decode
