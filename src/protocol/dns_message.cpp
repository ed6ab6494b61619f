#include "protocol/dns_message.h"

#include <array>

namespace cvf::protocol {

namespace {

using decode::load_be16;
using decode::load_be32;

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

char* escape(char* out, uint8_t c) {
    *out++ = '\\';
    if (c == '.' || c == '\\') {
        *out++ = static_cast<char>(c);
        return out;
    }
    *out++ = static_cast<char>('0' + c / 100);
    *out++ = static_cast<char>('0' + c / 10 % 10);
    *out++ = static_cast<char>('0' + c % 10);
    return out;
}

}  // namespace

char* DnsReader::name(char* out, NameForm form) {
    if (fault_) return nullptr;
    const ByteTable& table = tables[static_cast<size_t>(form)];
    const uint8_t* const data = message_.data();
    const size_t size = message_.size();
    char* const begin = out;
    size_t at = at_, lowest = at_, length = 1, after = 0;
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
            for (const uint8_t *p = data + at + 1, *end = p + label; p != end; ++p) {
                const char c = table[*p];
                if (c) [[likely]]
                    *out++ = c;
                else
                    out = escape(out, *p);
            }
            at += label + 1;
        } else if (label >= 0xc0) {
            if (size - at < 2) return fail(ends_early);
            const size_t target = load_be16(data + at) & 0x3fff;
            if (!after) after = at + 2;
            if (target >= lowest || target < dns_header_size) return fail("compression pointer does not point back to a name");
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
