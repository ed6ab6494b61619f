// JSON text, token by token, without a tree: what parse.cpp reads records with. Internal to the record room.
//
// A Scanner borrows the text and may be copied to look ahead. Strings come as views: into the text, or, where they hold escapes,
// into the scanner's own memory, valid until its next string(). Bytes that are not UTF-8, raw control characters, and anything
// else RFC 8259 does not allow make a step return false; then the text is no JSON and the scanner of no more use.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace cvf::record {

struct Number {
    bool negative = false;
    bool whole = false;  // has neither fraction nor exponent, and its magnitude fits
    uint64_t magnitude = 0;
    double real = 0;

    bool fits_signed() const { return whole && magnitude <= (negative ? UINT64_C(1) << 63 : (UINT64_C(1) << 63) - 1); }
    int64_t as_signed() const { return static_cast<int64_t>(negative ? 0 - magnitude : magnitude); }
};

class Scanner {
 public:
    explicit Scanner(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

    // The next character that is no blank, 0 at the end.
    char peek() {
        while (at_ < end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
        return at_ < end_ ? *at_ : '\0';
    }
    bool take(char c) {
        if (peek() != c || at_ == end_) return false;
        ++at_;
        return true;
    }
    bool at_end() { return peek() == '\0' && at_ == end_; }

    bool string(std::string_view& out);  // peek() is '"'
    bool number(Number& out);            // peek() is '-' or a digit
    bool skip(int depth = 0);            // any value

 private:
    bool escaped(const char* begin, std::string_view& out);
    bool unicode(uint32_t& code);
    bool word(std::string_view expected);

    const char* at_;
    const char* end_;
    std::string scratch_;
};

}  // namespace cvf::record
