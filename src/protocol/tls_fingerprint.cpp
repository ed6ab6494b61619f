#include "protocol/tls_fingerprint.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "protocol/digest.h"
#include "protocol/tls_names.h"

namespace cvf::protocol::tls1 {

namespace {

using Key = std::span<const uint16_t>;

// Remembers one text per key. Direct mapped: a new key takes the place of the one that hashed alike.
template <size_t text_size>
class Memo {
 public:
    using Text = std::array<char, text_size>;

    template <typename Compute>
    Text get(Key key, Compute&& compute) {
        if (key.size() > max_key) return compute();
        const size_t bytes = key.size_bytes();
        Slot& slot = slots_[XXH3_64bits(key.data(), bytes) % slot_count];
        if (!slot.used || slot.key.size() != key.size() || (bytes != 0 && std::memcmp(slot.key.data(), key.data(), bytes) != 0)) {
            slot.text = compute();
            slot.key.assign(key.begin(), key.end());
            slot.used = true;
        }
        return slot.text;
    }

 private:
    static constexpr size_t slot_count = 256, max_key = 512;  // at most 256 KiB of keys each
    struct Slot {
        std::vector<uint16_t> key;
        Text text;
        bool used = false;
    };
    std::array<Slot, slot_count> slots_;
};

// What one thread keeps: the memory of earlier hashes and the space to build a key and a text in.
struct Workspace {
    Memo<sizeof(ClientFingerprint)> whole;
    Memo<32> ja3, ja3s;
    Memo<12> ja4_ciphers, ja4_extensions;
    std::string text;

