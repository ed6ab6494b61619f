#include "protocol/dns_message.h"

#include <array>
#include <cstring>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace cvf::protocol {

namespace {

using decode::load_be16;
using decode::load_be32;

// A name has at most 127 labels, and an honest pointer leads to one at least. Pointers to mere pointers would make each name of a
// message cost as much as the whole message.
constexpr size_t max_hops = 127;

// What each byte of a label becomes; 0: it must be escaped.
using ByteTable = std::array<char, 256>;

constexpr ByteTable make_table(bool lower, bool utf8) {
    ByteTable table{};
    for (int c = utf8 ? ' ' : '!'; c < 127; ++c) table[c] = static_cast<char>(lower && c >= 'A' && c <= 'Z' ? c + 32 : c);
    if (utf8)
        for (int c = 128; c < 256; ++c) table[c] = static_cast<char>(c);
    table['.'] = table['\\'] = 0;
    return table;
}

constexpr ByteTable tables[] = {make_table(true, false), make_table(false, false), make_table(false, true),
                                make_table(true, true)};

// \DDD of each byte; of '.' and '\\' the two characters that count come first.
constexpr auto escapes = [] {
    std::array<std::array<char, 4>, 256> table{};
    for (int c = 0; c < 256; ++c) {
        const auto digit = [](int value) { return static_cast<char>('0' + value % 10); };
        table[c] = {'\\', digit(c / 100), digit(c / 10), digit(c)};
    }
    table['.'][1] = '.';
    table['\\'][1] = '\\';
    return table;
}();

inline char* escape(char* out, uint8_t c) {
    std::memcpy(out, escapes[c].data(), 4);
    return out + (c == '.' || c == '\\' ? 2 : 4);
}

// One label as text. `end` is that of the message, behind the label; `out` has room for the text and 16 bytes more.
char* write_label(char* out, const uint8_t* p, size_t size, const uint8_t* end, NameForm form) {
    const uint8_t* const label_end = p + size;
#ifdef __SSE2__
    // Blocks of 16 bytes up to where the message ends: what ByteTable says, without a look-up for each.
    const bool utf8 = form == NameForm::utf8 || form == NameForm::utf8_lower;
    const bool lower = form == NameForm::lower || form == NameForm::utf8_lower;
    const __m128i beyond_ascii = _mm_set1_epi8(utf8 ? -1 : 0);
    const __m128i first_plain = _mm_set1_epi8(utf8 ? ' ' + 1 : '!' + 1);
    const __m128i case_bit = _mm_set1_epi8(lower ? 'a' - 'A' : 0);
    while (p != label_end && end - p >= 16) {
        const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
        const __m128i upper = _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8('A' - 1)), _mm_cmplt_epi8(v, _mm_set1_epi8('Z' + 1)));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm_or_si128(v, _mm_and_si128(upper, case_bit)));
        // As signed bytes plus one, DEL and all beyond ASCII are low, as control characters are.
        const __m128i low = _mm_cmplt_epi8(_mm_add_epi8(v, _mm_set1_epi8(1)), first_plain);
        const __m128i stays = _mm_and_si128(_mm_cmplt_epi8(v, _mm_setzero_si128()), beyond_ascii);
        const __m128i special = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('.')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
        const auto n = static_cast<size_t>(label_end - p < 16 ? label_end - p : 16);
        const int found = _mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(stays, low), special));
        const auto plain = static_cast<size_t>(__builtin_ctz(static_cast<unsigned>(found) | 1u << n));
        p += plain, out += plain;
        if (plain < n) out = escape(out, *p++);
    }
#else
    (void)end;
#endif
    const ByteTable& table = tables[static_cast<size_t>(form)];
    for (; p != label_end; ++p) {
        const char c = table[*p];
        if (c) [[likely]]
            *out++ = c;
        else
            out = escape(out, *p);
    }
    return out;
}

}  // namespace

char* DnsReader::name(char* out, NameForm form) {
    if (fault_) return nullptr;
    const uint8_t* const data = message_.data();
    const size_t size = message_.size();
    char* const begin = out;
    size_t at = at_, lowest = at_, length = 1, after = 0, hops = 0;
    for (;;) {
        if (at >= size) return fail(ends_early);
        const size_t label = data[at];
        if (label == 0) {
            at_ = after ? after : at + 1;
            if (out == begin) *out++ = '.';
            return out;
        }
        if (label < 64) {
            length += label + 1;
            if (length > dns_max_name) return fail("name longer than 255 bytes");
            if (label >= size - at) return fail(ends_early);
            if (out != begin) *out++ = '.';
            out = write_label(out, data + at + 1, label, data + size, form);
            at += label + 1;
        } else if (label >= 0xc0) {
            if (size - at < 2) return fail(ends_early);
            const size_t target = load_be16(data + at) & 0x3fff;
            if (!after) after = at + 2;
            if (target >= lowest || target < dns_header_size) return fail("compression pointer does not point back to a name");
            if (++hops > max_hops) return fail("name of too many compression pointers");
            at = lowest = target;
        } else {
            return fail("label of a reserved type");
        }
    }
}

bool DnsReader::skip_name() {
    if (fault_) return false;
    const uint8_t* const data = message_.data();
    const size_t size = message_.size(), begin = at_;
    size_t at = at_;
    for (;;) {
        if (at >= size) return fail(ends_early);
        const size_t label = data[at];
        if (label >= 0xc0) {
            if (size - at < 2) return fail(ends_early);
            at_ = at + 2;
            return true;
        }
        if (label >= 64) return fail("label of a reserved type");
        at += label + 1;
        if (at - begin > dns_max_name) return fail("name longer than 255 bytes");
        if (label == 0) {
            at_ = at;
            return true;
        }
    }
}

bool DnsReader::rr(DnsRr& out) {
    if (fault_) return false;
    if (message_.size() - at_ < 10) return fail(ends_early);
    const uint8_t* p = message_.data() + at_;
    out = {load_be16(p), load_be16(p + 2), load_be32(p + 4), at_ + 10, load_be16(p + 8)};
    if (message_.size() - out.data < out.size) return fail(ends_early);
    at_ = out.data + out.size;
    return true;
}

bool DnsReader::u16(uint16_t& out) {
    if (fault_) return false;
    if (message_.size() - at_ < 2) return fail(ends_early);
    out = load_be16(message_.data() + at_);
    at_ += 2;
    return true;
}

}  // namespace cvf::protocol
