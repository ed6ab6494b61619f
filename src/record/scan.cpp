#include "record/scan.h"

#include "record/utf8.h"

namespace cvf::record {
namespace {

constexpr int max_depth = 4;

bool is_utf8(std::string_view text) {
    const auto* p = reinterpret_cast<const uint8_t*>(text.data());
    for (size_t left = text.size(); left > 0;) {
        const size_t n = *p < 0x80 ? 1 : utf8_length(p, left);
        if (n == 0) return false;
        p += n, left -= n;
    }
    return true;
}

void append_utf8(uint32_t code, std::string& out) {
    const auto put = [&](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
    if (code < 0x80) return put(code);
    if (code < 0x800) return put(0xc0 | code >> 6), put(0x80 | (code & 0x3f));
    if (code < 0x10000) return put(0xe0 | code >> 12), put(0x80 | (code >> 6 & 0x3f)), put(0x80 | (code & 0x3f));
    put(0xf0 | code >> 18), put(0x80 | (code >> 12 & 0x3f)), put(0x80 | (code >> 6 & 0x3f)), put(0x80 | (code & 0x3f));
}

}  // namespace

bool Scanner::string(std::string_view& out) {
    const char* begin = ++at_;
    bool ascii = true;
    for (; at_ < end_; ++at_) {
        const auto c = static_cast<unsigned char>(*at_);
        if (c == '"') {
            out = {begin, static_cast<size_t>(at_++ - begin)};
            return ascii || is_utf8(out);
        }
        if (c == '\\') return escaped(begin, out);
        if (c < 0x20) return false;
        ascii &= c < 0x80;
    }
    return false;
}

// The rest of a string from its first backslash on.
bool Scanner::escaped(const char* begin, std::string_view& out) {
    scratch_.assign(begin, at_);
    while (at_ < end_) {
        const char c = *at_++;
        if (c == '"') {
            out = scratch_;
            return is_utf8(out);
        }
        if (static_cast<unsigned char>(c) < 0x20) return false;
        if (c != '\\') {
            scratch_.push_back(c);
            continue;
        }
        if (at_ == end_) return false;
        const char kind = *at_++;
        static constexpr std::string_view letters = "\"\\/bfnrt", values = "\"\\/\b\f\n\r\t";
        if (const size_t i = letters.find(kind); i != std::string_view::npos) {
            scratch_.push_back(values[i]);
            continue;
        }
        uint32_t code = 0;
        if (kind != 'u' || !unicode(code)) return false;
        if (code >= 0xd800 && code < 0xdc00) {
            uint32_t low = 0;
            if (end_ - at_ < 2 || at_[0] != '\\' || at_[1] != 'u') return false;
            at_ += 2;
            if (!unicode(low) || low < 0xdc00 || low > 0xdfff) return false;
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        } else if (code >= 0xdc00 && code <= 0xdfff) {
            return false;
        }
        append_utf8(code, scratch_);
    }
    return false;
}

bool Scanner::unicode(uint32_t& code) {
    if (end_ - at_ < 4) return false;
    const auto [rest, error] = std::from_chars(at_, at_ + 4, code, 16);
    if (error != std::errc{} || rest != at_ + 4) return false;
    at_ += 4;
    return true;
}

bool Scanner::number(Number& out) {
    const char* begin = at_;
    out = {};
    if (*at_ == '-') out.negative = true, ++at_;
    const char* first = at_;
    out.whole = true;
    for (; at_ < end_ && *at_ >= '0' && *at_ <= '9'; ++at_) {
        const auto digit = static_cast<uint64_t>(*at_ - '0');
        if (out.magnitude > (UINT64_MAX - digit) / 10) out.whole = false;
        out.magnitude = out.magnitude * 10 + digit;
    }
    if (at_ == first || (*first == '0' && at_ - first > 1)) return false;
    const auto digits = [&] {
        const char* from = at_;
        while (at_ < end_ && *at_ >= '0' && *at_ <= '9') ++at_;
        return at_ != from;
    };
    if (at_ < end_ && *at_ == '.') {
        out.whole = false;
        ++at_;
        if (!digits()) return false;
    }
    if (at_ < end_ && (*at_ == 'e' || *at_ == 'E')) {
        out.whole = false;
        ++at_;
        if (at_ < end_ && (*at_ == '+' || *at_ == '-')) ++at_;
        if (!digits()) return false;
    }
    if (out.whole) {
        out.real = static_cast<double>(out.magnitude) * (out.negative ? -1 : 1);
        return true;
    }
    // Too large or too small a number is left as from_chars leaves it: 0.
    std::from_chars(begin, at_, out.real);
    return true;
}

bool Scanner::word(std::string_view expected) {
    if (static_cast<size_t>(end_ - at_) < expected.size() || std::memcmp(at_, expected.data(), expected.size()) != 0)
        return false;
    at_ += expected.size();
    return true;
}

bool Scanner::skip(int depth) {
    std::string_view text;
    Number n;
    switch (peek()) {
        case '"':
            return string(text);
        case 't':
            return word("true");
        case 'f':
            return word("false");
        case 'n':
            return word("null");
        case '[':
            if (depth == max_depth) return false;
            take('[');
            if (take(']')) return true;
            do {
                if (!skip(depth + 1)) return false;
            } while (take(','));
            return take(']');
        case '{':
            if (depth == max_depth) return false;
            take('{');
            if (take('}')) return true;
            do {
                if (peek() != '"' || !string(text) || !take(':') || !skip(depth + 1)) return false;
            } while (take(','));
            return take('}');
        default:
            return at_ < end_ && (*at_ == '-' || (*at_ >= '0' && *at_ <= '9')) && number(n);
    }
}

}  // namespace cvf::record
