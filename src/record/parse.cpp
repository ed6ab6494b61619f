#include "record/parse.h"

#include <arpa/inet.h>

#include <array>
#include <bitset>
#include <charconv>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "record/scan.h"

namespace cvf::record {
namespace {

constexpr size_t max_line = 1024 * 1024;

// Fields by a hash of their keys: one look instead of nine comparisons.
class KeyTable {
 public:
    KeyTable() {
        for (size_t i = 0; i < field_count; ++i) {
            size_t at = place(field_table[i].key);
            while (slots_[at] != none) at = (at + 1) % size;
            slots_[at] = static_cast<uint16_t>(i);
        }
    }
    std::optional<Field> find(std::string_view key) const {
        for (size_t at = place(key); slots_[at] != none; at = (at + 1) % size)
            if (field_table[slots_[at]].key == key) return static_cast<Field>(slots_[at]);
        return std::nullopt;
    }

 private:
    static constexpr size_t size = 4096;
    static constexpr uint16_t none = 0xffff;
    static_assert(field_count * 2 < size);

    static size_t place(std::string_view key) {
        uint64_t head = 0, middle = 0, tail = 0;
        const size_t n = key.size();
        if (n >= 8) {
            std::memcpy(&head, key.data(), 8);
            std::memcpy(&middle, key.data() + (n - 8) / 2, 8);
            std::memcpy(&tail, key.data() + n - 8, 8);
        } else {
            std::memcpy(&head, key.data(), n);
        }
        uint64_t h = (head ^ n) * 0x9e3779b97f4a7c15 ^ middle * 0xc2b2ae3d27d4eb4f ^ tail * 0x165667b19e3779f9;
        h ^= h >> 32;
        return h * 0x9e3779b97f4a7c15 >> 52;
    }
    std::array<uint16_t, size> slots_ = [] {
        std::array<uint16_t, size> all{};
        all.fill(none);
        return all;
    }();
};

std::optional<Field> find_field(std::string_view key) {
    static const KeyTable table;
    return table.find(key);
}

// Decimal digits only, `count` of them.
bool digits(std::string_view& text, size_t count, unsigned& value) {
    if (text.size() < count) return false;
    value = 0;
    for (size_t i = 0; i < count; ++i) {
        if (text[i] < '0' || text[i] > '9') return false;
        value = value * 10 + static_cast<unsigned>(text[i] - '0');
    }
    text.remove_prefix(count);
    return true;
}

bool literal(std::string_view& text, char c) {
    if (!text.starts_with(c)) return false;
    text.remove_prefix(1);
    return true;
}

struct Address {
    uint8_t bytes[16];
    size_t size;
};

// Four numbers up to 255 without leading zeros.
bool parse_ipv4(std::string_view text, uint8_t* out) {
    size_t at = 0;
    for (int i = 0; i < 4; ++i) {
        if (i && (at == text.size() || text[at++] != '.')) return false;
        const size_t begin = at;
        unsigned value = 0;
        while (at < text.size() && text[at] >= '0' && text[at] <= '9' && at - begin < 3)
            value = value * 10 + static_cast<unsigned>(text[at++] - '0');
        if (at == begin || value > 255 || (text[begin] == '0' && at - begin > 1)) return false;
        out[i] = static_cast<uint8_t>(value);
    }
    return at == text.size();
}

std::optional<Address> parse_address(std::string_view text) {
    Address address{};
    if (parse_ipv4(text, address.bytes)) return address.size = 4, address;
    char copy[INET6_ADDRSTRLEN];
    if (text.size() >= sizeof copy) return std::nullopt;
    text.copy(copy, text.size());
    copy[text.size()] = 0;
    if (::inet_pton(AF_INET6, copy, address.bytes) == 1) return address.size = 16, address;
    return std::nullopt;
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// Pairs of hex digits with `separator` between them (0: none), into `out`, which has room for text.size() bytes.
std::optional<size_t> parse_hex(std::string_view text, char separator, uint8_t* out) {
    size_t n = 0;
    while (!text.empty()) {
        if (separator && n && !literal(text, separator)) return std::nullopt;
        if (text.size() < 2) return std::nullopt;
        const int high = hex_digit(text[0]), low = hex_digit(text[1]);
        if (high < 0 || low < 0) return std::nullopt;
        out[n++] = static_cast<uint8_t>(high * 16 + low);
        text.remove_prefix(2);
    }
    return n;
}

// Reads the values of one line into a record. Each step leaves the scanner behind the value, or says that the line is no JSON.
class Reader {
 public:
    Reader(Scanner& in, Record& out) : in_(in), out_(out) {}

    bool value(Field field) {
        switch (info(field).kind) {
            case Kind::text:
                return text([&](std::string_view t) { out_.text(field, keep(t)); });
            case Kind::ip:
                return text([&](std::string_view t) {
                    if (const auto a = parse_address(t)) out_.ip(field, {a->bytes, a->size});
                });
            case Kind::mac:
                return text([&](std::string_view t) {
                    uint8_t mac[17];
                    if (t.size() == sizeof mac && parse_hex(t, '-', mac)) out_.mac(field, mac);
                });
            case Kind::time:
                return text([&](std::string_view t) {
                    int64_t ns = 0;
                    if (parse_time(t, ns)) out_.time(field, ns);
                });
            case Kind::hex:
                return text([&](std::string_view t) {
                    auto* bytes = static_cast<uint8_t*>(out_.arena().take(t.size() + 1, 1));
                    if (const auto n = parse_hex(t, 0, bytes)) out_.hex(field, {bytes, *n});
                });
            case Kind::uint:
                return number([&](const Number& n) {
                    if (n.whole && !n.negative) out_.uint(field, n.magnitude);
                });
            case Kind::sint:
                return number([&](const Number& n) {
                    if (n.fits_signed()) out_.sint(field, n.as_signed());
                });
            case Kind::real:
                return number([&](const Number& n) { out_.real(field, n.real); });
            case Kind::flag:
                if (in_.peek() != 't' && in_.peek() != 'f') return in_.skip();
                out_.flag(field, in_.peek() == 't');
                return in_.skip();
            case Kind::list_text:
            case Kind::list_uint:
            case Kind::list_ip:
                return list(field);
            case Kind::map:
                return map(field);
        }
        return false;
    }

 private:
    std::string_view keep(std::string_view t) { return out_.arena().copy(t); }

    template <typename Use>
    bool text(Use use) {
        if (in_.peek() != '"') return in_.skip();
        std::string_view t;
        if (!in_.string(t)) return false;
        use(t);
        return true;
    }

    template <typename Use>
    bool number(Use use) {
        const char c = in_.peek();
        if (c != '-' && (c < '0' || c > '9')) return in_.skip();
        Number n;
        if (!in_.number(n)) return false;
        use(n);
        return true;
    }

    bool list(Field field) {
        if (in_.peek() != '[') return in_.skip();
        const Kind kind = info(field).kind;
        std::vector<std::string_view> texts;
        std::vector<uint64_t> numbers;
        std::vector<Address> addresses;
        size_t items = 0;
        in_.take('[');
        for (bool more = !in_.take(']'); more; more = in_.take(',')) {
            ++items;
            bool good;
            if (kind == Kind::list_text)
                good = text([&](std::string_view t) { texts.push_back(keep(t)); });
            else if (kind == Kind::list_uint)
                good = number([&](const Number& n) {
                    if (n.whole && !n.negative) numbers.push_back(n.magnitude);
                });
            else
                good = text([&](std::string_view t) {
                    if (const auto a = parse_address(t)) addresses.push_back(*a);
                });
            if (!good) return false;
        }
        if (items && !in_.take(']')) return false;
        // One item of another kind, and the list is not what the field means.
        if (kind == Kind::list_text && texts.size() == items) out_.texts(field, texts);
        if (kind == Kind::list_uint && numbers.size() == items) out_.uints(field, numbers);
        if (kind == Kind::list_ip && addresses.size() == items) {
            std::vector<std::span<const uint8_t>> views;
            for (const Address& a : addresses) views.emplace_back(a.bytes, a.size);
            out_.ips(field, views);
        }
        return true;
    }

    bool map(Field field) {
        if (in_.peek() != '{') return in_.skip();
        std::vector<std::pair<std::string_view, std::string_view>> entries;
        in_.take('{');
        bool any = false;
        for (bool more = !in_.take('}'); more; more = in_.take(',')) {
            any = true;
            std::string_view key;
            if (in_.peek() != '"' || !in_.string(key)) return false;
            key = keep(key);
            if (!in_.take(':') || !text([&](std::string_view t) { entries.emplace_back(key, keep(t)); })) return false;
        }
        if (any && !in_.take('}')) return false;
        out_.map(field, entries);
        return true;
    }

    Scanner& in_;
    Record& out_;
};

// @timestamp and record.type, which begin() wants first: the writer puts them there, others need not.
bool find_head(Scanner in, std::optional<int64_t>& when, std::optional<RecordType>& type) {
    if (!in.take('{')) return false;
    for (bool more = !in.take('}'); more; more = in.take(',')) {
        std::string_view key, text;
        if (in.peek() != '"' || !in.string(key) || !in.take(':')) return false;
        const bool is_time = key == "@timestamp", is_type = key == "record.type";
        if ((is_time || is_type) && in.peek() == '"') {
            if (!in.string(text)) return false;
            if (int64_t ns = 0; is_time && parse_time(text, ns)) when = ns;
            if (is_type) type = type_by_name(text);
            if (when && type) return true;
        } else if (!in.skip()) {
            return false;
        }
    }
    return true;
}

}  // namespace

bool parse_time(std::string_view text, int64_t& unix_ns) {
    unsigned year, month, day, hour, minute, second;
    if (!digits(text, 4, year) || !literal(text, '-') || !digits(text, 2, month) || !literal(text, '-') ||
        !digits(text, 2, day) || !literal(text, 'T') || !digits(text, 2, hour) || !literal(text, ':') ||
        !digits(text, 2, minute) || !literal(text, ':') || !digits(text, 2, second))
        return false;
    int64_t fraction = 0;
    if (literal(text, '.')) {
        int places = 0;
        for (unsigned digit; places < 9 && digits(text, 1, digit); ++places) fraction = fraction * 10 + digit;
        if (places == 0) return false;
        for (; places < 9; ++places) fraction *= 10;
    }
    const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(year)), std::chrono::month(month),
                                           std::chrono::day(day)};
    if (text != "Z" || !date.ok() || hour > 23 || minute > 59 || second > 60) return false;
    // What 64 bits of nanoseconds hold is 1677 to 2262.
    if (year < 1678 || year > 2261) return false;
    const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
    unix_ns = ((days * 24 + hour) * 60 + minute) * 60'000'000'000 + second * INT64_C(1'000'000'000) + fraction;
    return true;
}