    // Space for numbers, of keys and of lists to sort. Never shrinks.
    std::vector<uint16_t> key_space, list_space;
};

uint16_t* room(std::vector<uint16_t>& space, size_t numbers) {
    if (space.size() < numbers) space.resize(numbers);
    return space.data();
}

Workspace& workspace() {
    thread_local const std::unique_ptr<Workspace> mine = std::make_unique<Workspace>();
    return *mine;
}

void append_decimal(std::string& out, unsigned value) {
    char digits[8];
    out.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

// The numbers of one part, joined by '-', behind the comma that parts it from the one before.
class DecimalList {
 public:
    explicit DecimalList(std::string& out) : out_(out) { out_ += ','; }
    void operator()(unsigned value) {
        if (!first_) out_ += '-';
        first_ = false;
        append_decimal(out_, value);
    }

 private:
    std::string& out_;
    bool first_ = true;
};

void write_ja3(const ClientHello& hello, std::string& out) {
    out.clear();
    append_decimal(out, hello.legacy_version);
    const auto write_list = [&](Bytes values) {
        DecimalList list(out);
        for_each_u16(values, [&](uint16_t value) {
            if (!is_grease(value)) list(value);
        });
    };
    write_list(hello.ciphers);
    DecimalList extensions(out);
    for_each_extension(hello.extensions, [&](uint16_t type, Bytes) {
        if (!is_grease(type)) extensions(type);
    });
    write_list(hello.groups);
    DecimalList formats(out);
    for (const uint8_t format : hello.point_formats) formats(format);
}

void write_ja3s(const ServerHello& hello, std::string& out) {
    out.clear();
    append_decimal(out, hello.legacy_version);
    out += ',';
    append_decimal(out, hello.cipher);
    DecimalList list(out);
    for_each_extension(hello.extensions, [&](uint16_t type, Bytes) { list(type); });
}

std::array<char, 32> md5_text(std::string_view text) {
    std::array<char, 32> out;
    write_hex(out.data(), md5(as_bytes(text)));
    return out;
}

std::array<char, 12> sha256_prefix(std::string_view text) {
    std::array<char, 12> out;
    if (text.empty()) {
        out.fill('0');
        return out;
    }
    const auto digest = sha256(as_bytes(text));
    write_hex(out.data(), {digest.data(), 6});
    return out;
}

void append_hex_list(std::string& out, std::span<const uint16_t> values) {
    bool first = true;
    for (const uint16_t value : values) {
        if (!first) out += ',';
        first = false;
        const uint8_t bytes[2] = {static_cast<uint8_t>(value >> 8), static_cast<uint8_t>(value)};
        char digits[4];
        out.append(digits, write_hex(digits, bytes));
    }
}

std::string_view ja4_version(const ClientHello& hello, Carrier carrier) {
    uint16_t version = 0;
    for_each_u16(hello.versions, [&](uint16_t v) {
        if (is_grease(v)) return;
        // DTLS counts downwards: the smallest number is the highest version.
        if (version == 0 || (carrier == Carrier::dtls ? v < version : v > version)) version = v;
    });
    if (version == 0) version = hello.legacy_version;
    switch (version) {
        case 0x0304:
            return "13";
        case 0x0303:
            return "12";
        case 0x0302:
            return "11";
        case 0x0301:
            return "10";
        case 0x0300:
            return "s3";
        case 0x0002:
            return "s2";
        case 0xfeff:
            return "d1";
        case 0xfefd:
            return "d2";
        case 0xfefc:
            return "d3";
        default:
            return "00";
    }
}

bool is_alphanumeric(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

// First and last character of the first protocol offered; their hex digits when one of the two is not alphanumeric.
std::array<char, 2> ja4_alpn(Bytes list) {
    if (list.empty()) return {'0', '0'};
    const size_t size = list[0];
    if (size == 0 || size + 1 > list.size()) return {'0', '0'};
    const char first = static_cast<char>(list[1]), last = static_cast<char>(list[size]);
    if (is_alphanumeric(first) && is_alphanumeric(last)) return {first, last};
    char digits[4];
    write_hex(write_hex(digits, list.subspan(1, 1)), list.subspan(size, 1));
    return {digits[0], digits[3]};
}

char* two_digits(char* out, size_t n) {
    n = std::min<size_t>(n, 99);
    *out++ = static_cast<char>('0' + n / 10);
    *out++ = static_cast<char>('0' + n % 10);
    return out;
}

// The numbers of a list at `out`, without GREASE; returns the end.
uint16_t* copy_numbers(Bytes list, uint16_t* out) {
    for_each_u16(list, [&](uint16_t v) {
        *out = v;
        out += !is_grease(v);
    });
    return out;
}

std::array<char, 36> ja4(const ClientHello& hello, Carrier carrier, Workspace& w) {
    std::array<char, 36> out;
    char* p = out.data();
    *p++ = carrier == Carrier::quic ? 'q' : carrier == Carrier::dtls ? 'd' : 't';
    p = std::ranges::copy(ja4_version(hello, carrier), p).out;
    *p++ = hello.has_server_name ? 'd' : 'i';

    uint16_t* const key =
        room(w.list_space, hello.ciphers.size() + hello.extensions.size() + hello.signature_algorithms.size() + 1);
    uint16_t* end = copy_numbers(hello.ciphers, key);
    p = two_digits(p, static_cast<size_t>(end - key));
    std::sort(key, end);
    const auto ciphers = w.ja4_ciphers.get({key, end}, [&] {
        w.text.clear();
        append_hex_list(w.text, {key, end});
        return sha256_prefix(w.text);
    });

    end = key;
    size_t extension_count = 0;
    for_each_extension(hello.extensions, [&](uint16_t type, Bytes) {
        if (is_grease(type)) return;
        ++extension_count;
        // The first part of the fingerprint says these two already.
        if (type != extension::server_name && type != extension::alpn) *end++ = type;
    });
    p = two_digits(p, extension_count);
    p = std::ranges::copy(ja4_alpn(hello.alpn), p).out;
    std::sort(key, end);
    const size_t listed = static_cast<size_t>(end - key);
    end = copy_numbers(hello.signature_algorithms, end);
    // The last number of the key tells where the one list ends and the other begins.
    *end = static_cast<uint16_t>(listed);
    const auto extensions = w.ja4_extensions.get({key, end + 1}, [&] {
        w.text.clear();
        append_hex_list(w.text, {key, listed});
        if (end - key > static_cast<ptrdiff_t>(listed)) {
            w.text += '_';
            append_hex_list(w.text, {key + listed, end});
        }
        return sha256_prefix(w.text);
    });

    *p++ = '_';
    p = std::ranges::copy(ciphers, p).out;
    *p++ = '_';
    std::ranges::copy(extensions, p);
    return out;
}

// Everything JA3 is made of, as a key. 0x0a0a, which no list keeps, stands between the lists.
uint16_t* ja3_key(const ClientHello& hello, uint16_t* out) {
    constexpr uint16_t between = 0x0a0a;
    *out++ = hello.legacy_version;
    out = copy_numbers(hello.ciphers, out);
    *out++ = between;
    for_each_extension(hello.extensions, [&](uint16_t type, Bytes) {
        *out = type;
        out += !is_grease(type);
    });
    *out++ = between;
    out = copy_numbers(hello.groups, out);
    *out++ = between;
    out = std::ranges::copy(hello.point_formats, out).out;
    *out++ = between;
    return out;
}

}  // namespace

ClientFingerprint fingerprint(const ClientHello& hello, Carrier carrier) {
    Workspace& w = workspace();
    // Each number takes two bytes on the wire at least, a point format one; twelve more for what stands around the lists.
    const size_t most = hello.ciphers.size() + hello.extensions.size() * 2 + 12;
    uint16_t* const key = room(w.key_space, most);
    uint16_t* end = ja3_key(hello, key);
    const size_t ja3_size = static_cast<size_t>(end - key);
    end = copy_numbers(hello.signature_algorithms, end);
    const auto version = ja4_version(hello, carrier);
    const auto alpn = ja4_alpn(hello.alpn);
    *end++ = static_cast<uint16_t>(version[0] << 8 | version[1]);
    *end++ = static_cast<uint16_t>(alpn[0] << 8 | static_cast<uint8_t>(alpn[1]));
    *end++ = static_cast<uint16_t>(static_cast<unsigned>(carrier) << 1 | hello.has_server_name);
    const auto both = w.whole.get({key, end}, [&] {
        ClientFingerprint fresh;
        fresh.ja3 = w.ja3.get({key, ja3_size}, [&] {
            write_ja3(hello, w.text);
            return md5_text(w.text);
        });
        fresh.ja4 = ja4(hello, carrier, w);
        return std::bit_cast<std::array<char, sizeof(ClientFingerprint)>>(fresh);
    });
    return std::bit_cast<ClientFingerprint>(both);
}

std::array<char, 32> ja3s(const ServerHello& hello) {
    Workspace& w = workspace();
    uint16_t* const key = room(w.key_space, hello.extensions.size() + 2);
    uint16_t* end = key;
    *end++ = hello.legacy_version;
    *end++ = hello.cipher;
    for_each_extension(hello.extensions, [&](uint16_t type, Bytes) { *end++ = type; });
    return w.ja3s.get({key, end}, [&] {
        write_ja3s(hello, w.text);
        return md5_text(w.text);
    });
}

std::string ja3_string(const ClientHello& hello) {
    std::string out;
    write_ja3(hello, out);
    return out;
}

std::string ja3s_string(const ServerHello& hello) {
    std::string out;
    write_ja3s(hello, out);
    return out;
}

}  // namespace cvf::protocol::tls1
