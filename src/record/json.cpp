#include "record/json.h"

#include <array>
#include <charconv>
#include <cmath>

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
        if (p[0] == 0xe0 && p[1] < 0xa0) return 0;              // overlong
        if (p[0] == 0xed && p[1] >= 0xa0) return 0;             // surrogate
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

// True when none of the eight bytes needs escaping or is outside ASCII.
bool all_plain(uint64_t w) {
    constexpr uint64_t ones = 0x0101010101010101, highs = 0x8080808080808080;
    auto has_zero = [](uint64_t x) { return (x - ones) & ~x & highs; };
    uint64_t below_space = (w - ones * 0x20) & ~w & highs;
    return ((w & highs) | below_space | has_zero(w ^ ones * '"') | has_zero(w ^ ones * '\\') | has_zero(w ^ ones * 0x7f)) == 0;
}

char* write_string(char* out, std::string_view text) {
    *out++ = '"';
    const auto* p = reinterpret_cast<const uint8_t*>(text.data());
    const uint8_t* end = p + text.size();
    while (p < end) {
        while (end - p >= 8) {
            uint64_t w;
            std::memcpy(&w, p, 8);
            if (!all_plain(w)) break;
            std::memcpy(out, p, 8);
            out += 8;
            p += 8;
        }
        // The rest of a run, or the end of the text.
        const uint8_t* stop = end - p >= 8 ? p + 8 : end;
        while (p < stop) {
            if (plain[*p])
                *out++ = static_cast<char>(*p++);
            else
                p += write_special(p, static_cast<size_t>(end - p), out);
        }
    }
    *out++ = '"';
    return out;
}

constexpr size_t string_room(size_t n) { return n * 6 + 2; }

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
        case Kind::text: return string_room(v.size);
        case Kind::hex: return v.size * 2 + 2;
        case Kind::list_text:
        case Kind::map: {
            size_t n = 4;
            for (size_t i = 0; i < (v.kind == Kind::map ? v.size * 2 : v.size); i++) n += string_room(v.items[i].size) + 1;
            return n;
        }
        case Kind::list_uint: return v.size * 21 + 4;
        case Kind::list_ip: return v.size * 48 + 4;
        default: return 48;
    }
}

char* write_value(char* out, const Value& v) {
    switch (v.kind) {
        case Kind::text: return write_string(out, v.as_text());
        case Kind::uint: return write_uint(out, v.uint);
        case Kind::sint: return std::to_chars(out, out + 24, v.sint).ptr;
        case Kind::real: return std::to_chars(out, out + 32, v.real).ptr;
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
        case Kind::hex: return write_hex(out, {v.bytes, v.size});
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

void write_set(std::span<const Value> values, const Projection* projection, Buffer& out) {
    for (const Value& v : values) {
        if (projection && !always_written(v.field) && !projection->has(v.field)) continue;
        if (v.kind == Kind::real && !std::isfinite(v.real)) continue;
        const std::string_view key = info(v.field).json_key;
        char* p = out.reserve(key.size() + room(v));
        std::memcpy(p, key.data(), key.size());
        out.commit(write_value(p + key.size(), v));
    }
}

}  // namespace

void write_json(const Record& record, const Projection* projection, Buffer& out) {
    const size_t start = out.size();
    write_set(record.values(), projection, out);
    for (const FieldSet* set : record.attached()) write_set(set->values(), projection, out);
    char* p = out.reserve(2);
    out.at(start) = '{';  // every key begins with a comma; @timestamp's, the first, becomes the brace
    p[0] = '}';
    p[1] = '\n';
    out.commit(p + 2);
}

void write_json_string(std::string_view text, Buffer& out) {
    char* p = out.reserve(string_room(text.size()));
    out.commit(write_string(p, text));
}

}  // namespace cvf::record