std::expected<void, std::string> parse_record(std::string_view line, Record& out) {
    if (line.size() > max_line) return std::unexpected("the record is too long");
    Scanner in(line);
    std::optional<int64_t> when;
    std::optional<RecordType> type;
    if (in.peek() != '{') return std::unexpected("the record is not a JSON object");
    if (!find_head(in, when, type)) return std::unexpected("the record is not JSON");
    if (!when) return std::unexpected("the record has no valid @timestamp");
    if (!type) return std::unexpected("the record has no known record.type");
    out.begin(*type, *when);
    std::bitset<field_count> seen;
    seen.set(static_cast<size_t>(Field::timestamp));
    seen.set(static_cast<size_t>(Field::record_type));
    Reader reader(in, out);
    bool good = in.take('{');
    bool any = false;
    for (bool more = !in.take('}'); good && more; more = good && in.take(',')) {
        any = true;
        std::string_view key;
        good = in.peek() == '"' && in.string(key);
        const auto field = good ? find_field(key) : std::nullopt;
        good = good && in.take(':');
        if (!good) break;
        if (field && !seen[static_cast<size_t>(*field)]) {
            seen.set(static_cast<size_t>(*field));
            good = reader.value(*field);
        } else {
            good = in.skip();
        }
    }
    if (good && any) good = in.take('}');
    if (!good || !in.at_end()) return std::unexpected("the record is not JSON");
    return {};
}

}  // namespace cvf::record
