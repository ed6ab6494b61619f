#include "filter/values.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "record/text.h"

namespace cvf::filter {

using record::Kind;
using record::Value;

namespace {

void write_hex(char* out, const uint8_t* bytes, size_t size) {
    for (size_t i = 0; i < size; ++i) {
        *out++ = "0123456789abcdef"[bytes[i] >> 4];
        *out++ = "0123456789abcdef"[bytes[i] & 15];
    }
}

int sign(auto a, auto b) noexcept {
    return a < b ? -1 : a > b ? 1 : 0;
}

// On the number line, without rounding.
int compare_with_real(int64_t a, double b) noexcept {
    if (std::isnan(b)) return 2;
    if (b >= 0x1p63) return -1;
    if (b < -0x1p63) return 1;
    const auto whole = static_cast<int64_t>(b);
    return a != whole ? sign(a, whole) : sign(static_cast<double>(whole), b);
}

int compare_with_real(uint64_t a, double b) noexcept {
    if (std::isnan(b)) return 2;
    if (b >= 0x1p64) return -1;
    if (b < 0) return 1;
    const auto whole = static_cast<uint64_t>(b);
    return a != whole ? sign(a, whole) : sign(static_cast<double>(whole), b);
}

bool is_signed(const Value& v) {
    return v.kind == Kind::sint || v.kind == Kind::time;
}

int reversed(int order) {
    return order == 2 ? 2 : -order;
}

int compare_numbers(const Value& a, const Value& b) noexcept {
    if (is_signed(a)) {
        if (is_signed(b)) return sign(a.sint, b.sint);
        if (b.kind == Kind::uint) return a.sint < 0 ? -1 : sign(static_cast<uint64_t>(a.sint), b.uint);
        if (b.kind == Kind::real) return compare_with_real(a.sint, b.real);
    } else if (a.kind == Kind::uint) {
        if (b.kind == Kind::uint) return sign(a.uint, b.uint);
        if (is_signed(b)) return b.sint < 0 ? 1 : sign(a.uint, static_cast<uint64_t>(b.sint));
        if (b.kind == Kind::real) return compare_with_real(a.uint, b.real);
    } else if (a.kind == Kind::real) {
        if (b.kind == Kind::real) return std::isnan(a.real) || std::isnan(b.real) ? 2 : sign(a.real, b.real);
        if (is_signed(b)) return reversed(compare_with_real(b.sint, a.real));
        if (b.kind == Kind::uint) return reversed(compare_with_real(b.uint, a.real));
    }
    return 2;
}

int compare_texts(const Value& a, const Value& b) noexcept {
    TextBuffer one, other;
    std::string_view left, right;
    if (!as_text(a, one, left) || !as_text(b, other, right)) return 2;
    const int order = left.compare(right);
    return sign(order, 0);
}

int compare_bytes(const Value& a, const Value& b) noexcept {
    if (a.kind != b.kind) return sign(a.kind, b.kind);
    switch (a.kind) {
        case Kind::ip:
            if (a.short_size != b.short_size) return sign(a.short_size, b.short_size);
            return sign(std::memcmp(a.inline_bytes, b.inline_bytes, a.short_size), 0);
        case Kind::mac:
            return sign(std::memcmp(a.inline_bytes, b.inline_bytes, 6), 0);
        case Kind::hex: {
            const size_t common = std::min(a.size, b.size);
            const int order = common == 0 ? 0 : std::memcmp(a.bytes, b.bytes, common);
            return order != 0 ? sign(order, 0) : sign(a.size, b.size);
        }
        default:
            return 2;
    }
}

}  // namespace

bool write_as_text(const Value& v, TextBuffer& buffer, std::string_view& out) noexcept {
    switch (v.kind) {
        case Kind::ip: {
            const char* end = record::write_ip(buffer.bytes, {v.inline_bytes, v.short_size});
            out = {buffer.bytes, static_cast<size_t>(end - buffer.bytes)};
            return true;
        }
        case Kind::mac: {
            const char* end = record::write_mac(buffer.bytes, v.inline_bytes);
            out = {buffer.bytes, static_cast<size_t>(end - buffer.bytes)};
            return true;
        }
        case Kind::hex:
            if (v.size > max_hex_bytes) return false;
            write_hex(buffer.bytes, v.bytes, v.size);
            out = {buffer.bytes, size_t{v.size} * 2};
            return true;
        default:
            return false;
    }
}

int64_t count_characters(std::string_view text) noexcept {
    int64_t n = 0;
    for (size_t i = 0; i < text.size(); ++n) {
        const auto c = static_cast<unsigned char>(text[i]);
        const size_t length = c >= 0xf0 && c <= 0xf4 ? 4 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xc2 && c < 0xe0 ? 2 : 1;
        size_t seen = 1;
        while (seen < length && i + seen < text.size() && (static_cast<unsigned char>(text[i + seen]) & 0xc0) == 0x80) ++seen;
        i += seen == length ? length : 1;
    }
    return n;
}

int compare(Order order, const Value& a, const Value& b) noexcept {
    switch (order) {
        case Order::numbers:
            return compare_numbers(a, b);
        case Order::texts:
            return compare_texts(a, b);
        case Order::bytes:
            return compare_bytes(a, b);
        case Order::flags:
            return sign(a.flag, b.flag);
        case Order::networks: {
            const int addresses = compare_bytes(a, b);
            return addresses != 0 ? addresses : sign(a.size, b.size);
        }
    }
    return 2;
}

}  // namespace cvf::filter
