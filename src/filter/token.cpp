#include "filter/token.h"

#include <charconv>

#include <fmt/format.h>

namespace cvf::filter {

namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_hex(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
bool starts_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

void append_utf8(std::string& out, uint32_t c) {
    const auto put = [&out](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
    if (c < 0x80) {
        put(c);
    } else if (c < 0x800) {
        put(0xc0 | c >> 6);
        put(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        put(0xe0 | c >> 12);
        put(0x80 | (c >> 6 & 0x3f));
        put(0x80 | (c & 0x3f));
    } else {
        put(0xf0 | c >> 18);
        put(0x80 | (c >> 12 & 0x3f));
        put(0x80 | (c >> 6 & 0x3f));
        put(0x80 | (c & 0x3f));
    }
}

class Lexer {
 public:
    explicit Lexer(std::string_view source) : source_(source) {}

    std::expected<std::vector<Token>, Error> run() {
        std::vector<Token> tokens;
        for (;;) {
            skip_blanks();
            Token token;
            token.at = at_;
            if (at_ < source_.size() && !next(token)) return std::unexpected(std::move(error_));
            token.spelled = source_.substr(token.at, at_ - token.at);
            tokens.push_back(std::move(token));
            if (tokens.back().kind == TokenKind::end) return tokens;
        }
    }

 private:
    char peek(size_t ahead = 0) const { return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0'; }

    bool fail(size_t at, std::string message) {
        error_ = error_at(source_, at, std::move(message));
        return false;
    }

    void skip_blanks() {
        while (at_ < source_.size()) {
            if (is_blank(source_[at_])) {
                ++at_;
            } else if (source_.substr(at_).starts_with("//")) {
                while (at_ < source_.size() && source_[at_] != '\n') ++at_;
            } else {
                return;
            }
        }
    }

    bool next(Token& token) {
        const char c = peek();
        if (is_digit(c) || (c == '.' && is_digit(peek(1)))) return number(token);
        if (c == '"' || c == '\'') return string(token, false);
        if ((c == 'r' || c == 'R') && (peek(1) == '"' || peek(1) == '\'')) {
            ++at_;
            return string(token, true);
        }
        if ((c == 'b' || c == 'B') && (peek(1) == '"' || peek(1) == '\''))
            return fail(at_, "bytes literals are not part of the filter language; write a string");
        if (starts_name(c)) {
            token.kind = TokenKind::name;
            while (starts_name(peek()) || is_digit(peek())) ++at_;
            return true;
        }
        return sign(token);
    }

    bool sign(Token& token) {
        static constexpr std::string_view signs[] = {"&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "?", ":", "+",
                                                     "-",  "*",  "/",  "%",  "(",  ")",  "[", "]", ",", ".", "{", "}"};
        const std::string_view rest = source_.substr(at_);
        if (rest.starts_with("<>")) return fail(at_, "there is no '<>'; write '!=' for \"not equal\"");
        for (std::string_view s : signs) {
            if (!rest.starts_with(s)) continue;
            token.kind = TokenKind::sign;
            at_ += s.size();
            return true;
        }
        switch (rest[0]) {
            case '=':
                return fail(at_,
                            rest.starts_with("=~") ? "there is no '=~'; write x.matches(\"pattern\")" : "write '==' to compare");
            case '&':
                return fail(at_, "write '&&' for \"and\"");
            case '|':
                return fail(at_, "write '||' for \"or\"");
            case '~':
                return fail(at_, "there is no '~'; write x.matches(\"pattern\")");
            case '@':
                return fail(at_, rest.starts_with("@timestamp")
                                     ? "'@' cannot stand in a name; write 'timestamp' for the field @timestamp"
                                     : "'@' cannot stand in a name");
            case '`':
                return fail(at_, "names are not quoted; a name with '-' is written as header[\"content-type\"]");
            case '\0':
                return fail(at_, "a zero byte cannot stand in a filter");
            default:
                break;
        }
        if (static_cast<unsigned char>(rest[0]) >= 0x80) {
            if (rest.starts_with("\u201c") || rest.starts_with("\u201d") || rest.starts_with("\u2018") ||
                rest.starts_with("\u2019"))
                return fail(at_, "this is a typographic quote; write \"…\" or '…'");
            return fail(at_, "this character can stand only inside a string");
        }
        return fail(at_, fmt::format("'{}' means nothing here", rest[0]));
    }

    bool number(Token& token) {
        const size_t begin = at_;
        const bool hex = peek() == '0' && (peek(1) == 'x' || peek(1) == 'X');
        if (hex) at_ += 2;
        const size_t digits = at_;
        while (hex ? is_hex(peek()) : is_digit(peek())) ++at_;
        if (hex && at_ == digits) return fail(begin, "hex digits must follow '0x'");
        bool real = false;
        if (!hex) {
            if (peek() == '.' && is_digit(peek(1))) {
                real = true;
                ++at_;
                while (is_digit(peek())) ++at_;
            }
            const size_t sign_size = peek(1) == '+' || peek(1) == '-' ? 1 : 0;
            if ((peek() == 'e' || peek() == 'E') && is_digit(peek(1 + sign_size))) {
                real = true;
                at_ += 1 + sign_size;
                while (is_digit(peek())) ++at_;
            }
        }
        const char* first = source_.data() + digits;
        const char* last = source_.data() + at_;
        if (real) {
            token.kind = TokenKind::real;
            const auto [end, failure] = std::from_chars(source_.data() + begin, last, token.real);
            if (failure != std::errc{} || end != last) return fail(begin, "this number is too large or too small");
        } else {
            token.kind = TokenKind::integer;
            const auto [end, failure] = std::from_chars(first, last, token.number, hex ? 16 : 10);
            if (failure != std::errc{} || end != last) return fail(begin, "whole numbers end at 18446744073709551615");
            if (peek() == 'u' || peek() == 'U') {
                token.kind = TokenKind::unsigned_integer;
                ++at_;
            }
        }
        if (starts_name(peek()) || is_digit(peek())) {
            const size_t unit = at_;
            while (starts_name(peek()) || is_digit(peek())) ++at_;
            const std::string_view all = source_.substr(begin, at_ - begin);
            if (peek() == '.' && is_digit(peek(1))) return fail(begin, "an address is written as a string: \"10.0.0.1\"");
            return fail(unit, fmt::format("'{}' is not a number; a duration is written duration(\"{}\")", all, all));
        }
        if (real && peek() == '.' && is_digit(peek(1))) return fail(begin, "an address is written as a string: \"10.0.0.1\"");
        return true;
    }

    bool string(Token& token, bool raw) {
        token.kind = TokenKind::text;
        const size_t begin = at_;
        const char quote = peek();
        const bool triple = peek(1) == quote && peek(2) == quote;
        at_ += triple ? 3 : 1;
        for (;;) {
            if (at_ >= source_.size()) return fail(begin, "this string is not closed");
            const char c = peek();
            if (triple ? c == quote && peek(1) == quote && peek(2) == quote : c == quote) {
                at_ += triple ? 3 : 1;
                return true;
            }
            if (!triple && (c == '\n' || c == '\r')) return fail(begin, "this string is not closed on its line");
            if (c == '\\' && !raw) {
                if (!escape(token.text)) return false;
            } else {
                token.text.push_back(c);
                ++at_;
            }
        }
    }

    bool escape(std::string& out) {
        const size_t begin = at_++;
        const char c = peek();
        if (at_ < source_.size()) ++at_;
        switch (c) {
            case 'a':
                out.push_back('\a');
                return true;
            case 'b':
                out.push_back('\b');
                return true;
            case 'f':
                out.push_back('\f');
                return true;
            case 'n':
                out.push_back('\n');
                return true;
            case 'r':
                out.push_back('\r');
                return true;
            case 't':
                out.push_back('\t');
                return true;
            case 'v':
                out.push_back('\v');
                return true;
            case '\\':
            case '?':
            case '"':
            case '\'':
            case '`':
                out.push_back(c);
                return true;
            case 'x':
            case 'X':
                return code_point(begin, at_, 2, 16, out);
            case 'u':
                return code_point(begin, at_, 4, 16, out);
            case 'U':
                return code_point(begin, at_, 8, 16, out);
            default:
                break;
        }
        if (c >= '0' && c <= '3') return code_point(begin, at_ - 1, 3, 8, out);
        return fail(begin, "this escape is not known; a backslash is written '\\\\', or use a raw string: r\"…\"");
    }

    bool code_point(size_t begin, size_t digits, size_t count, int base, std::string& out) {
        uint32_t value = 0;
        const std::string_view text = source_.substr(digits, count);
        const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value, base);
        if (text.size() != count || failure != std::errc{} || end != text.data() + count)
            return fail(begin, fmt::format("{} {} digits must follow this escape", count, base == 8 ? "octal" : "hex"));
        if (value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return fail(begin, "there is no such Unicode character");
        append_utf8(out, value);
        at_ = digits + count;
        return true;
    }

    std::string_view source_;
    size_t at_ = 0;
    Error error_{};
};

}  // namespace

Error error_at(std::string_view source, size_t at, std::string message) {
    size_t column = 1;
    for (char c : source.substr(0, at))
        if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) ++column;
    make_printable(message);
    return {column, std::move(message)};
}

void make_printable(std::string& text) {
    for (size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        // The second set of control characters is two bytes in UTF-8.
        const bool second_set = c == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) >= 0x80 &&
                                static_cast<unsigned char>(text[i + 1]) < 0xa0;
        if (second_set) text.erase(i + 1, 1);
        if (second_set || (c < 0x20 && c != '\t') || c == 0x7f) text[i] = '?';
    }
}

std::expected<std::vector<Token>, Error> tokenize(std::string_view source) {
    return Lexer(source).run();
}

}  // namespace cvf::filter
