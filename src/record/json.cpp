#include "record/json.h"

#include <array>
#include <charconv>
#include <cmath>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "record/hex.h"
#include "record/text.h"
#include "record/utf8.h"

namespace cvf::record {

namespace {

constexpr char digits[] = "0123456789abcdef";

// What JSON must escape, or bytes that need a look for UTF-8: everything else is copied.
constexpr auto plain = [] {
    std::array<bool, 256> t{};
    for (int c = 0x20; c < 0x7f; c++) t[static_cast<size_t>(c)] = c != '"' && c != '\\';
    return t;
}();

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
            out[3] = digits[c >> 4];
            out[4] = digits[c & 15];
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
    out[3] = digits[c >> 4];
    out[4] = digits[c & 15];
    out += 5;
    return 1;
}

// copy_plain() copies text up to the first byte that must be escaped or is outside ASCII, and returns how many bytes that were:
// all, as a rule. What it writes behind them, up to `n`, means nothing.
#if defined(__SSE2__)
// A bit for each byte that cannot be copied as it is.
inline unsigned specials(__m128i v) {
    // As signed bytes plus one, DEL wraps around to the lowest value: it, control characters and all beyond ASCII are below '!'.
    const __m128i low = _mm_cmplt_epi8(_mm_add_epi8(v, _mm_set1_epi8(1)), _mm_set1_epi8(0x21));
    const __m128i quoted = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
    return static_cast<unsigned>(_mm_movemask_epi8(_mm_or_si128(low, quoted)));
}

inline size_t first_bit(unsigned bits) {
    return static_cast<size_t>(__builtin_ctz(bits));
}

// Text shorter than a block is judged as one block too, made of its first and its last bytes, which may overlap.
inline size_t copy_plain(char* out, const uint8_t* p, size_t n) {
    if (n >= 16) {
        size_t i = 0;
        for (const size_t last = n - 16;; i = i + 16 < last ? i + 16 : last) {
            const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + i));
            _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), v);
            if (const unsigned found = specials(v)) [[unlikely]]
                return i + first_bit(found);
            if (i == last) return n;
        }
    }
    if (n >= 8) {
        const __m128i head = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
        const __m128i tail = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p + n - 8));
        _mm_storel_epi64(reinterpret_cast<__m128i*>(out), head);
        _mm_storel_epi64(reinterpret_cast<__m128i*>(out + n - 8), tail);
        const unsigned found = specials(_mm_unpacklo_epi64(head, tail));
        if (found == 0) [[likely]]
            return n;
        return found & 0xff ? first_bit(found) : n - 16 + first_bit(found);
    }
    if (n >= 4) {
        int head, tail;
        std::memcpy(&head, p, 4);
        std::memcpy(&tail, p + n - 4, 4);
        std::memcpy(out, &head, 4);
        std::memcpy(out + n - 4, &tail, 4);
        const unsigned found = specials(_mm_unpacklo_epi32(_mm_cvtsi32_si128(head), _mm_cvtsi32_si128(tail))) & 0xff;
        if (found == 0) [[likely]]
            return n;
        return found & 0xf ? first_bit(found) : n - 8 + first_bit(found);
    }
    if (n == 0) return 0;
    // One to three: the first, the middle and the last are all there are.
    const uint8_t first = p[0], middle = p[n / 2], last = p[n - 1];
    out[0] = static_cast<char>(first);
    out[n / 2] = static_cast<char>(middle);
    out[n - 1] = static_cast<char>(last);
    if (plain[first] && plain[middle] && plain[last]) [[likely]]
        return n;
    return !plain[first] ? 0 : !plain[middle] ? n / 2 : n - 1;
}
#else
inline bool copy_word(char* out, const uint8_t* p) {
    constexpr uint64_t ones = 0x0101010101010101, highs = 0x8080808080808080;
    uint64_t w;
    std::memcpy(&w, p, sizeof w);
    std::memcpy(out, &w, sizeof w);
    auto zero = [](uint64_t x) { return (x - ones) & ~x & highs; };
    const uint64_t below_space = (w - ones * 0x20) & ~w & highs;
    return ((w & highs) | below_space | zero(w ^ ones * '"') | zero(w ^ ones * '\\') | zero(w ^ ones * 0x7f)) == 0;
}

