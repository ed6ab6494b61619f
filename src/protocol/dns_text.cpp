#include "protocol/dns_message.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

namespace cvf::protocol {

namespace {

// Both digits of each byte, lower and upper case: what is no DNS message of the usual kind is mostly hex.
constexpr auto hex_digits = [] {
    std::array<std::array<std::array<char, 2>, 256>, 2> table{};
    for (size_t upper = 0; upper < 2; ++upper)
        for (size_t b = 0; b < 256; ++b) {
            const char* digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
            table[upper][b] = {digits[b >> 4], digits[b & 15]};
        }
    return table;
}();

}  // namespace

void DnsText::grow(size_t n) {
    const size_t have = static_cast<size_t>(at_ - begin_);
    const size_t size = std::max<size_t>(4096, 2 * (have + n));
    char* memory = static_cast<char*>(arena_.take(size, 1));
    std::memcpy(memory, begin_, have);
    begin_ = memory;
    at_ = memory + have;
    end_ = memory + size;
}

void DnsText::add(std::string_view text) {
    if (text.empty()) return;
    std::memcpy(room(text.size()), text.data(), text.size());
    at_ += text.size();
}

void DnsText::number(uint64_t n) {
    char* out = room(20);
    at_ = std::to_chars(out, out + 20, n).ptr;
}

void DnsText::hex(Bytes bytes, bool upper) {
    const auto& digits = hex_digits[upper];
    char* out = room(2 * bytes.size());
    for (uint8_t b : bytes) {
        std::memcpy(out, digits[b].data(), 2);
        out += 2;
    }
    at_ = out;
}

void DnsText::base64(Bytes bytes) {
    static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char* out = room((bytes.size() + 2) / 3 * 4);
    size_t i = 0;
    for (; i + 3 <= bytes.size(); i += 3) {
        const uint32_t v = decode::load_be24(bytes.data() + i);
        for (int shift = 18; shift >= 0; shift -= 6) *out++ = digits[v >> shift & 63];
    }
    if (const size_t rest = bytes.size() - i; rest) {
        const uint32_t v = static_cast<uint32_t>(bytes[i] << 16) | (rest == 2 ? static_cast<uint32_t>(bytes[i + 1]) << 8 : 0);
        *out++ = digits[v >> 18];
        *out++ = digits[v >> 12 & 63];
        *out++ = rest == 2 ? digits[v >> 6 & 63] : '=';
        *out++ = '=';
    }
    wrote(out);
}

void DnsText::quoted(Bytes bytes) {
    char* out = room(4 * bytes.size() + 2);
    *out++ = '"';
    for (uint8_t c : bytes) {
        if (c == '"' || c == '\\') {
            *out++ = '\\';
            *out++ = static_cast<char>(c);
        } else if (c >= ' ' && c < 127) {
            *out++ = static_cast<char>(c);
        } else {
            *out++ = '\\';
            *out++ = static_cast<char>('0' + c / 100);
            *out++ = static_cast<char>('0' + c / 10 % 10);
            *out++ = static_cast<char>('0' + c % 10);
        }
    }
    *out++ = '"';
    wrote(out);
}

}  // namespace cvf::protocol
