#include "api/parse_record.h"

#include <arpa/inet.h>

#include <boost/json.hpp>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

namespace cvf::api {
namespace {

namespace json = boost::json;
using record::Field;
using record::Kind;
using record::Record;

constexpr size_t max_line = 1024 * 1024;

std::string_view view(const json::string& s) {
    return {s.data(), s.size()};
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

std::optional<Address> parse_address(std::string_view text) {
    char copy[INET6_ADDRSTRLEN];
    if (text.size() >= sizeof copy) return std::nullopt;
    text.copy(copy, text.size());
    copy[text.size()] = 0;
    Address address{};
    if (::inet_pton(AF_INET, copy, address.bytes) == 1) return address.size = 4, address;
    if (::inet_pton(AF_INET6, copy, address.bytes) == 1) return address.size = 16, address;
    return std::nullopt;
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// Pairs of hex digits with `separator` between them (0: none).
std::optional<std::string> parse_hex(std::string_view text, char separator) {
    std::string out;
    while (!text.empty()) {
        if (separator && !out.empty() && !literal(text, separator)) return std::nullopt;
        if (text.size() < 2) return std::nullopt;
        const int high = hex_digit(text[0]), low = hex_digit(text[1]);
        if (high < 0 || low < 0) return std::nullopt;
        out.push_back(static_cast<char>(high * 16 + low));
        text.remove_prefix(2);
    }
    return out;
}

std::span<const uint8_t> bytes_of(std::string_view text) {
    return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::optional<uint64_t> unsigned_of(const json::value& value) {
    if (value.is_uint64()) return value.get_uint64();
    if (value.is_int64() && value.get_int64() >= 0) return static_cast<uint64_t>(value.get_int64());
    return std::nullopt;
}

void add_list(Field field, Kind kind, const json::array& array, Record& out) {
    if (kind == Kind::list_text) {
        std::vector<std::string_view> items;
        for (const auto& item : array)
            if (const auto* text = item.if_string()) items.push_back(out.arena().copy(view(*text)));
        if (items.size() == array.size()) out.texts(field, items);
    } else if (kind == Kind::list_uint) {
        std::vector<uint64_t> items;
        for (const auto& item : array)
            if (const auto n = unsigned_of(item)) items.push_back(*n);
        if (items.size() == array.size()) out.uints(field, items);
    } else if (kind == Kind::list_ip) {
        std::vector<Address> addresses;
        for (const auto& item : array)
            if (const auto* text = item.if_string())
                if (const auto address = parse_address(view(*text))) addresses.push_back(*address);
        std::vector<std::span<const uint8_t>> items;
        for (const Address& a : addresses) items.emplace_back(a.bytes, a.size);
        if (items.size() == array.size()) out.ips(field, items);
    }
}

void add(Field field, const json::value& value, Record& out) {
    const Kind kind = record::info(field).kind;
    const auto* text = value.if_string();
    switch (kind) {
        case Kind::text:
            if (text) out.copy(field, view(*text));
            return;
        case Kind::uint:
            if (const auto n = unsigned_of(value)) out.uint(field, *n);
            return;
        case Kind::sint:
            if (value.is_int64()) out.sint(field, value.get_int64());
            return;
        case Kind::real:
            if (value.is_number()) out.real(field, value.to_number<double>());
            return;
        case Kind::flag:
            if (value.is_bool()) out.flag(field, value.get_bool());
            return;
        case Kind::ip:
            if (const auto address = text ? parse_address(view(*text)) : std::nullopt)
                out.ip(field, {address->bytes, address->size});
            return;
        case Kind::mac:
            if (const auto mac = text ? parse_hex(view(*text), '-') : std::nullopt; mac && mac->size() == 6)
                out.mac(field, bytes_of(*mac).data());
            return;
        case Kind::time:
            if (int64_t ns = 0; text && parse_time(view(*text), ns)) out.time(field, ns);
            return;
        case Kind::hex:
            if (const auto hex = text ? parse_hex(view(*text), 0) : std::nullopt)
                out.hex(field, bytes_of(out.arena().copy(*hex)));
            return;
        case Kind::list_text:
        case Kind::list_uint:
        case Kind::list_ip:
            if (const auto* array = value.if_array()) add_list(field, kind, *array, out);
            return;
        case Kind::map:
            if (const auto* object = value.if_object()) {
                std::vector<std::pair<std::string_view, std::string_view>> entries;
                for (const auto& entry : *object)
                    if (const auto* v = entry.value().if_string())
                        entries.emplace_back(out.arena().copy({entry.key().data(), entry.key().size()}),
                                             out.arena().copy(view(*v)));
                out.map(field, entries);
            }
            return;
    }
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
    boost::system::error_code error;
    json::parse_options options;
    options.max_depth = 4;
    const auto value = json::parse({line.data(), line.size()}, error, {}, options);
    if (error) return std::unexpected("the record is not JSON: " + error.message());
    const auto* object = value.if_object();
    if (!object) return std::unexpected("the record is not a JSON object");

    const auto* when = object->if_contains("@timestamp");
    const auto* name = object->if_contains("record.type");
    int64_t ns = 0;
    if (!when || !when->is_string() || !parse_time(view(when->get_string()), ns))
        return std::unexpected("the record has no valid @timestamp");
    const auto type = name && name->is_string() ? record::type_by_name(view(name->get_string())) : std::nullopt;
    if (!type) return std::unexpected("the record has no known record.type");
    out.begin(*type, ns);
    for (const auto& entry : *object) {
        const auto field = record::field_by_key({entry.key().data(), entry.key().size()});
        // A key that stands there twice is one member to Boost.JSON; only those begin() has set could come again.
        if (!field || out.find(*field)) continue;
        add(*field, entry.value(), out);
    }
    return {};
}

}  // namespace cvf::api