inline size_t copy_plain(char* out, const uint8_t* p, size_t n) {
    size_t i = 0;
    while (n - i >= 8 && copy_word(out + i, p + i)) i += 8;
    for (; i < n && plain[p[i]]; i++) out[i] = static_cast<char>(p[i]);
    return i;
}
#endif

// The rest of a text, whose first byte cannot be copied as it is.
[[gnu::noinline]] char* write_mixed(char* out, const uint8_t* p, size_t n) {
    while (n > 0) {
        const size_t taken = write_special(p, n, out);
        p += taken, n -= taken;
        const size_t copied = copy_plain(out, p, n);
        p += copied, n -= copied, out += copied;
    }
    return out;
}

inline char* write_string(char* out, std::string_view text) {
    *out++ = '"';
    const auto* p = reinterpret_cast<const uint8_t*>(text.data());
    const size_t copied = copy_plain(out, p, text.size());
    out += copied;
    if (copied != text.size()) [[unlikely]]
        out = write_mixed(out, p + copied, text.size() - copied);
    *out++ = '"';
    return out;
}

constexpr size_t string_room(size_t n) {
    return n * 6 + 2;
}

// Room a value needs at most, key apart.
size_t value_room(const Value& v) {
    switch (v.kind) {
        case Kind::text:
            return string_room(v.size);
        case Kind::hex:
            return v.size * 2 + 2;
        case Kind::list_text:  // has its room item by item
            return 0;
        case Kind::map: {
            size_t n = 4;
            for (size_t i = 0; i < v.size * 2; i++) n += string_room(v.items[i].size) + 1;
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
            *out++ = '"';
            out = write_hex(out, {v.bytes, v.size});
            *out++ = '"';
            return out;
        case Kind::list_text:  // write_texts()
            return out;
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

// The buffer's end while a record is written. Where the next byte goes is in the writer's hands, in a register.
struct Room {
    Buffer& buffer;
    const char* end;

    // Room for n bytes at the returned place, where what was written up to `at` has its end.
    char* need(char* at, size_t n) {
        if (static_cast<size_t>(end - at) < n) [[unlikely]]
            return more(at, n);
        return at;
    }
    [[gnu::noinline]] char* more(char* at, size_t n) {
        buffer.commit(at);
        at = buffer.reserve(n);
        end = at + buffer.room();
        return at;
    }
};

char* write_texts(char* at, std::span<const Value> items, Room& room) {
    *at++ = '[';
    for (const Value& item : items) {
        at = write_string(room.need(at, string_room(item.size) + 2), item.as_text());
        *at++ = ',';
    }
    if (!items.empty()) --at;
    *at++ = ']';
    return at;
}

char* write_set(char* at, std::span<const Value> values, const Projection* projection, Room& room) {
    constexpr size_t key_room = 96;
    for (const Value& v : values) {
        if (projection && !always_written(v.field) && !projection->has(v.field)) continue;
        // Text and counts are what most values are: their writing is worth having here.
        if (v.kind == Kind::text) {
            at = room.need(at, key_room + string_room(v.size));
            at = write_string(write_key(at, v.field), v.as_text());
        } else if (v.kind == Kind::uint) {
            at = room.need(at, key_room + 20);
            at = write_uint(write_key(at, v.field), v.uint);
        } else if (v.kind == Kind::list_text) {
            at = room.need(at, key_room + 2);
            at = write_texts(write_key(at, v.field), v.as_items(), room);
        } else {
            if (v.kind == Kind::real && !std::isfinite(v.real)) continue;
            at = room.need(at, key_room + value_room(v));
            at = write_value(write_key(at, v.field), v);
        }
    }
    return at;
}

}  // namespace

void write_json(const Record& record, const Projection* projection, Buffer& out) {
    const size_t start = out.size();
    char* at = out.reserve(1);
    Room room{out, at + out.room()};
    at = write_set(at, record.values(), projection, room);
    for (const FieldSet* set : record.attached()) at = write_set(at, set->values(), projection, room);
    at = room.need(at, 2);
    at[0] = '}';
    at[1] = '\n';
    out.commit(at + 2);
    out.at(start) = '{';  // every key begins with a comma; that of @timestamp, the first, becomes the brace
}

void write_json_string(std::string_view text, Buffer& out) {
    char* p = out.reserve(string_room(text.size()));
    out.commit(write_string(p, text));
}

}  // namespace cvf::record
