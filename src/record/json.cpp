#include "record/json.h"

#include <array>
#include <charconv>
#include <cmath>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "record/text.h"

namespace cvf::record {

namespace {

constexpr char hex_digits[] = "0123456789abcdef";

// What JSON must escape, or bytes that need a look for UTF-8: everything else is copied.
constexpr auto plain = [] {
    std::array<bool, 256> t{};
    for (int c = 0x20; c < 0x7f; c++) t[static_cast<size_t>(c)] = c != '"' && c != '\\';
    return t;
}();

// Bytes of the well-formed UTF-8 sequence at `p` (RFC 3629), 0 when there is none.
size_t utf8_length(const uint8_t* p, size_t left) {
    auto tail = [&](size_t i) { return (p[i] & 0xc0) == 0x80; };
    if (p[0] >= 0xc2 && p[0] <= 0xdf) return left >= 2 && tail(1) ? 2 : 0;
    if ((p[0] & 0xf0) == 0xe0) {
        if (left < 3 || !tail(1) || !tail(2)) return 0;
        if (p[0] == 0xe0 && p[1] < 0xa0) return 0;   // overlong
        if (p[0] == 0xed && p[1] >= 0xa0) return 0;  // surrogate
        return 3;
    }
    if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        if (left < 4 || !tail(1) || !tail(2) || !tail(3)) return 0;
        if (p[0] == 0xf0 && p[1] < 0x90) return 0;
        if (p[0] == 0xf4 && p[1] >= 0x90) return 0;
        return 4;
    }
    return 0;
}

// Writes one byte or sequence that cannot be copied as it is; returns how many input bytes it took. At most 6 bytes of output.
size_t write_special(const uint8_t* p, size_t left, char*& out) {
    uint8_t c = *p;
    if (c == '"' || c == '\\') {
        *out++ = '\\';
        *out++ = static_cast<char>(c);
        return 1;
    }
    if (c < 0x20 || c == 0x7f) {
        char short_form = c == '\n' ? 'n' : c == '\r' ? 'r' : c == '\t' ? 't' : 0;
        *out++ = '\\';
        if (short_form) {
            *out++ = short_form;
        } else {
            std::memcpy(out, "u00", 3);
            out[3] = hex_digits[c >> 4];
            out[4] = hex_digits[c & 15];
            out += 5;
        }
        return 1;
    }
    if (size_t n = utf8_length(p, left)) {
        std::memcpy(out, p, n);
        out += n;
        return n;
    }
    std::memcpy(out, "\\\\x", 3);
    out[3] = hex_digits[c >> 4];
    out[4] = hex_digits[c & 15];
    out += 5;
    return 1;
}

#if defined(__SSE2__)
constexpr size_t block = 16;
// Copies 16 bytes; true when none of them needs escaping or is outside ASCII.
inline bool copy_block(char* out, const uint8_t* p) {
    const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), v);
    // As signed bytes, control characters and all beyond ASCII are below a space.
    const __m128i low = _mm_cmplt_epi8(v, _mm_set1_epi8(0x20));
    const __m128i special =
        _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))),
                     _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f)));
    return _mm_movemask_epi8(_mm_or_si128(low, special)) == 0;
}
#else
constexpr size_t block = 8;
#endif

template <typename Word>
inline bool copy_word(char* out, const uint8_t* p) {
    constexpr Word ones = static_cast<Word>(0x0101010101010101), highs = static_cast<Word>(0x8080808080808080);
    Word w;
    std::memcpy(&w, p, sizeof w);
    std::memcpy(out, &w, sizeof w);
    auto zero = [](Word x) { return static_cast<Word>((x - ones) & ~x & highs); };
    const Word below_space = static_cast<Word>((w - ones * 0x20) & ~w & highs);
    return ((w & highs) | below_space | zero(w ^ static_cast<Word>(ones * '"')) | zero(w ^ static_cast<Word>(ones * '\\')) |
            zero(w ^ static_cast<Word>(ones * 0x7f))) == 0;
}
#if !defined(__SSE2__)
inline bool copy_block(char* out, const uint8_t* p) {
    return copy_word<uint64_t>(out, p);
}
#endif

// Copies text that needs no escaping; false when it does, and then what was written means nothing. The last block overlaps the
// one before it, so that no text of four bytes or more is looked at byte by byte.
inline bool copy_plain(char* out, const uint8_t* p, size_t n) {
    if (n >= block) {
        const size_t last = n - block;
        for (size_t i = 0; i < last; i += block)
            if (!copy_block(out + i, p + i)) return false;
        return copy_block(out + last, p + last);
    }
    if (n >= 8) return copy_word<uint64_t>(out, p) && copy_word<uint64_t>(out + n - 8, p + n - 8);
    if (n >= 4) return copy_word<uint32_t>(out, p) && copy_word<uint32_t>(out + n - 4, p + n - 4);
    for (size_t i = 0; i < n; i++) {
        if (!plain[p[i]]) return false;
        out[i] = static_cast<char>(p[i]);
    }
    return true;
}

char* write_string(char* out, std::string_view text) {
    *out++ = '"';
    const auto* p = reinterpret_cast<const uint8_t*>(text.data());
    if (copy_plain(out, p, text.size())) [[likely]] {
        out += text.size();
    } else {
        for (const uint8_t* end = p + text.size(); p < end;) {
            if (plain[*p])
                *out++ = static_cast<char>(*p++);
            else
                p += write_special(p, static_cast<size_t>(end - p), out);
        }
    }
    *out++ = '"';
    return out;
}

constexpr size_t string_room(size_t n) {
    return n * 6 + 2;
}

char* write_hex(char* out, std::span<const uint8_t> bytes) {
    *out++ = '"';
    for (uint8_t b : bytes) {
        *out++ = hex_digits[b >> 4];
        *out++ = hex_digits[b & 15];
    }
    *out++ = '"';
    return out;
}

// Room a value needs at most, key apart.
size_t room(const Value& v) {
    switch (v.kind) {
        case Kind::text:
            return string_room(v.size);
        case Kind::hex:
            return v.size * 2 + 2;
        case Kind::list_text:
        case Kind::map: {
            size_t n = 4;
            for (size_t i = 0; i < (v.kind == Kind::map ? v.size * 2 : v.size); i++) n += string_room(v.items[i].size) + 1;
            return n;
        }
        case Kind::list_uint:
            return v.size * 21 + 4;
        case Kind::list_ip:
            return v.size * 48 + 4;
        default:
            return 48;
    }
}

char* write_value(char* out, const Value& v) {
    switch (v.kind) {
        case Kind::text:
            return write_string(out, v.as_text());
        case Kind::uint:
            return write_uint(out, v.uint);
        case Kind::sint:
            return std::to_chars(out, out + 24, v.sint).ptr;
        case Kind::real:
            return std::to_chars(out, out + 32, v.real).ptr;
        case Kind::flag: {
            std::string_view word = v.flag ? "true" : "false";
            std::memcpy(out, word.data(), word.size());
            return out + word.size();
        }
        case Kind::ip:
            *out++ = '"';
            out = write_ip(out, {v.inline_bytes, v.short_size});
            *out++ = '"';
            return out;
        case Kind::mac:
            *out++ = '"';
            out = write_mac(out, v.inline_bytes);
            *out++ = '"';
            return out;
        case Kind::time:
            *out++ = '"';
            out = write_time(out, v.sint);
            *out++ = '"';
            return out;
        case Kind::hex:
            return write_hex(out, {v.bytes, v.size});
        case Kind::list_text:
        case Kind::list_uint:
        case Kind::list_ip:
            *out++ = '[';
            for (size_t i = 0; i < v.size; i++) {
                if (i) *out++ = ',';
                out = write_value(out, v.items[i]);
            }
            *out++ = ']';
            return out;
        case Kind::map:
            *out++ = '{';
            for (size_t i = 0; i < v.size; i++) {
                if (i) *out++ = ',';
                out = write_string(out, v.items[2 * i].as_text());
                *out++ = ':';
                out = write_string(out, v.items[2 * i + 1].as_text());
            }
            *out++ = '}';
            return out;
    }
    return out;
}

bool always_written(Field f) {
    return f == Field::timestamp || f == Field::record_type || f == Field::record_id || f == Field::flow_id;
}

inline char* write_key(char* out, Field f) {
    const JsonKey& key = json_key(f);
    std::memcpy(out, key.text, 32);
    if (key.size > 32) [[unlikely]]
        std::memcpy(out + 32, key.text + 32, 63);
    return out + key.size;
}

// Where the next byte goes, and where room ends: the buffer's own, kept in registers while a record is written.
struct Cursor {
    Buffer& buffer;
    char* at;
    const char* end;

    explicit Cursor(Buffer& out) : buffer(out), at(out.reserve(1)), end(at + out.room()) {}
    void need(size_t n) {
        if (static_cast<size_t>(end - at) < n) [[unlikely]] {
            buffer.commit(at);
            at = buffer.reserve(n);
            end = at + buffer.room();
        }
    }
};

void write_set(std::span<const Value> values, const Projection* projection, Cursor& c) {
    constexpr size_t key_room = 96;
    for (const Value& v : values) {
        if (projection && !always_written(v.field) && !projection->has(v.field)) continue;
        // Text and counts are what most values are: their writing is worth having here.
        if (v.kind == Kind::text) {
            c.need(key_room + string_room(v.size));
            c.at = write_string(write_key(c.at, v.field), v.as_text());
        } else if (v.kind == Kind::uint) {
            c.need(key_room + 20);
            c.at = write_uint(write_key(c.at, v.field), v.uint);
        } else {
            if (v.kind == Kind::real && !std::isfinite(v.real)) continue;
            c.need(key_room + room(v));
            c.at = write_value(write_key(c.at, v.field), v);
        }
    }
}

}  // namespace

void write_json(const Record& record, const Projection* projection, Buffer& out) {
    const size_t start = out.size();
    Cursor cursor(out);
    write_set(record.values(), projection, cursor);
    for (const FieldSet* set : record.attached()) write_set(set->values(), projection, cursor);
    cursor.need(2);
    cursor.at[0] = '}';
    cursor.at[1] = '\n';
    out.commit(cursor.at + 2);
    out.at(start) = '{';  // every key begins with a comma; that of @timestamp, the first, becomes the brace
}

void write_json_string(std::string_view text, Buffer& out) {
    char* p = out.reserve(string_room(text.size()));
    out.commit(write_string(p, text));
}

}  // namespace cvf::record
